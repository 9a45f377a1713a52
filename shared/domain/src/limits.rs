//! Limits of Twilio, WhatsApp and AWS, each with its source, and our own, each with its reason.

use jiff::{SignedDuration, Timestamp};

use crate::notification::{Category, Notification};

/// How far in the future `send_at` may be: as far as Twilio's own scheduling. Source: Twilio, "Message scheduling".
pub const SEND_AT_AHEAD: SignedDuration = SignedDuration::from_hours(35 * 24);

/// How far `send_at` may be in the past when the notification is put on the queue: the clocks of two systems differ,
/// and a system may send "now".
pub const SEND_AT_PAST: SignedDuration = SignedDuration::from_mins(5);

/// The maximum time that a queue keeps a message. Source: Amazon SQS, "Message quotas".
pub const QUEUE_RETENTION: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The maximum time that a WhatsApp message waits in Twilio's queue. Source: Twilio, "WhatsApp best practices and
/// FAQs".
pub const TWILIO_QUEUE: SignedDuration = SignedDuration::from_hours(4);

/// How many status callbacks a delivered message has: queued, sent, delivered, read. Source: Twilio, "Outbound Message Status in
/// Status Callbacks".
pub const STATUS_CALLBACKS: u32 = 4;

/// How long a link to media in a sent message is valid that a long-lived key signed: Twilio's queue, and two hours more.
pub const SENT_MEDIA_LINK: SignedDuration = SignedDuration::from_hours(6);

/// How much longer a media link is valid than Twilio may try to send its message, at least: the message is created up to 45 s
/// after the link was signed, the send function's timeout, then Twilio fetches the file, and the clocks of Twilio and AWS
/// differ by seconds.
pub const MEDIA_LINK_MARGIN: SignedDuration = SignedDuration::from_mins(2);

/// The longest validity period of a message with a media link that the session of a role signed. A session lasts an hour, and
/// is used for messages until it is eight minutes old.
pub const SESSION_MEDIA_VALIDITY: SignedDuration = SignedDuration::from_secs(3_000);

/// How long a link on the media domain is valid, whose signature does not end with a key: the longest validity period that Twilio
/// allows, 10 hours, and the margin.
pub const DOMAIN_MEDIA_LINK: SignedDuration = SignedDuration::from_mins(602);

/// The maximum length of a notification's id: long enough for the keys of other systems, short enough for a table key
/// and a callback URL.
pub const MAX_NOTIFICATION_ID_CHARS: usize = 128;

/// The longest JSON of a notification, in bytes. Its item holds it, and DynamoDB stores items of at most 400 KB ("Service,
/// account, and table quotas"). The other half is for what the item gains: up to [`MAX_ATTEMPTS`] attempts of some 300 bytes,
/// the reason, and the keys and copies of the indexes. Events repeat the metadata, which escapes can make longer, and are
/// then still within the 1 MiB of a queue message.
pub const MAX_NOTIFICATION_BYTES: usize = 200_000;

/// The maximum size of a webhook's form. DynamoDB stores items of at most 400 KB ("Service, account, and table
/// quotas"), and Twilio's forms have about 1 KB.
pub const MAX_FORM_BYTES: usize = 256 * 1024;

/// How long a notification without `expires_at` is attempted that Twilio does not accept: longer than an outage, and than
/// most of the day for which WhatsApp may limit a sender (error 63018).
pub const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How long a one-time password without `expires_at` may be sent: most are valid for ten minutes (Twilio, "Verify").
pub const AUTHENTICATION_EXPIRY: SignedDuration = SignedDuration::from_mins(10);

/// For how long Twilio may try to send the message of a notification (`ValidityPeriod`): as the notification says, or as
/// long as a message of its category is useful to the person. Every request names it, because a lost answer can only be
/// resolved for certain when Twilio cannot send the message any more.
pub fn validity(notification: &Notification) -> SignedDuration {
    let seconds = notification.validity_period.unwrap_or(match notification.category {
        Category::Authentication => 120,
        Category::Utility | Category::Service => 900,
        Category::Marketing => 14_400,
    });
    SignedDuration::from_secs(seconds.into())
}

/// For how long Twilio may try to send the message of one option: not longer than until the next option follows because it
/// was not delivered. WhatsApp itself may still deliver later what Twilio has handed over to it.
pub fn validity_of_option(notification: &Notification, option: usize) -> SignedDuration {
    let next = notification.options_after_silence(option).map(|(_, after)| after).min();
    let validity = validity(notification);
    next.map_or(validity, |after| validity.min(after - CREATE_TIME))
}

