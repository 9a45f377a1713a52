//! The dead-letter queue: what an operator has to look at, with the reason.

use std::borrow::Cow;

use domain::{json, notification::Category};
use serde_json::Value;
use shared::queues::{DeadLetterQueue, QueueError};

use crate::{job::Job, queue_message::QueueMessage};

/// Writes dead letters.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    pub(crate) queue: DeadLetterQueue,
}

impl DeadLetters {
    /// Copies a message to the dead-letter queue. It is written before the outcome: if the function stopped in between, the
    /// letter would be written twice, and never be missing.
    pub(crate) async fn write(&self, message: &QueueMessage<'_>, reason: &str) -> Result<(), QueueError> {
        self.queue.put(&without_password(message.body), reason, message.enqueued_at).await
    }

    /// The dead letter of a notification, which its message may only name.
    pub(crate) async fn write_job(&self, job: &Job<'_>, reason: &str) -> Result<(), QueueError> {
        self.queue.put(&without_password(job.message.body), reason, job.enqueued_at).await
    }
}

/// A one-time password is not kept, because it is useless when an operator reads it: its letter has the id alone. The password
/// may be anywhere in a notification that is invalid.
fn without_password(body: &str) -> Cow<'_, str> {
    let authentication = Category::Authentication.as_str();
    match json::value(body) {
        Ok(Value::Object(fields)) if fields.get("category").and_then(Value::as_str) == Some(authentication) => {
            let id = fields.get("id").and_then(Value::as_str);
            serde_json::json!({"id": id, "account_sid": fields.get("account_sid"), "category": authentication})
                .to_string()
                .into()
        }
        Err(_) if body.contains(authentication) => serde_json::json!({"category": authentication}).to_string().into(),
        _ => body.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dead_letter_of_a_one_time_password_has_the_id_alone() {
        let content = json!({"type": "template", "content_sid": "HX1", "variables": {"1": "471123"}});
        let of = |category: &str| {
            let fallback = json!([{"channel": "sms", "content": {"type": "text", "body": "471123"}}]);
            let body =
                json!({"id": "code-1", "category": category, "content": content, "fallback": fallback, "1": "471123"});
            body.to_string()
        };
        let letter = without_password(&of("authentication")).into_owned();
        assert!(!letter.contains("471123") && letter.contains("code-1"), "{letter}");
        assert!(without_password(&of("utility")).contains("471123"), "an operator can put it back on the queue");
        let cut = of("authentication").replace('}', "");
        assert_eq!(without_password(&cut), r#"{"category":"authentication"}"#);
    }

    #[test]
    fn dead_letter_of_an_unreadable_message_is_the_message() {
        for body in ["", "not JSON", "[1]", r#"{"category": 5}"#, r#"{"stored_notification": {"id": "code-1"}}"#] {
            assert_eq!(without_password(body), body);
        }
    }
}
