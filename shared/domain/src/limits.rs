//! The limits of the outside world and of our own keeping, each with its source.

use jiff::{SignedDuration, Timestamp};

/// How far ahead a notification may be meant for: as far as Twilio's own scheduling. Source: Twilio, "Message scheduling".
pub const SEND_AT_AHEAD: SignedDuration = SignedDuration::from_hours(35 * 24);

/// A `send_at` this much older than its way onto the queue is late, not wrong: clocks differ, and so does a system that
/// says "now".
pub const SEND_AT_PAST: SignedDuration = SignedDuration::from_mins(5);

/// The longest that a queue keeps a message. Source: Amazon SQS, "Message quotas".
pub const QUEUE_RETENTION: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long a WhatsApp message waits in Twilio's queue at most. Source: Twilio, "WhatsApp best practices and FAQs".
pub const TWILIO_QUEUE: SignedDuration = SignedDuration::from_hours(4);

/// How long a link to media inside a sent message lives: Twilio's queue, and two hours for our own waiting and retries.
pub const SENT_MEDIA_LINK: SignedDuration = SignedDuration::from_hours(6);

/// A notification's id: long enough for any system's own keys, short enough for a table key and a callback's URL.
pub const MAX_NOTIFICATION_ID_CHARS: usize = 128;

/// A webhook's form: DynamoDB keeps an item of at most 400 KB ("Service, account, and table quotas"), and Twilio's forms
/// have some 1 KB.
pub const MAX_FORM_BYTES: usize = 256 * 1024;

/// A notification that Twilio could not take is tried this often. With the pauses between the tries that is some two
/// hours on average for a fault, and more than the day that a sender over its limit may have to wait (error 63018).
pub const MAX_ATTEMPTS: usize = 15;

/// How long a claim holds. It outlives the send function's 45 s, so that a claim that ran out means that nobody is at
/// work on it any more.
pub const CLAIM_LEASE: SignedDuration = SignedDuration::from_secs(60);

/// How long messages are kept, bodies included: 30 days where nothing else is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(SignedDuration);

/// Not a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of days, at least 14: what recognises a duplicate must outlive what still arrives")]
pub struct InvalidRetention;

impl Retention {
    /// A queue keeps a message for 14 days at most (Amazon SQS, "Message quotas"): nothing arrives later than that.
    const MIN_DAYS: i64 = 14;
    /// Twilio itself keeps messages for 400 days.
    const MAX_DAYS: i64 = 3_650;
}

impl Default for Retention {
    fn default() -> Self {
        Self(SignedDuration::from_hours(30 * 24))
    }
}

impl std::str::FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        let days = text.parse().ok().filter(|days| (Self::MIN_DAYS..=Self::MAX_DAYS).contains(days));
        days.map(|days| Self(SignedDuration::from_hours(days * 24))).ok_or(InvalidRetention)
    }
}

impl From<Retention> for SignedDuration {
    fn from(retention: Retention) -> Self {
        retention.0
    }
}

/// How long the claim on a notification is kept, and with it its id's power to dedupe.
pub const NOTIFICATION_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long free-form messages may be sent after a person wrote. Source: Twilio, "WhatsApp best
/// practices and FAQs".
pub const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// How long windows and lifted suppressions are kept.
pub const CONTACT_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The time from which DynamoDB may delete an item, in seconds since 1970 as its TTL attribute wants it. It deletes late:
/// conditions compare the time themselves.
pub fn expiry(from: Timestamp, retention: SignedDuration) -> i64 {
    from.as_second().saturating_add(retention.as_secs())
}
