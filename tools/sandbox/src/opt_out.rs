//! Advanced Opt-Out: Twilio itself answers STOP, START and HELP, and refuses messages to who wrote STOP.
//!
//! Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".

/// What a person asks of Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Stop,
    Start,
    Help,
}

/// Messages to a person who has opted out. Source: Twilio, error 21610.
pub(crate) const OPTED_OUT: u32 = 21610;

/// Twilio's words in English, as the service begins with: alone in a message, in any case.
const WORDS: [(Wish, &[&str]); 3] = [
    (Wish::Stop, &["cancel", "end", "quit", "stop", "stopall", "unsubscribe"]),
    (Wish::Start, &["start", "unstop", "yes"]),
    (Wish::Help, &["help", "info"]),
];

impl Wish {
    pub(crate) fn read(body: &str) -> Option<Self> {
        let word = body.trim().to_ascii_lowercase();
        WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(wish, _)| *wish)
    }

    /// The webhook's `OptOutType`.
    pub(crate) const fn opt_out_type(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }

    /// What Twilio answers, in its own words.
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
    fn a_wish_is_one_word() {
        let cases = [
            ("STOP", Some(Wish::Stop)),
            (" Unsubscribe\n", Some(Wish::Stop)),
            ("stop please", None),
            ("yes", Some(Wish::Start)),
            ("Info", Some(Wish::Help)),
            ("", None),
        ];
        for (body, wish) in cases {
            assert_eq!(Wish::read(body), wish, "{body:?}");
        }
    }
}
