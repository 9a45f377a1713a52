//! Twilio's error codes: what each means, who has to act, and what is certain about a request that got one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

mod table;

use table::TABLE;

/// A code of Twilio's error dictionary, from the answer to a request or from a status callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(u32);

/// A text that is not an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an error code: expected a number, as in 63016")]
pub struct InvalidErrorCode;

/// Who has to act upon a code, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The recipient's address is wrong or not on the channel: correct it or use another channel.
    FixRecipient,
    /// The account, a sender or a service is not set up for this: the operator has to act.
    FixConfiguration,
    /// Twilio refuses the credentials: the operator has to act.
    Authentication,
    /// The content cannot be sent: correct it.
    FixContent,
    /// The template does not exist, is not approved, or its variables do not fit: use another one.
    FixTemplate,
    /// Free-form text outside the service window: send a template instead.
    UseTemplate,
    /// The recipient wants no messages at all: suppress.
    OptedOut,
    /// The recipient wants no marketing: suppress marketing.
    OptedOutOfMarketing,
    /// Too many requests for Twilio or for WhatsApp: slow down and try again later.
    SlowDown,
    /// A temporary fault: try again.
    Retry,
    /// A policy or a filter refused it: do not try again.
    Blocked,
    /// Its validity period is over.
    Expired,
    /// The account's webhook did not answer Twilio as it should: its operator has to act.
    FixWebhook,
    /// A warning; nothing failed.
    Information,
    /// The code is not in the table: treat the failure as permanent, and report the code.
    Unknown,
}

/// What is certain after Twilio refused a request to create a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// No message was created, and the same request will be refused again.
    Refused,
    /// No message was created, and the same request may succeed later.
    NotDone,
    /// A message may have been created.
    Unknown,
}

impl ErrorCode {
    /// Too many concurrent requests: "never processed and always safe to retry" (error 20429).
    pub const TOO_MANY_REQUESTS: Self = Self(20429);
    /// An internal error at Twilio (20500): a message may have been created.
    pub const INTERNAL_SERVER_ERROR: Self = Self(20500);
    /// Twilio is not available (20503): a message may have been created.
    pub const SERVICE_UNAVAILABLE: Self = Self(20503);
    /// An internal error of Twilio's messaging (20504): a message may have been created.
    pub const MESSAGING_INTERNAL_ERROR: Self = Self(20504);
    /// The sender's queue is full (21611): no message was created.
    pub const QUEUE_FULL: Self = Self(21611);
    /// The message is no longer scheduled, so it cannot be canceled (30409).
    pub const CANNOT_BE_CANCELED: Self = Self(30409);

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Who has to act upon the code, and how.
    pub fn class(self) -> Class {
        self.entry().map_or(Class::Unknown, |(_, class, _)| *class)
    }

    /// Twilio's title of the code; none if the code is not in the table.
    pub fn title(self) -> Option<&'static str> {
        self.entry().map(|(_, _, title)| *title)
    }

    /// What is certain after an answer with this code to a request that creates a message.
    pub fn certainty(self) -> Certainty {
        match self {
            Self::TOO_MANY_REQUESTS | Self::QUEUE_FULL => Certainty::NotDone,
            Self::INTERNAL_SERVER_ERROR | Self::SERVICE_UNAVAILABLE | Self::MESSAGING_INTERNAL_ERROR => {
                Certainty::Unknown
            }
            _ => Certainty::Refused,
        }
    }

    fn entry(self) -> Option<&'static (u32, Class, &'static str)> {
        TABLE.binary_search_by_key(&self.0, |(code, _, _)| *code).ok().and_then(|index| TABLE.get(index))
    }
}

impl FromStr for ErrorCode {
    type Err = InvalidErrorCode;

