//! Advanced Opt-Out: Twilio itself answers STOP, START and HELP, and refuses messages to a person who sent STOP.
//!
//! Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".

use crate::choices::LongCodeKeywords;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptOutKeyword {
    Stop,
    Start,
    Help,
}

/// A message to a person who has opted out. Source: Twilio, error 21610.
pub(crate) const OPTED_OUT: u32 = 21610;

/// Twilio's default keywords in English. A keyword is the whole text of a message, in any case.
const KEYWORDS: [(OptOutKeyword, &[&str]); 3] = [
    (OptOutKeyword::Stop, &["cancel", "end", "quit", "stop", "stopall", "unsubscribe"]),
    (OptOutKeyword::Start, &["start", "unstop", "yes"]),
    (OptOutKeyword::Help, &["help", "info"]),
];

/// The keywords of STOP that the page names for long codes, and not among those of Advanced Opt-Out.
const LONG_CODE_KEYWORDS: [&str; 2] = ["revoke", "optout"];

impl OptOutKeyword {
    pub(crate) fn read(body: &str, more: LongCodeKeywords) -> Option<Self> {
        let word = body.trim().to_ascii_lowercase();
        if more == LongCodeKeywords::Included && LONG_CODE_KEYWORDS.contains(&word.as_str()) {
            return Some(Self::Stop);
        }
        KEYWORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(keyword, _)| *keyword)
    }

    pub(crate) const fn opt_out_type(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }

    /// Twilio's default answer.
    pub(crate) const fn answer(self) -> &'static str {
        match self {
            Self::Stop => {
                "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply \
                 START to resubscribe."
            }
            Self::Start => {
                "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP \
                 to unsubscribe."
            }
            Self::Help => "Reply STOP to unsubscribe.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_is_the_whole_message() {
        let cases = [
            ("STOP", Some(OptOutKeyword::Stop)),
            (" Unsubscribe\n", Some(OptOutKeyword::Stop)),
            ("stop please", None),
            ("yes", Some(OptOutKeyword::Start)),
            ("Info", Some(OptOutKeyword::Help)),
            ("", None),
            ("Revoke", Some(OptOutKeyword::Stop)),
            ("OPTOUT", Some(OptOutKeyword::Stop)),
            ("opt out", None),
        ];
        for (body, keyword) in cases {
            assert_eq!(OptOutKeyword::read(body, LongCodeKeywords::Included), keyword, "{body:?}");
        }
        for (body, keyword) in [("revoke", None), ("optout", None), ("stop", Some(OptOutKeyword::Stop))] {
            assert_eq!(OptOutKeyword::read(body, LongCodeKeywords::Excluded), keyword, "{body:?}");
        }
    }
}
