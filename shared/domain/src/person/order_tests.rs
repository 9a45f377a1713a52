//! What a person said and wrote counts by the time at which it arrived, in whatever order it is recorded: webhooks that are spooled
//! are recorded later than others.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// The difference of two clocks within which a STOP wins, in milliseconds ([`crate::preference`]).
const CLOCK_SKEW: i64 = 2_000;

fn at(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + millisecond).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Stop,
    StopMarketing,
    Start,
    Text,
}

fn record(person: &mut Person, said: Said, at: Timestamp) {
    person.open_windows([WindowKey::of("whatsapp:+14155238886")], at);
    let (preference, scopes) = match said {
        Said::Stop => (Preference::OptedOut, vec![Scope::All]),
        Said::StopMarketing => (Preference::OptedOut, vec![Scope::Marketing]),
        Said::Start => (Preference::OptedIn, vec![Scope::All, Scope::Marketing]),
        Said::Text => return,
    };
    let request = RecordedPreference { preference, changed_at: at, message_sid: None, reason: None };
    person.record_preference(&Channel::WhatsApp, &scopes, &request);
}

fn recorded(messages: &[(Said, i64)]) -> Person {
    let mut person = Person::default();
    for (said, millisecond) in messages {
        record(&mut person, *said, at(*millisecond));
    }
    person
}

/// Messages with the pauses between them, in milliseconds.
fn messages(pause: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(Said, i64)>> {
    let said = select(vec![Said::Stop, Said::StopMarketing, Said::Start, Said::Text]);
    vec((said, pause), 1..9).prop_map(|said| {
        let mut now = 0;
        let timed = said.into_iter().map(|(said, pause)| {
            now += pause;
            (said, now)
        });
        timed.collect()
    })
}

fn shuffled(mut messages: Vec<(Said, i64)>, seed: u64) -> Vec<(Said, i64)> {
    fastrand::Rng::with_seed(seed).shuffle(&mut messages);
    messages
}

proptest! {
    /// All of the person, and not only what decides today.
    #[test]
    fn messages_recorded_in_any_order_make_the_same_person(messages in messages(2_001..60_000), seed: u64) {
        let in_order = recorded(&messages);
        let other = shuffled(messages, seed);
        prop_assert_eq!(recorded(&other), in_order, "{:?}", other);
    }

    /// Where clocks cannot tell which of two opposite requests is newer, a START may not count; a STOP always does.
    #[test]
    fn stop_counts_in_any_order_unless_a_start_is_newer(messages in messages(1..3_000), seed: u64) {
        let last = |wanted: Said| messages.iter().filter(|(said, _)| *said == wanted).map(|(_, at)| *at).max();
        let (stop, start) = (last(Said::Stop), last(Said::Start));
        let other = shuffled(messages.clone(), seed);
        let is_stopped = recorded(&other).suppressed_by([&Scope::All]).is_some();
        if stop > start {
            prop_assert!(is_stopped, "{:?}", other);
        }
        if start > stop.map(|stop| stop + CLOCK_SKEW) {
            prop_assert!(!is_stopped, "{:?}", other);
        }
    }
}
