//! A dead-letter queue to which a function writes: what an operator has to look at.

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    MESSAGE_BYTES,
    body::{MessageBody, attribute_text},
    error::QueueError,
    outbound::{ENQUEUED_AT, attribute, time_attribute},
};

/// The queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

/// The message attribute that says why a message is a dead letter.
pub const REASON: &str = "reason";

impl DeadLetterQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// The dead-letter queue that the redrive policy of a queue names: two calls at the cold start.
    pub async fn of_queue(client: Client, url: &str) -> Result<Self, QueueError> {
        let url = redrive_target(&client, url).await?;
        Ok(Self { client, url })
    }

    /// Puts a message on the queue, with the reason as the message attribute `reason` and the time at which it was first put
    /// on a queue: an operator who puts it back does not make it newer.
    pub async fn put(&self, body: &str, reason: &str, enqueued_at: Timestamp) -> Result<(), QueueError> {
        let operation = "writing to a dead-letter queue";
        let of_build = |error| QueueError::new(operation, error);
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(fitting(MessageBody::json(body).as_str(), reason))
            .message_attributes(REASON, attribute("String", &attribute_text(reason)).map_err(of_build)?)
            .message_attributes(ENQUEUED_AT, time_attribute(enqueued_at).map_err(of_build)?)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk(operation, error))?;
        Ok(())
    }
}

/// The beginning of a body that SQS accepts together with the attributes. A body that was put on a queue without them may be
/// too long with them, and would fail at every retry.
fn fitting<'a>(body: &'a str, reason: &str) -> &'a str {
    /// The names and types of the attributes, and the time.
    const OTHERS: usize = 200;
    let longest = MESSAGE_BYTES.saturating_sub(reason.len() + OTHERS);
    body.get(..body.floor_char_boundary(longest)).unwrap_or_default()
}

async fn redrive_target(client: &Client, url: &str) -> Result<String, QueueError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RedrivePolicy {
        dead_letter_target_arn: String,
    }

    let operation = "finding the outbound dead-letter queue";
    let attributes = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await
        .map_err(|error| QueueError::of_sdk(operation, error))?;
    let policy = attributes.attributes().and_then(|found| found.get(&QueueAttributeName::RedrivePolicy));
    let policy: RedrivePolicy = serde_json::from_str(policy.map_or("null", String::as_str))
        .map_err(|error| QueueError::new(operation, error))?;
    let name = policy.dead_letter_target_arn.rsplit(':').next().unwrap_or_default();
    let found =
        client.get_queue_url().queue_name(name).send().await.map_err(|error| QueueError::of_sdk(operation, error))?;
    Ok(found.queue_url.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_where_its_reason_would_make_it_too_long() {
        assert_eq!(fitting("ä", "why"), "ä");
        let longest = "ä".repeat(MESSAGE_BYTES / 2);
        let cut = fitting(&longest, "why");
        assert!(longest.starts_with(cut) && cut.len() + "why".len() < MESSAGE_BYTES, "{}", cut.len());
        assert!(cut.len() > MESSAGE_BYTES - 300);
    }
}