/// What passes at most between a claim and the moment from which Twilio counts the validity period: a claim of 4.5 s and a
/// request of 10 s.
const CREATE_TIME: SignedDuration = SignedDuration::from_secs(15);

/// How long after the validity period the outcome of a lost answer can be resolved for certain: the message was created up
/// to 45 s after its claim, the send function's timeout, and the clocks of Twilio and AWS differ by seconds.
pub const RESOLVE_MARGIN: SignedDuration = SignedDuration::from_mins(2);

/// The most attempts of a notification. Time ends the attempts; this bounds the size of an item, which holds some 300 bytes
/// for each. DynamoDB stores items of at most 400 KB ("Service, account, and table quotas").
pub const MAX_ATTEMPTS: usize = 300;

/// How long a claim holds: longer than the send function's timeout of 45 s, so that after the lease no function works
/// on the notification.
pub const CLAIM_LEASE: SignedDuration = SignedDuration::from_secs(60);

/// How long messages are stored, including their bodies: 30 days by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(SignedDuration);

/// Not a valid retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of days, at least 14: what recognises a duplicate must outlive what still arrives")]
pub struct InvalidRetention;

impl Retention {
    /// A queue keeps a message for at most 14 days (Amazon SQS, "Message quotas"), so no duplicate arrives later.
    const MIN_DAYS: i64 = 14;
    /// Twilio itself keeps messages for 400 days.
    const MAX_DAYS: i64 = 3_650;

    pub fn of_days(days: i64) -> Result<Self, InvalidRetention> {
        let is_valid = (Self::MIN_DAYS..=Self::MAX_DAYS).contains(&days);
        if is_valid { Ok(Self(SignedDuration::from_hours(days * 24))) } else { Err(InvalidRetention) }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(SignedDuration::from_hours(30 * 24))
    }
}

impl std::str::FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        text.parse().map_err(|_| InvalidRetention).and_then(Self::of_days)
    }
}

impl From<Retention> for SignedDuration {
    fn from(retention: Retention) -> Self {
        retention.0
    }
}

/// How far in the future `expires_at` may be: later than the latest `send_at`, and earlier than the end of the
/// notification's storage.
pub const EXPIRES_AT_AHEAD: SignedDuration = SignedDuration::from_hours(40 * 24);

/// How long a notification is stored after its last change, and therefore how long its id is recognised as a duplicate.
/// It is longer than [`EXPIRES_AT_AHEAD`], so that a notification that waits until it expires is still stored then: if it
/// were deleted earlier, nothing would end it, and its id could be sent a second time.
pub const NOTIFICATION_RETENTION: SignedDuration = SignedDuration::from_hours(45 * 24);

/// How long the media bucket keeps a file (`template.yaml`, `MediaBucket`). A file may be uploaded before its notification is
/// put on a queue, which may wait there for as long as SQS keeps it, and then until the latest `send_at`. It is fetched until the
/// notification expires and Twilio's queue is empty.
pub const MEDIA_RETENTION: SignedDuration = SignedDuration::from_hours(50 * 24);

const _: () = assert!(SEND_AT_AHEAD.as_secs() + QUEUE_RETENTION.as_secs() <= MEDIA_RETENTION.as_secs());
const _: () = assert!(EXPIRES_AT_AHEAD.as_secs() + TWILIO_QUEUE.as_secs() <= MEDIA_RETENTION.as_secs());
const _: () = assert!(SEND_AT_AHEAD.as_secs() < EXPIRES_AT_AHEAD.as_secs());
const _: () = assert!(EXPIRES_AT_AHEAD.as_secs() < NOTIFICATION_RETENTION.as_secs());

/// How long free-form messages may be sent after a person wrote. Source: Twilio, "WhatsApp best practices and FAQs".
pub const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// How long service windows and lifted suppressions are stored.
pub const CONTACT_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The value of a TTL attribute: the time after which DynamoDB may delete an item, in seconds since 1970. DynamoDB
/// deletes late, so a condition must compare the time itself.
pub fn expiry(from: Timestamp, retention: SignedDuration) -> i64 {
    from.as_second().saturating_add(retention.as_secs())
}
