//! Calls of the system under test, as Twilio makes them.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::{form::Form, message_status::MessageStatus, signature::sign};

use crate::{
    state::{Sandbox, WebhookRecord},
    timeline::{Happening, Outcome},
};

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

/// What Twilio tells the system under test.
#[derive(Debug)]
pub(crate) struct Webhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) form: Form,
    pub(crate) message_sid: &'a str,
    /// The address of the person whom it is about.
    pub(crate) person: &'a str,
    /// The status that is reported; none for an inbound message.
    pub(crate) status: Option<MessageStatus>,
}

impl Sandbox {
    /// Posts a signed form, unless it is to get lost. None where no answer came.
    pub(crate) async fn post_webhook(&self, webhook: Webhook<'_>) -> Option<Answer> {
        let dropped = self.state().drops.next_is_lost(webhook.person);
        let begin = Instant::now();
        let answer = if dropped { None } else { self.try_to_post(webhook.url, &webhook.form).await };
        self.tell(happening(&webhook, answer.as_ref(), dropped, begin.elapsed()));
        let record = WebhookRecord {
            url: webhook.url.to_owned(),
            message_sid: webhook.message_sid.to_owned(),
            status: webhook.status,
            answer: answer.as_ref().map(|answer| answer.status),
            dropped,
        };
        self.state().note(record);
        answer
    }

    async fn try_to_post(&self, url: &str, form: &Form) -> Option<Answer> {
        for _ in 0..TRIES {
            match self.post(url, form).await {
                Err(error) if error.is_connect() => {}
                answered => return answered.ok(),
            }
        }
        None
    }

    async fn post(&self, url: &str, form: &Form) -> reqwest::Result<Answer> {
        let signature = sign(&self.products.auth_tokens.primary(), url, form);
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

/// What the timeline says of a webhook: the form whole, since nobody else's messages are in a sandbox.
fn happening(webhook: &Webhook<'_>, answer: Option<&Answer>, dropped: bool, took: Duration) -> Happening {
    let kind = if webhook.status.is_some() { "callback" } else { "webhook" };
    let status = answer.map(|answer| answer.status);
    let (outcome, signature, answered) = match status {
        Some(200..300) => (Outcome::Good, "accepted", String::new()),
        Some(403) => (Outcome::Refused, "refused", ": 403, the signature is refused".to_owned()),
        Some(status) => (Outcome::Bad, "unknown", format!(": {status}")),
        None if dropped => (Outcome::Bad, "unknown", " is lost on its way".to_owned()),
        None => (Outcome::Bad, "unknown", ": no answer".to_owned()),
    };
    let what = webhook.status.map_or_else(|| "a message".to_owned(), |status| format!("the status {status}"));
    Happening::new(kind, outcome, format!("Webhook of {what}{answered}"))
        .of(webhook.person, Some(webhook.message_sid))
        .with(json!({
            "url": webhook.url, "form": webhook.form.to_raw(), "answer": status, "signature": signature,
            "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }))
}
