//! A message of the media queue, and for how long its file is tried.

use aws_lambda_events::sqs::SqsMessage;
use domain::media_failure::MediaFailure;
use jiff::{SignedDuration, Timestamp};
use shared::queues::{MediaReference, UnreadableBody};

/// From this number of receives on, a failure has an alarm: SQS leaves a message out of the age of the queue's oldest message
/// that was received three times (Amazon SQS, "Available `CloudWatch` metrics for Amazon SQS").
const REPEATED: u32 = 3;

/// For so long Twilio may not have a file whose webhook it has sent. It lasts for seconds.
pub(crate) const NOT_FOUND_FOR: SignedDuration = SignedDuration::from_mins(10);

/// For so long Twilio, or what it redirects to, may fail.
pub(crate) const UNAVAILABLE_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A message of the queue.
#[derive(Debug)]
pub(crate) struct MediaJob {
    pub(crate) reference: MediaReference,
    /// How often SQS has delivered it.
    pub(crate) receives: u32,
    /// How long it has been on the queue.
    pub(crate) age: SignedDuration,
}

/// Why a try ended without a file, and so for how long there are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// No other try would end otherwise.
    Final(MediaFailure),
    /// Twilio does not have the file.
    NotFound,
    /// Twilio, or what it redirects to, fails.
    Unavailable,
    /// AWS, a permission, or the secret. It passes with time or by an operator, and the file is not given up.
    Ours,
}

impl MediaJob {
    pub(crate) fn read(message: &SqsMessage, now: Timestamp) -> Result<Self, UnreadableBody> {
        let attribute = |name: &str| message.attributes.get(name).and_then(|value| value.parse::<i64>().ok());
        let sent_at = attribute("SentTimestamp").and_then(|sent| Timestamp::from_millisecond(sent).ok());
        let receives = attribute("ApproximateReceiveCount").and_then(|count| u32::try_from(count).ok());
        Ok(Self {
            reference: MediaReference::read(message.body.as_deref().unwrap_or_default())?,
            receives: receives.unwrap_or(1),
            age: now.duration_since(sent_at.unwrap_or(now)),
        })
    }

    /// With what the file is given up; none if it is tried again.
    pub(crate) fn failure(&self, obstacle: Obstacle) -> Option<MediaFailure> {
        match obstacle {
            Obstacle::Final(failure) => Some(failure),
            Obstacle::NotFound => (self.age >= NOT_FOUND_FOR).then_some(MediaFailure::NotFound),
            Obstacle::Unavailable => (self.age >= UNAVAILABLE_FOR).then_some(MediaFailure::Unavailable),
            Obstacle::Ours => None,
        }
    }

    /// The alarm of a failed try.
    pub(crate) fn alarm(&self) -> Option<&'static str> {
        (self.receives >= REPEATED).then_some("media")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(age: SignedDuration, receives: u32) -> MediaJob {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let sent_at = (now - age).as_millisecond();
        let message = json!({
            "messageId": "1", "body": json!({
                "account_sid": "AC00000000000000000000000000000001", "index": 2,
                "message_sid": "MM00000000000000000000000000000001",
            }).to_string(),
            "attributes": {"SentTimestamp": sent_at.to_string(), "ApproximateReceiveCount": receives.to_string()},
            "messageAttributes": {},
        });
        MediaJob::read(&serde_json::from_value(message).unwrap(), now).unwrap()
    }

    #[test]
    fn message_of_the_queue_has_its_file_and_its_age() {
        let job = job(SignedDuration::from_mins(7), 4);
        assert_eq!((job.reference.index, job.receives, job.age), (2, 4, SignedDuration::from_mins(7)));
        let made_by_hand = serde_json::from_value(json!({"body": "{}"})).unwrap();
        assert!(MediaJob::read(&made_by_hand, Timestamp::UNIX_EPOCH).is_err());
    }

    #[test]
    fn file_is_given_up_by_time_and_never_for_a_fault_of_ours() {
        let second = SignedDuration::from_secs(1);
        let after = |age, obstacle| job(age, 1).failure(obstacle);
        assert_eq!(after(NOT_FOUND_FOR - second, Obstacle::NotFound), None);
        assert_eq!(after(NOT_FOUND_FOR, Obstacle::NotFound), Some(MediaFailure::NotFound));
        assert_eq!(after(UNAVAILABLE_FOR - second, Obstacle::Unavailable), None);
        assert_eq!(after(UNAVAILABLE_FOR, Obstacle::Unavailable), Some(MediaFailure::Unavailable));
        assert_eq!(after(SignedDuration::from_hours(24 * 13), Obstacle::Ours), None);
        assert_eq!(after(second, Obstacle::Final(MediaFailure::Empty)), Some(MediaFailure::Empty));
    }

    #[test]
    fn repeated_failure_has_an_alarm() {
        let alarms = [1, 2, 3, 900].map(|receives| job(SignedDuration::ZERO, receives).alarm());
        assert_eq!(alarms, [None, None, Some("media"), Some("media")]);
    }
}
