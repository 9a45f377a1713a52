//! Calls of the system under test, as Twilio makes them.

use std::time::Duration;

use shared::{form::Form, message_status::MessageStatus, signature::sign};

use crate::state::{Sandbox, WebhookRecord};

/// Twilio gives a webhook 15 seconds in all. Source: Twilio, error 11205.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Twilio tries again once, and only where there was no connection ("Webhooks: connection overrides", `rc` and `rp`).
const TRIES: usize = 2;

/// How a webhook was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Sandbox {
    /// Posts a signed form. None where no answer came.
    pub(crate) async fn post_webhook(
        &self,
        url: &str,
        form: &Form,
        message_sid: &str,
        status: Option<MessageStatus>,
    ) -> Option<Answer> {
        let mut answer = None;
        for _ in 0..TRIES {
            match self.post(url, form).await {
                Err(error) if error.is_connect() => {}
                Err(_) => break,
                Ok(answered) => {
                    answer = Some(answered);
                    break;
                }
            }
        }
        let record = WebhookRecord {
            url: url.to_owned(),
            message_sid: message_sid.to_owned(),
            status,
            answer: answer.as_ref().map(|answer| answer.status),
        };
        self.state().webhooks.push(record);
        answer
    }

    async fn post(&self, url: &str, form: &Form) -> reqwest::Result<Answer> {
        let signature = sign(&self.config.auth_token, url, form);
        let response = self
            .http
            .post(url)
            .timeout(TOTAL_TIMEOUT)
            .header("X-Twilio-Signature", signature)
            .header("X-Home-Region", "us1")
            .form(form.pairs())
            .send()
            .await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        Ok(Answer { status, content_type, body: response.text().await? })
    }
}
