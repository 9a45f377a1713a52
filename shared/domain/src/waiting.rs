//! How a notification waits for a time.
//!
//! It waits in its own item, and not in a queue: a received message that waits is in flight, and a queue with some 120,000
//! messages in flight delivers nothing more (Amazon SQS, "Standard queue quotas"). The item has the time, `due_at`, in an
//! index, and the queue message is deleted.
//!
//! - A wait of at most [`MAX_DELAY`] is also a new message with that delay: it comes to the second, and a delayed message is
//!   not in flight. `due_at` is then [`RELEASE_AGAIN`] later, in case the message is lost.
//! - The function `release` looks every minute for what is due within [`RELEASE_AHEAD`]. It puts a message on the queue, and
//!   then moves `due_at` on by [`RELEASE_AGAIN`]. If it stops in between, the message comes twice, which is harmless: only one
//!   claim succeeds.
//! - Lambda stops a chain of messages that a function sends to itself ([`MAX_HOPS`]). After as many, a notification waits in
//!   the index only, and `release` begins a new chain.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Why a notification waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    #[error("send_at has not come")]
    SendAt,
    #[error("Twilio could not take it, another try follows")]
    Retry,
    #[error("quiet hours where the recipient is")]
    QuietHours,
    #[error("the template was sent, the content follows the recipient's answer")]
    Reply,
    #[error("its message was accepted, the next option follows if it is not delivered in time")]
    Delivery,
    #[error("the rate of the route is used up, its time is planned")]
    Slot,
    #[error("the recipient has had as many messages from this sender as WhatsApp allows, its time is planned")]
    RecipientRate,
    #[error("sending is paused: wa pause shows why")]
    Pause,
    #[error("a daily cap is reached, it is sent on the next day (UTC)")]
    DailyCap,
    #[error("Twilio's answer was lost: whether the message exists is looked up")]
    Lookup,
    #[error("the account is not in the Twilio secret, or the secret cannot be read")]
    Account,
    #[error("a media file cannot be looked at now")]
    Composition,
    #[error("the template is not known yet: it may be in Twilio's next list")]
    Template,
}

impl WaitReason {
    /// The word in the table and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendAt => "send_at",
            Self::Retry => "retry",
            Self::QuietHours => "quiet_hours",
            Self::Reply => "reply",
            Self::Delivery => "delivery",
            Self::Slot => "slot",
            Self::RecipientRate => "recipient_rate",
            Self::Pause => "pause",
            Self::DailyCap => "daily_cap",
            Self::Lookup => "lookup",
            Self::Account => "account",
            Self::Composition => "composition",
            Self::Template => "template",
        }
    }

    /// Whether the item's reason stays as it is: before a retry it says why the last attempt failed, and while a reply or
    /// the result of a request is awaited, the state says so.
    pub const fn keeps_stored_reason(self) -> bool {
        matches!(self, Self::Retry | Self::Reply | Self::Delivery | Self::Lookup)
    }
}

/// The longest delay of a new message. Source: Amazon SQS, "Delay queues".
pub const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// `release` runs every minute, its schedule can be late, and the index is updated about a second after the table.
pub const RELEASE_AHEAD: SignedDuration = SignedDuration::from_mins(3);

/// After this time a message that was put on the queue is taken for lost.
pub const RELEASE_AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// How many messages in a row a function sends to itself. Lambda stops a chain after about 16 invocations (AWS Lambda, "Use
/// Lambda recursive loop detection to prevent infinite loops"); a message may also be moved to its lane, and received twice.
pub const MAX_HOPS: u8 = 10;

/// What is written, and what is put on the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// When the index says that the notification is due.
    pub due_at: Timestamp,
    /// The delay of a message that is put on the queue at once; none if the notification waits in the index only.
    pub delay: Option<Duration>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("due_at", &self.due_at).field("delay", &self.delay).finish()
    }
}

/// How a notification waits until a time, after this many messages in a row.
pub fn hand_over(until: Timestamp, reason: WaitReason, hops: u8, now: Timestamp) -> Handover {
    let wait = until.duration_since(now);
    if reason == WaitReason::Pause || hops >= MAX_HOPS || wait > MAX_DELAY {
        return Handover { due_at: until, delay: None };
    }
    let delay = match reason {
        // A planned message that comes a moment early finds the slot that is planned for it.
        WaitReason::Slot => whole_seconds(wait, 0),
        _ => whole_seconds(wait, 999_999_999),
    };
    Handover { due_at: until.max(now).saturating_add(RELEASE_AGAIN).unwrap_or(Timestamp::MAX), delay: Some(delay) }
}

/// The delay of the message that `release` puts on the queue, and the time at which the index says that the notification is
/// due next.
pub fn release(due_at: Timestamp, now: Timestamp) -> Handover {
    let again = due_at.max(now).saturating_add(RELEASE_AGAIN).unwrap_or(Timestamp::MAX);
    Handover { due_at: again, delay: Some(whole_seconds(due_at.duration_since(now), 999_999_999)) }
}

