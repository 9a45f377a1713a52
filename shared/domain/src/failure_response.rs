//! How to respond to a message that Twilio reports as failed: in its answer to our call, or later in a status callback.

use jiff::SignedDuration;
use twilio_types::error_code::{Class, ErrorCode};

use crate::notification::{Content, FallbackChannel, Notification};

/// How to respond to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureResponse {
    /// Send the same message again, not before this time has passed.
    RetryAfter(SignedDuration),
    /// Send another of the notification's options.
    NextOption(Remedy),
    /// Record that the person opted out of every message.
    OptOut,
    /// Record that the person opted out of marketing.
    OptOutOfMarketing,
    /// No other attempt can succeed.
    GiveUp,
}

/// Which of a notification's options can succeed after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// A template, or a channel that needs no template.
    Template,
    /// Another channel.
    OtherChannel,
    /// Any other option.
    Other,
}

/// A temporary fault of the channel is over within minutes.
const TEMPORARY_FAULT: SignedDuration = SignedDuration::from_mins(1);
/// WhatsApp's limit on a sender lasts up to a day (Twilio, error 63018). An attempt every 15 minutes finds the end of
/// it early and does not prolong it.
const OVER_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// Source: Twilio, error 63053: "Template sync can take up to 10 minutes".
const TEMPLATE_SYNC: SignedDuration = SignedDuration::from_mins(10);

const UNKNOWN_ERROR: u32 = 30008;
const PROVIDER_TIMEOUT: u32 = 30410;
const TEMPLATE_NOT_SYNCED: u32 = 63053;

impl FailureResponse {
    /// The response to a message that certainly failed, with the code that Twilio gave, if it gave one.
    pub fn of_code(code: Option<ErrorCode>) -> Self {
        let Some(code) = code else { return Self::GiveUp };
        match code.class() {
            // The message may have arrived nevertheless: Twilio itself does not retry these "to avoid duplicate
            // delivery" (error 30410).
            _ if matches!(code.get(), UNKNOWN_ERROR | PROVIDER_TIMEOUT) => Self::GiveUp,
            Class::Retry if code.get() == TEMPLATE_NOT_SYNCED => Self::RetryAfter(TEMPLATE_SYNC),
            Class::Retry => Self::RetryAfter(TEMPORARY_FAULT),
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

/// The pause before the next attempt. It grows by `pause` with each attempt that was made.
pub fn retry_pause(pause: SignedDuration, attempts: usize) -> SignedDuration {
    let times = i32::try_from(attempts).unwrap_or(i32::MAX).saturating_add(1);
    pause.checked_mul(times).unwrap_or(SignedDuration::MAX)
}

/// Whether an operator has to look at a failure with this code, whatever the response is: a setting is wrong, or the
/// code is not in our table.
pub fn needs_operator(code: ErrorCode) -> bool {
    matches!(code.class(), Class::FixConfiguration | Class::Authentication | Class::Unknown)
}

/// Whether Twilio refused because the sender sends too fast.
pub fn asks_to_slow_down(code: ErrorCode) -> bool {
    code.class() == Class::SlowDown
}

/// The first option after `route` that a remedy allows. Option 0 is the content, 1 the first `fallback`.
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

    fn response(code: u32) -> FailureResponse {
        FailureResponse::of_code(Some(code.to_string().parse().unwrap()))
    }

    #[test]
    fn each_class_of_errors_has_its_response() {
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
            (63010, FailureResponse::RetryAfter(TEMPORARY_FAULT)),
            (63053, FailureResponse::RetryAfter(TEMPLATE_SYNC)),
            (63013, FailureResponse::NextOption(Remedy::Other)),
            (30007, FailureResponse::GiveUp),
            (63049, FailureResponse::GiveUp),
            (30036, FailureResponse::GiveUp),
            (99999, FailureResponse::GiveUp),
        ] {
            assert_eq!(response(code), expected, "{code}");
        }
        assert_eq!(FailureResponse::of_code(None), FailureResponse::GiveUp);
    }

    #[test]
    fn all_attempts_together_take_longer_than_a_day() {
        let pauses = (0..crate::limits::MAX_ATTEMPTS).map(|attempts| retry_pause(OVER_LIMIT, attempts));
        let total = pauses.fold(SignedDuration::ZERO, |total, pause| total + pause);
        assert!(total > SignedDuration::from_hours(24), "{total}");
    }

    #[test]
    fn a_message_that_may_have_arrived_is_not_sent_again() {
        for code in [30008, 30410] {
            assert_eq!(response(code), FailureResponse::GiveUp, "{code}");
        }
    }

    #[test]
    fn operators_see_wrong_settings_and_unknown_codes() {
        let needs = |code: u32| needs_operator(code.to_string().parse().unwrap());
        assert!([63007, 20003, 99999].into_iter().all(needs));
        assert!(![63016, 21610, 63018, 21211].into_iter().any(needs));
    }

    #[test]
    fn the_next_option_is_one_that_can_succeed() {
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
