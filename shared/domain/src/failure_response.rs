//! What is done when Twilio says that a message failed: in its answer to our call, or later in a status callback.

use jiff::SignedDuration;
use twilio_types::error_code::{Class, ErrorCode};

use crate::notification::{Content, FallbackChannel, Notification};

/// What a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureResponse {
    /// The same message again, no earlier than after this time.
    RetryAfter(SignedDuration),
    /// Something else of what the notification offers.
    NextOption(Remedy),
    /// The person wants nothing more.
    OptOut,
    /// The person wants no more marketing.
    OptOutOfMarketing,
    /// Nothing cures it.
    GiveUp,
}

/// What cures a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// A template, or a channel that needs none.
    Template,
    /// Another channel.
    OtherChannel,
    /// Any other content or channel.
    Other,
}

/// A passing fault of the channel's is over within minutes.
const FAULT: SignedDuration = SignedDuration::from_mins(1);
/// A sender that is over its limit at WhatsApp is so for up to a day (Twilio, error 63018): a try every quarter of an
/// hour finds out early, and does not make it worse.
const OVER_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// Source: Twilio, error 63053: "Template sync can take up to 10 minutes".
const TEMPLATE_SYNC: SignedDuration = SignedDuration::from_mins(10);

const UNKNOWN_ERROR: u32 = 30008;
const PROVIDER_TIMEOUT: u32 = 30410;
const TEMPLATE_NOT_SYNCED: u32 = 63053;

impl FailureResponse {
    /// The reaction to a message that has certainly failed with this code, or with none that Twilio named.
    pub fn of_code(code: Option<ErrorCode>) -> Self {
        let Some(code) = code else { return Self::GiveUp };
        match code.class() {
            // The message may have arrived all the same: Twilio itself does not try these again "to avoid duplicate
            // delivery" (error 30410).
            _ if matches!(code.get(), UNKNOWN_ERROR | PROVIDER_TIMEOUT) => Self::GiveUp,
            Class::Retry if code.get() == TEMPLATE_NOT_SYNCED => Self::RetryAfter(TEMPLATE_SYNC),
            Class::Retry => Self::RetryAfter(FAULT),
            Class::SlowDown => Self::RetryAfter(OVER_LIMIT),
            Class::UseTemplate => Self::NextOption(Remedy::Template),
            Class::FixTemplate | Class::FixContent => Self::NextOption(Remedy::Other),
            Class::FixRecipient | Class::FixConfiguration | Class::Authentication => {
                Self::NextOption(Remedy::OtherChannel)
            }
            Class::OptedOut => Self::OptOut,
            Class::OptedOutOfMarketing => Self::OptOutOfMarketing,
            Class::Blocked | Class::Expired | Class::FixWebhook | Class::Information | Class::Unknown => Self::GiveUp,
        }
    }
}

/// How long to wait after so many attempts: each time longer.
pub fn retry_pause(pause: SignedDuration, attempts: usize) -> SignedDuration {
    let times = i32::try_from(attempts).unwrap_or(i32::MAX).saturating_add(1);
    pause.checked_mul(times).unwrap_or(SignedDuration::MAX)
}

/// Whether a person has to look at a failure with this code, whatever else is done: a setting is wrong, or Twilio says
/// something that is not known here.
pub fn needs_operator(code: ErrorCode) -> bool {
    matches!(code.class(), Class::FixConfiguration | Class::Authentication | Class::Unknown)
}

/// Whether the sender has to slow down.
pub fn asks_to_slow_down(code: ErrorCode) -> bool {
    code.class() == Class::SlowDown
}

/// The next of a notification's ways after this one that a cure allows. Ways are counted from 0, the content itself;
/// 1 is the first `fallback`.
pub fn next_option(notification: &Notification, route: usize, remedy: Remedy) -> Option<usize> {
    let (current, _) = notification.channel_option(route)?;
    (route + 1..=notification.fallback.len()).find(|next| {
        let Some((channel, content)) = notification.channel_option(*next) else { return false };
        match remedy {
            Remedy::Template => channel == FallbackChannel::Sms || matches!(content, Content::Template { .. }),
            Remedy::OtherChannel => channel != current,
            Remedy::Other => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reaction(code: u32) -> FailureResponse {
        FailureResponse::of_code(Some(code.to_string().parse().unwrap()))
    }

    #[test]
    fn each_class_has_its_reaction() {
        for (code, expected) in [
            (21610, FailureResponse::OptOut),
            (63014, FailureResponse::OptOut),
            (63033, FailureResponse::OptOutOfMarketing),
            (63050, FailureResponse::OptOutOfMarketing),
            (63016, FailureResponse::NextOption(Remedy::Template)),
            (63003, FailureResponse::NextOption(Remedy::OtherChannel)),
            (63024, FailureResponse::NextOption(Remedy::OtherChannel)),
            (63007, FailureResponse::NextOption(Remedy::OtherChannel)),
            (63027, FailureResponse::NextOption(Remedy::Other)),
            (63019, FailureResponse::NextOption(Remedy::Other)),
            (63018, FailureResponse::RetryAfter(OVER_LIMIT)),
            (63010, FailureResponse::RetryAfter(FAULT)),
            (63053, FailureResponse::RetryAfter(TEMPLATE_SYNC)),
            (63013, FailureResponse::NextOption(Remedy::Other)),
            (30007, FailureResponse::GiveUp),
            (63049, FailureResponse::GiveUp),
            (30036, FailureResponse::GiveUp),
            (99999, FailureResponse::GiveUp),
        ] {
            assert_eq!(reaction(code), expected, "{code}");
        }
        assert_eq!(FailureResponse::of_code(None), FailureResponse::GiveUp);
    }

    #[test]
    fn all_attempts_together_outlast_a_limit_of_a_day() {
        let pauses = (0..crate::limits::MAX_ATTEMPTS).map(|attempts| retry_pause(OVER_LIMIT, attempts));
        let total = pauses.fold(SignedDuration::ZERO, |total, pause| total + pause);
        assert!(total > SignedDuration::from_hours(24), "{total}");
    }

    #[test]
    fn what_may_have_arrived_is_never_sent_again() {
        for code in [30008, 30410] {
            assert_eq!(reaction(code), FailureResponse::GiveUp, "{code}");
        }
    }

    #[test]
    fn a_person_looks_at_settings_and_at_codes_that_nobody_knows() {
        let needs = |code: u32| needs_operator(code.to_string().parse().unwrap());
        assert!([63007, 20003, 99999].into_iter().all(needs));
        assert!(![63016, 21610, 63018, 21211].into_iter().any(needs));
    }

    #[test]
    fn the_next_way_is_one_that_cures() {
        let text = json!({"type": "text", "body": "Hello"});
        let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
        let notification = json!({
            "id": "order-1", "to": "+14155550123", "category": "utility", "content": text,
            "fallback": [{"channel": "whatsapp", "content": text}, {"channel": "whatsapp", "content": template},
                         {"channel": "sms", "content": text}],
        });
        let notification = Notification::parse(&notification.to_string()).unwrap();
        for (route, remedy, expected) in [
            (0, Remedy::Template, Some(2)),
            (0, Remedy::OtherChannel, Some(3)),
            (0, Remedy::Other, Some(1)),
            (2, Remedy::Template, Some(3)),
            (3, Remedy::Other, None),
            (3, Remedy::OtherChannel, None),
            (9, Remedy::Other, None),
        ] {
            assert_eq!(next_option(&notification, route, remedy), expected, "{route} {remedy:?}");
        }
    }
}