/// For when a message of a waiting notification was put on its queue, by the time at which the index says that it is due.
pub fn expected_at(due_at: Timestamp) -> Timestamp {
    due_at.saturating_sub(RELEASE_AGAIN).unwrap_or(Timestamp::MIN)
}

/// Whether a message comes so long before the planned time of its notification that another message follows: it is a
/// duplicate, or was put on its queue before the time was planned. It would get a second planned time.
pub fn is_early(due_at: Timestamp, reason: WaitReason, now: Timestamp) -> bool {
    matches!(reason, WaitReason::Slot | WaitReason::RecipientRate)
        && expected_at(due_at).duration_since(now) > SignedDuration::from_secs(2)
}

/// SQS delays by whole seconds. Zero for a time that has passed.
fn whole_seconds(wait: SignedDuration, round_up: i64) -> Duration {
    let seconds = wait.checked_add(SignedDuration::from_nanos(round_up)).unwrap_or(wait).as_secs();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn after(milliseconds: i64) -> Timestamp {
        now() + SignedDuration::from_millis(milliseconds)
    }

    fn handed_over(milliseconds: i64, reason: WaitReason, hops: u8) -> (i64, Option<u64>) {
        let Handover { due_at, delay } = hand_over(after(milliseconds), reason, hops, now());
        (due_at.duration_since(now()).as_secs(), delay.map(|delay| delay.as_secs()))
    }

    #[test]
    fn a_short_wait_is_a_delayed_message_with_the_index_behind_it() {
        assert_eq!(handed_over(2_000, WaitReason::Retry, 0), (902, Some(2)));
        assert_eq!(handed_over(-5_000, WaitReason::Retry, 0), (900, Some(0)), "a time that has passed");
        assert_eq!(handed_over(900_000, WaitReason::QuietHours, 9), (1_800, Some(900)), "the longest delay of SQS");
    }

    #[test]
    fn a_long_wait_is_in_the_index_only() {
        assert_eq!(handed_over(900_001, WaitReason::SendAt, 0), (900, None));
        assert_eq!(handed_over(35 * 24 * 3_600_000, WaitReason::SendAt, 0), (35 * 24 * 3_600, None));
    }

    #[test]
    fn a_paused_notification_is_due_and_put_on_no_queue() {
        assert_eq!(handed_over(0, WaitReason::Pause, 0), (0, None));
    }

    #[test]
    fn a_chain_of_messages_ends_before_lambda_stops_it() {
        assert_eq!(handed_over(2_000, WaitReason::Retry, MAX_HOPS - 1), (902, Some(2)));
        assert_eq!(handed_over(2_000, WaitReason::Retry, MAX_HOPS), (2, None));
        // The first receive, a move to the lane, and one duplicate are invocations of the chain too.
        const { assert!(MAX_HOPS + 3 < 16) };
    }

    #[test]
    fn a_message_comes_early_only_for_a_planned_slot() {
        assert_eq!(handed_over(2_001, WaitReason::SendAt, 0).1, Some(3));
        assert_eq!(handed_over(2_999, WaitReason::Slot, 0).1, Some(2));
    }

    #[test]
    fn a_released_notification_comes_again_after_15_minutes() {
        let released = release(after(90_000), now());
        assert_eq!((released.due_at, released.delay), (after(990_000), Some(Duration::from_secs(90))));
        let late = release(after(-3_600_000), now());
        assert_eq!((late.due_at, late.delay), (after(900_000), Some(Duration::ZERO)));
    }

    #[test]
    fn a_message_long_before_its_planned_time_is_early() {
        for (reason, milliseconds, hops, expected) in [
            (WaitReason::Slot, 60_000, 0, true),
            (WaitReason::RecipientRate, 60_000, 0, true),
            (WaitReason::Slot, 3_600_000, 0, true),
            // SQS delays by whole seconds.
            (WaitReason::Slot, 1_999, 0, false),
            (WaitReason::Slot, -60_000, 0, false),
            // It waits in the index only, and no message follows before `release` puts one on the queue.
            (WaitReason::Slot, 60_000, MAX_HOPS, false),
            // These are decided about again.
            (WaitReason::SendAt, 60_000, 0, false),
            (WaitReason::Pause, 60_000, 0, false),
        ] {
            let due_at = hand_over(after(milliseconds), reason, hops, now()).due_at;
            assert_eq!(is_early(due_at, reason, now()), expected, "{reason:?} {milliseconds} {hops}");
        }
        let released = release(after(170_000), now()).due_at;
        assert!(is_early(released, WaitReason::Slot, now()));
        assert!(!is_early(released, WaitReason::Slot, after(170_000)), "the message that was released");
    }

    #[test]
    fn a_release_never_delays_longer_than_sqs_can() {
        assert!(RELEASE_AHEAD <= MAX_DELAY);
    }

    #[test]
    fn a_reason_is_stored_by_its_word() {
        for reason in [WaitReason::SendAt, WaitReason::RecipientRate, WaitReason::DailyCap, WaitReason::Account] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("{:?}", reason.as_str()));
        }
    }
}
