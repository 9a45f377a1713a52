//! A message of the spool's dead-letter queue: a webhook that was not applied.

use aws_sdk_sqs::Client;
use serde_json::{Value, json};
use shared::webhook::SpooledWebhook;
use twilio_webhook::{signature::TrustedForm, webhook::Webhook};

use super::{queue::RawLetter, target::RetryOutcome};
use crate::{error::CommandError, redaction::redacted_debug};

/// The reason of a letter that SQS moved itself.
const MOVED_BY_SQS: &str = "apply-webhooks received it 1,000 times and could not record it: its log says why";
const NO_REASON: &str = "it has no reason: a program other than apply-webhooks put it here";

/// A webhook, as far as it can be read.
pub(super) struct DeadWebhook {
    spooled: Option<SpooledWebhook>,
}

redacted_debug!(DeadWebhook);

impl DeadWebhook {
    pub(super) fn read(body: &str) -> Self {
        Self { spooled: SpooledWebhook::read(body).ok() }
    }

    /// The SID of its message.
    pub(super) fn id(&self) -> Option<String> {
        self.spooled.as_ref()?.form.get_owned("MessageSid")
    }

    /// What it is.
    pub(super) fn kind(&self) -> Option<&'static str> {
        let form = TrustedForm::Stored(&self.spooled.as_ref()?.form);
        Some(match Webhook::of(form).ok()? {
            Webhook::Inbound(_) => "inbound",
            Webhook::Status(_) => "status",
            Webhook::Unknown(_) | Webhook::Empty(_) => "unknown",
        })
    }

    /// What it says.
    pub(super) fn content(&self, letter: &RawLetter) -> Value {
        match &self.spooled {
            Some(SpooledWebhook { form, path, origin, arrived_at }) => json!({
                "arrived_at": arrived_at, "path": path, "form": form.to_raw(),
                "notification_id": origin.as_ref().map(|origin| origin.notification_id.as_str()),
                "attempt": origin.as_ref().map(|origin| origin.attempt),
            }),
            None => serde_json::from_str(&letter.body).unwrap_or_else(|_| Value::String(letter.body.clone())),
        }
    }

    /// Puts it back, with the time of its arrival: applied twice, it changes nothing. The caller deletes the letter afterwards.
    pub(super) async fn retry(
        &self,
        client: &Client,
        url: &str,
        letter: &RawLetter,
    ) -> Result<RetryOutcome, CommandError> {
        let account = self.spooled.as_ref().and_then(|spooled| spooled.form.get_owned("AccountSid"));
        let send = client.send_message().queue_url(url).message_body(&letter.body).set_message_group_id(account);
        send.send().await.map_err(|error| CommandError::of_sdk("putting a webhook back on the spool queue", error))?;
        Ok(RetryOutcome::Retried)
    }
}

/// Why a letter is in the queue.
pub(super) fn reason(letter: &RawLetter) -> &str {
    letter.reason().unwrap_or(if letter.is_moved_by_sqs { MOVED_BY_SQS } else { NO_REASON })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> DeadWebhook {
        let body = json!({"format": 1, "arrived_at": "2026-11-20T09:00:00Z", "path": "/twilio/status", "form": form});
        DeadWebhook::read(&body.to_string())
    }

    #[test]
    fn letter_is_named_by_its_message_and_its_kind() {
        let account = "AccountSid=AC00000000000000000000000000000001";
        let sid = "SM00000000000000000000000000000001";
        for (form, id, kind) in [
            (format!("{account}&MessageSid={sid}&From=%2B14155550123&To=%2B14155238886&Body=hi"), Some(sid), "inbound"),
            (format!("{account}&MessageSid={sid}&MessageStatus=delivered"), Some(sid), "status"),
            (format!("{account}&EventType=onMessageAdded"), None, "unknown"),
        ] {
            let read = read(&form);
            assert_eq!((read.id().as_deref(), read.kind()), (id, Some(kind)), "{form}");
        }
        let unreadable = DeadWebhook::read("no JSON");
        assert_eq!((unreadable.id(), unreadable.kind()), (None, None));
    }
}
