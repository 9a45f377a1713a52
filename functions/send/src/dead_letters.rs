//! The dead-letter queue: what an operator has to look at, with the reason.

use std::borrow::Cow;

use domain::notification::Category;
use serde_json::Value;
use shared::queues::{OutboundQueue, QueueError};

use crate::queue_message::QueueMessage;

/// Writes dead letters.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    pub(crate) queue: OutboundQueue,
}

impl DeadLetters {
    /// Copies a message to the dead-letter queue. It is written before the outcome: if the function stopped in between, the
    /// letter would be written twice, and never be missing. The letter of a one-time password does not contain it.
    pub(crate) async fn write(&self, message: &QueueMessage<'_>, reason: &str) -> Result<(), QueueError> {
        self.queue.dead_letter(&without_password(message.body), reason, message.enqueued_at).await
    }
}

/// A one-time password is in the variables of a template, or in a text.
fn without_password(body: &str) -> Cow<'_, str> {
    match serde_json::from_str(body) {
        Ok(Value::Object(mut fields))
            if fields.get("category").and_then(Value::as_str) == Some(Category::Authentication.as_str()) =>
        {
            fields.remove("content");
            fields.remove("fallback");
            Value::Object(fields).to_string().into()
        }
        _ => body.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dead_letter_of_a_one_time_password_does_not_contain_it() {
        let content = json!({"type": "template", "content_sid": "HX1", "variables": {"1": "471123"}});
        let of = |category: &str| {
            let fallback = json!([{"channel": "sms", "content": {"type": "text", "body": "471123"}}]);
            let body = json!({"id": "code-1", "category": category, "content": content, "fallback": fallback});
            without_password(&body.to_string()).into_owned()
        };
        assert!(!of("authentication").contains("471123") && of("authentication").contains("code-1"));
        assert!(of("utility").contains("471123"), "an operator can put it back on the queue");
    }

    #[test]
    fn dead_letter_of_an_unreadable_message_is_the_message() {
        for body in ["", "not JSON", "[1]", r#"{"category": 5}"#] {
            assert_eq!(without_password(body), body);
        }
    }
}
