//! Texts that people and systems wrote in a round, and where each of them may be.

use std::collections::BTreeSet;

use stack::run::{API_KEY_SECRET, AUTH_TOKEN};

use super::places::Seen;

pub(super) const BODY: &str = "canary-body-5b1d";
pub(super) const PROFILE_NAME: &str = "canary-profile-0c77";
pub(super) const BUTTON_TEXT: &str = "canary-button-91e4";
pub(super) const BUTTON_PAYLOAD: &str = "canary-payload-2f0a";
pub(super) const CARD_NAME: &str = "canary-card-e83b";
pub(super) const TEXT: &str = "canary-text-77d2";
pub(super) const VARIABLE: &str = "canary-variable-4ac9";
pub(super) const CODE: &str = "canary-c0de-8d";
pub(super) const METADATA: &str = "canary-metadata-d016";
pub(super) const CONSENT_TEXT: &str = "canary-consent-38fe";
pub(super) const REASON: &str = "canary-reason-a5b2";
/// With a name in place of `ava` for each e-mail.
pub(super) const EMAIL_ADDRESS: &str = "ava@canary-1c9d.example.com";
pub(super) const WRONG_NUMBER: &str = "+canary-number-6e21";

/// A text, where it must be found, and where else it may be. A place is the beginning of one, such as `event`.
struct Canary {
    text: &'static str,
    is_in: &'static [&'static str],
    may_be_in: &'static [&'static str],
}

/// What a person wrote is in the item of the message and in its event.
const WRITTEN: Canary = Canary { text: "", is_in: &["table Messages", "event twilio_inbound"], may_be_in: &[] };
/// What a system asked for is in the item of the notification.
const ASKED: Canary = Canary { text: "", is_in: &["table Notifications"], may_be_in: &[] };

const CANARIES: [Canary; 15] = [
    // Also a spooled message that cannot be read, as it was on the queue.
    Canary { text: BODY, may_be_in: &["queue SpoolDeadLetterQueue"], ..WRITTEN },
    Canary { text: PROFILE_NAME, ..WRITTEN },
    Canary { text: BUTTON_TEXT, ..WRITTEN },
    Canary { text: BUTTON_PAYLOAD, ..WRITTEN },
    Canary { text: CARD_NAME, is_in: &["event media_stored"], may_be_in: &["table Messages"] },
    // Also a notification that cannot be read, as its sender wrote it.
    Canary { text: TEXT, may_be_in: &["queue OutboundDeadLetterQueue"], ..ASKED },
    Canary { text: VARIABLE, ..ASKED },
    // A one-time password is in no dead letter.
    Canary { text: CODE, ..ASKED },
    // A system recognizes its notification by it in each event.
    Canary { text: METADATA, is_in: &["table Notifications", "event twilio_status"], may_be_in: &["event"] },
    Canary { text: CONSENT_TEXT, is_in: &["table Contacts"], may_be_in: &[] },
    // Also an opt-out whose cancellations at Twilio are still to be made.
    Canary {
        text: REASON,
        is_in: &["table Contacts", "event contact_opted_out"],
        may_be_in: &["event contact_opted_in", "table RateLimits"],
    },
    Canary { text: "canary-1c9d", is_in: &["table Notifications"], may_be_in: &["event email_status"] },
    // The answer names what is wrong.
    Canary { text: WRONG_NUMBER, is_in: &[], may_be_in: &["answer"] },
    Canary { text: AUTH_TOKEN, is_in: &[], may_be_in: &[] },
    Canary { text: API_KEY_SECRET, is_in: &[], may_be_in: &[] },
];

/// What is where it must not be, or not where it must be.
pub(super) fn problems(seen: &Seen) -> Vec<String> {
    let mut problems = Vec::new();
    for Canary { text, is_in, may_be_in } in &CANARIES {
        let found: BTreeSet<_> = seen.texts.iter().filter(|(_, written)| written.contains(text)).collect();
        let missing = is_in.iter().filter(|place| !found.iter().any(|(at, _)| at.starts_with(**place)));
        problems.extend(missing.map(|place| format!("{text} is not in {place}, so it would not be found elsewhere")));
        // What is on the events queue is looked at as an event.
        let is_allowed =
            |at: &str| at == "queue EventsQueue" || is_in.iter().chain(*may_be_in).any(|place| at.starts_with(place));
        let leaked = found.iter().filter(|(at, _)| !is_allowed(at));
        problems.extend(leaked.map(|(at, written)| format!("{text} is in {at}: {written}")));
    }
    problems.extend(numbers(seen));
    problems
}

/// The numbers of the people of this test (`support::stranger`) that are in a log or a metric.
fn numbers(seen: &Seen) -> Vec<String> {
    let in_log = |at: &str| at.starts_with("log") || at.starts_with("metrics");
    let logged: Vec<_> = seen.texts.iter().filter(|(at, _)| in_log(at)).collect();
    assert!(logged.len() > 100, "{} lines of logs", logged.len());
    let is_number = |digits: &str| digits.len() == 13 && digits.starts_with("4915");
    let has_number = |written: &str| written.split(|char: char| !char.is_ascii_digit()).any(is_number);
    let leaked = logged.into_iter().filter(|(_, written)| has_number(written));
    leaked.map(|(at, written)| format!("a number is in {at}: {written}")).collect()
}
