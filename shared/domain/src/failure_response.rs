//! How to respond to a message that Twilio reports as failed: in its answer to our call, or later in a status callback.

use jiff::SignedDuration;
use twilio_types::{
    address::Recipient,
    error_code::{Class, ErrorCode},
};

use crate::{
    notification::{Content, FallbackChannel, Notification},
    region::Region,
};

/// How to respond to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureResponse {
    /// Send the same message again, not before this pause is over.
    RetryAfter(RetryPause),
    /// Send another of the notification's options.
    NextOption(Remedy),
    /// Send another of the notification's options; if none can succeed, send the same message again after the pause.
    NextOptionOrRetry(Remedy, RetryPause),
    /// Record that the person opted out of every message.
    OptOut,
    /// Record that the person opted out of marketing.
    OptOutOfMarketing,
    /// No other attempt can succeed.
    GiveUp,
}

/// The pauses between attempts, each longer than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPause {
    /// Each attempt adds this time.
    Growing(SignedDuration),
    /// Each attempt doubles the time, which begins with `first`, up to `longest`.
    Doubling { first: SignedDuration, longest: SignedDuration },
}

impl RetryPause {
    /// The pause before the next attempt, after this number of attempts, which is at least 1.
    pub fn after(self, attempts: usize) -> SignedDuration {
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        match self {
            Self::Growing(step) => {
                let times = i32::try_from(attempts).unwrap_or(i32::MAX);
                step.checked_mul(times).unwrap_or(SignedDuration::MAX)
            }
            Self::Doubling { first, longest } => {
                let times = 2_i32.checked_pow(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
                first.checked_mul(times).unwrap_or(SignedDuration::MAX).min(longest)
            }
        }
    }
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
const TEMPORARY_FAULT: RetryPause = RetryPause::Growing(SignedDuration::from_mins(1));
/// WhatsApp's limit on a sender lasts up to a day (Twilio, error 63018). An attempt every 15 minutes finds the end of
/// it early and does not prolong it.
const OVER_LIMIT: RetryPause = RetryPause::Growing(SignedDuration::from_mins(15));
/// Source: Twilio, error 63053: "Template sync can take up to 10 minutes".
const TEMPLATE_SYNC: RetryPause = RetryPause::Growing(SignedDuration::from_mins(10));
/// Twilio held the message for its validity period and did not deliver it, so it has waited already.
const NOT_DELIVERED_IN_TIME: RetryPause = RetryPause::Growing(SignedDuration::from_mins(1));
/// Meta limits the marketing messages that a person gets from all businesses: "retry later with progressively larger
/// delays" (Twilio, error 63049).
const MARKETING_LIMIT: RetryPause =
    RetryPause::Doubling { first: SignedDuration::from_hours(4), longest: SignedDuration::from_hours(64) };

const UNKNOWN_ERROR: u32 = 30008;
const PROVIDER_TIMEOUT: u32 = 30410;
const TEMPLATE_NOT_SYNCED: u32 = 63053;
/// Meta did not deliver a marketing message, to limit what the person gets from all businesses.
pub(crate) const NOT_DELIVERED_BY_CHOICE: u32 = 63049;
const INVALID_TO: u32 = 21211;

/// Codes whose class asks for no operator, although one has to look at them:
///
/// - 30007 and 63026: the content was filtered, or flagged as spam.
/// - 30450, 30453 and 30485: Twilio's fraud protection stopped SMS to a range of numbers.
/// - 30454 and 63038: the account's limit, which support may raise.
const ALARMING: [u32; 7] = [30007, 30450, 30453, 30454, 30485, 63026, 63038];

impl FailureResponse {
    /// To a failure of SendGrid or Twilio Studio: the next option, whatever it is; without one it is final.
    pub const OTHER_SERVICE: Self = Self::NextOption(Remedy::Other);

    /// The response to a message that certainly failed, with the code that Twilio gave, if it gave one. `region` is the
    /// recipient's country, if it is known.
    pub fn of_code(code: Option<ErrorCode>, region: Option<Region>) -> Self {
        let Some(code) = code else { return Self::GiveUp };
        match code.class() {
            // The message may have arrived nevertheless: Twilio itself does not retry these "to avoid duplicate
            // delivery" (error 30410).
            _ if matches!(code.get(), UNKNOWN_ERROR | PROVIDER_TIMEOUT) => Self::GiveUp,
            _ if code.get() == NOT_DELIVERED_BY_CHOICE => Self::of_marketing_limit(region),
            Class::Retry if code.get() == TEMPLATE_NOT_SYNCED => Self::RetryAfter(TEMPLATE_SYNC),
            Class::Retry => Self::RetryAfter(TEMPORARY_FAULT),
            Class::SlowDown => Self::RetryAfter(OVER_LIMIT),
            // The message was certainly not delivered. The notification's own expires_at ends the attempts.
            Class::Expired => Self::RetryAfter(NOT_DELIVERED_IN_TIME),
            Class::UseTemplate => Self::NextOption(Remedy::Template),
            Class::FixTemplate | Class::FixContent => Self::NextOption(Remedy::Other),
            Class::FixRecipient | Class::FixConfiguration | Class::Authentication => {
                Self::NextOption(Remedy::OtherChannel)
            }
            Class::OptedOut => Self::OptOut,
            Class::OptedOutOfMarketing => Self::OptOutOfMarketing,
            Class::Blocked | Class::FixWebhook | Class::Information | Class::Unknown => Self::GiveUp,
        }
    }

    /// Meta delivers no marketing template to the United States since 1 April 2025, so that a retry there never succeeds
    /// (Twilio, error 63049).
    fn of_marketing_limit(region: Option<Region>) -> Self {
        if region.is_some_and(|region| region.as_str() == "US") {
            Self::NextOption(Remedy::OtherChannel)
        } else {
            Self::NextOptionOrRetry(Remedy::OtherChannel, MARKETING_LIMIT)
        }
    }
}

/// Whether an operator has to look at a failure with this code, whatever the response is: a setting is wrong, the account
/// is limited or suspected, or the code is not in our table.
pub fn needs_operator(code: ErrorCode) -> bool {
    ALARMING.contains(&code.get())
        || matches!(code.class(), Class::FixConfiguration | Class::Authentication | Class::Unknown)
}

/// Whether Twilio refused a WhatsApp user id as if it were a wrong phone number. That is no proof that the person is gone:
/// accounts to which user ids are not opened yet get this code for every id. So the message goes to the person's phone
/// number if it is known, and nothing is recorded of the person.
pub fn is_user_id_refusal(code: ErrorCode, to: &Recipient) -> bool {
    code.get() == INVALID_TO && to.user_id().is_some()
}

/// Whether Twilio refused because the sender sends too fast.
pub fn asks_to_slow_down(code: ErrorCode) -> bool {
    code.class() == Class::SlowDown
}

/// The options after `option` that a remedy allows, in their order. Option 0 is the content, 1 the first `fallback`.
pub fn options_after(notification: &Notification, option: usize, remedy: Remedy) -> impl Iterator<Item = usize> + '_ {
    let failed = notification.channel_option(option).map(|(channel, _)| channel);
    (option.saturating_add(1)..=notification.fallback.len()).filter(move |next| {
        let Some((channel, content)) = notification.channel_option(*next) else { return false };
        match remedy {
            Remedy::Template => {
                channel != FallbackChannel::WhatsApp
                    || matches!(content, Content::Template { .. } | Content::Studio { .. })
            }
            Remedy::OtherChannel => Some(channel) != failed,
            Remedy::Other => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(code: u32) -> FailureResponse {
        FailureResponse::of_code(Some(code.to_string().parse().unwrap()), None)
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
            (63026, FailureResponse::GiveUp),
            (30450, FailureResponse::GiveUp),
            (30453, FailureResponse::GiveUp),
            (30485, FailureResponse::GiveUp),
            (63112, FailureResponse::NextOption(Remedy::OtherChannel)),
            (63058, FailureResponse::NextOption(Remedy::OtherChannel)),
            (20410, FailureResponse::NextOption(Remedy::OtherChannel)),
            (21608, FailureResponse::NextOption(Remedy::OtherChannel)),
            (21910, FailureResponse::NextOption(Remedy::OtherChannel)),
            (30034, FailureResponse::NextOption(Remedy::OtherChannel)),
            (35114, FailureResponse::NextOption(Remedy::OtherChannel)),
            (20504, FailureResponse::RetryAfter(TEMPORARY_FAULT)),
            (30023, FailureResponse::RetryAfter(OVER_LIMIT)),
            (63038, FailureResponse::RetryAfter(OVER_LIMIT)),
            (30036, FailureResponse::RetryAfter(NOT_DELIVERED_IN_TIME)),
            (99999, FailureResponse::GiveUp),
        ] {
            assert_eq!(response(code), expected, "{code}");
        }
        assert_eq!(FailureResponse::of_code(None, None), FailureResponse::GiveUp);
    }

    #[test]
    fn marketing_that_meta_withheld_is_never_retried_in_the_us() {
        let in_region = |region: Option<&str>| {
            let region = region.map(|region| region.parse().unwrap());
            FailureResponse::of_code("63049".parse().ok(), region)
        };
        assert_eq!(in_region(Some("US")), FailureResponse::NextOption(Remedy::OtherChannel));
        let elsewhere = FailureResponse::NextOptionOrRetry(Remedy::OtherChannel, MARKETING_LIMIT);
        for region in [Some("BR"), Some("CA"), None] {
            assert_eq!(in_region(region), elsewhere, "{region:?}");
        }
    }

    #[test]
    fn withheld_marketing_is_retried_after_ever_longer_pauses() {
        let hours: Vec<i64> = (1..8).map(|attempts| MARKETING_LIMIT.after(attempts).as_hours()).collect();
        assert_eq!(hours, [4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(MARKETING_LIMIT.after(usize::MAX).as_hours(), 64);
    }

    #[test]
    fn a_refused_user_id_is_no_wrong_number() {
        let refusal = |code: u32, to: &str| is_user_id_refusal(code.to_string().parse().unwrap(), &to.parse().unwrap());
        assert!(refusal(21211, "US.1349"));
        assert!(!refusal(21211, "+14155550123"));
        assert!(!refusal(63024, "US.1349"));
    }

    #[test]
    fn attempts_are_ended_by_time_and_not_by_their_number() {
        use crate::limits::{GIVE_UP_AFTER, MAX_ATTEMPTS};
        let pauses = (1..MAX_ATTEMPTS).map(|attempts| TEMPORARY_FAULT.after(attempts));
        let total = pauses.fold(SignedDuration::ZERO, |total, pause| total + pause);
        assert!(total > GIVE_UP_AFTER, "{total}");
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
        for code in [63007, 20003, 99999, 63026, 30007, 63038, 30450, 30453, 30454, 30485, 63112, 63058, 21910, 63060] {
            assert!(needs(code), "{code}");
        }
        for code in [63016, 21610, 63018, 21211, 63049, 30036, 30003, 20504] {
            assert!(!needs(code), "{code}");
        }
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
            assert_eq!(options_after(&notification, route, remedy).next(), expected, "{route} {remedy:?}");
        }
    }
}
