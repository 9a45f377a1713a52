//! What became of the webhooks about a message.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;

#[derive(Debug, Clone, Default)]
pub(crate) struct WebhookTally {
    /// How often the webhook of each status was delivered or lost. A person's message has no status.
    deliveries: BTreeMap<Option<MessageStatus>, u32>,
    /// The HTTP status of the answer to a person's message.
    answer: Option<u16>,
    /// Whether a webhook of a person's message was posted.
    is_posted: bool,
}

impl WebhookTally {
    /// Counts a delivery, and gives its number.
    pub(crate) fn count(&mut self, status: Option<MessageStatus>, answer: Option<u16>, is_lost: bool) -> u32 {
        let deliveries = self.deliveries.entry(status).or_default();
        *deliveries += 1;
        if status.is_none() {
            self.is_posted |= !is_lost;
            // A later failure changes nothing about a message that was accepted.
            if !self.answer.is_some_and(|status| (200..300).contains(&status)) {
                self.answer = answer.or(self.answer);
            }
        }
        *deliveries
    }

    /// How often the webhook of a status was delivered or lost.
    pub(crate) fn deliveries(&self, status: Option<MessageStatus>) -> u32 {
        self.deliveries.get(&status).copied().unwrap_or_default()
    }

    /// The answer to a person's message; null while its webhook is not delivered.
    pub(crate) fn shown(&self) -> Value {
        self.deliveries.get(&None).map_or(
            Value::Null,
            |deliveries| json!({"status": self.answer, "lost": !self.is_posted, "deliveries": deliveries}),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_message_stays_accepted() {
        let mut tally = WebhookTally::default();
        assert_eq!(tally.shown(), Value::Null);
        let shown = |tally: &WebhookTally| tally.shown().to_string();
        assert_eq!(tally.count(None, None, true), 1);
        assert_eq!(shown(&tally), r#"{"deliveries":1,"lost":true,"status":null}"#);
        assert_eq!(tally.count(None, Some(403), false), 2);
        assert_eq!(shown(&tally), r#"{"deliveries":2,"lost":false,"status":403}"#);
        for answer in [None, Some(200), Some(500), None] {
            tally.count(None, answer, false);
        }
        assert_eq!(shown(&tally), r#"{"deliveries":6,"lost":false,"status":200}"#);
        assert_eq!(tally.count(Some(MessageStatus::Sent), Some(204), false), 1);
        assert_eq!(tally.count(Some(MessageStatus::Sent), Some(204), false), 2);
        assert_eq!(tally.count(Some(MessageStatus::Read), Some(204), false), 1);
    }
}