    fn from_str(text: &str) -> Result<Self, InvalidErrorCode> {
        text.parse().map(Self).map_err(|_| InvalidErrorCode)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_code_twice() {
        assert_eq!(TABLE.len(), 251);
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn the_codes_that_decide_have_their_class() {
        for (code, class) in [
            (21610, Class::OptedOut),
            (63014, Class::OptedOut),
            (63033, Class::OptedOutOfMarketing),
            (63050, Class::OptedOutOfMarketing),
            (63016, Class::UseTemplate),
            (63018, Class::SlowDown),
            (20429, Class::SlowDown),
            (63027, Class::FixTemplate),
            (63003, Class::FixRecipient),
            (21211, Class::FixRecipient),
            (63007, Class::FixConfiguration),
            (20003, Class::Authentication),
            (63049, Class::Blocked),
            (63026, Class::Blocked),
            (30007, Class::Blocked),
            (30450, Class::Blocked),
            (30453, Class::Blocked),
            (30485, Class::Blocked),
            (63058, Class::FixConfiguration),
            (63112, Class::FixConfiguration),
            (63120, Class::FixConfiguration),
            (20410, Class::FixConfiguration),
            (21608, Class::FixConfiguration),
            (21910, Class::FixConfiguration),
            (60223, Class::FixConfiguration),
            (60221, Class::FixConfiguration),
            (60203, Class::SlowDown),
            (60242, Class::FixConfiguration),
            (63060, Class::FixConfiguration),
            (63124, Class::FixConfiguration),
            (63128, Class::FixConfiguration),
            (21657, Class::FixConfiguration),
            (21265, Class::FixRecipient),
            (21266, Class::FixConfiguration),
            (21268, Class::FixRecipient),
            (30003, Class::FixRecipient),
            (30004, Class::FixRecipient),
            (63038, Class::SlowDown),
            (30454, Class::SlowDown),
            (20504, Class::Retry),
            (63011, Class::Retry),
            (30036, Class::Expired),
            (63010, Class::Retry),
            (11200, Class::FixWebhook),
            (99999, Class::Unknown),
        ] {
            assert_eq!(ErrorCode(code).class(), class, "{code}");
        }
    }

    #[test]
    fn the_codes_of_an_sms_fallback_have_their_class() {
        for code in [30032, 30033, 30034, 30035, 30040, 30041, 30042] {
            assert_eq!(ErrorCode(code).class(), Class::FixConfiguration, "a sender that is not registered: {code}");
        }
        for code in [30022, 30023, 30027] {
            assert_eq!(ErrorCode(code).class(), Class::SlowDown, "a cap of US carriers: {code}");
        }
    }

    #[test]
    fn the_codes_of_scheduling_and_paging_are_the_operators() {
        for code in [35111, 35114, 35115, 35117, 35118, 35125, 35126, 20007, 21481] {
            assert_eq!(ErrorCode(code).class(), Class::FixConfiguration, "{code}");
            assert!(ErrorCode(code).title().is_some(), "{code}");
        }
    }

    #[test]
    fn ranges_of_the_dictionary_are_complete() {
        for code in (63113..=63120).chain(21701..=21705).chain(11240..=11243) {
            assert!(ErrorCode(code).title().is_some(), "{code}");
        }
        assert_eq!(ErrorCode(63018).title(), Some("Rate limit exceeded for Channel"));
        assert_eq!(ErrorCode(11241).title(), Some("HTTP connection edge location is not supported"));
        assert_eq!(ErrorCode(11242).title(), Some("HTTP connection over Twilio Interconnect is not allowed"));
        assert_eq!(ErrorCode(1).title(), None);
    }

    #[test]
    fn a_refusal_before_processing_may_be_retried() {
        for (code, certainty) in [
            (20429, Certainty::NotDone),
            (21611, Certainty::NotDone),
            (20500, Certainty::Unknown),
            (20503, Certainty::Unknown),
            (20504, Certainty::Unknown),
            (21910, Certainty::Refused),
            (21211, Certainty::Refused),
            (99999, Certainty::Refused),
        ] {
            assert_eq!(ErrorCode(code).certainty(), certainty, "{code}");
        }
    }

    #[test]
    fn a_code_is_parsed_from_a_form_and_from_json() {
        assert_eq!("63016".parse(), Ok(ErrorCode(63016)));
        assert_eq!("".parse::<ErrorCode>(), Err(InvalidErrorCode));
        assert_eq!(serde_json::from_str::<ErrorCode>("63016").unwrap(), ErrorCode(63016));
    }
}
