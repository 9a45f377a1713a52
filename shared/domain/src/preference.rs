//! Whether a person wants our messages: what a STOP or a START makes of what is known.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::MessageSid;

/// The two ends of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// Suppressed: nothing is sent.
    OptedOut,
    /// Suppressed once, and not any more.
    OptedIn,
}

/// A preference with its evidence, as the Contacts table keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPreference {
    /// The choice.
    pub preference: Preference,
    /// When it was made, which also says which of two is the newer one.
    pub changed_at: Timestamp,
    /// The message that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    /// What made it where no message did, in the words of whoever recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Debug for RecordedPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedPreference")
            .field("preference", &self.preference)
            .field("changed_at", &self.changed_at)
            .field("message_sid", &self.message_sid)
            .finish_non_exhaustive()
    }
}

impl RecordedPreference {
    /// The preference at a time that is not before what is known: what is there never moves back.
    #[must_use]
    pub fn after(mut self, known: Option<&Self>) -> Self {
        self.changed_at = known.map_or(self.changed_at, |known| known.changed_at.max(self.changed_at));
        self
    }
}

/// What a person's wish makes of what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreferenceEffect {
    /// The preference is another one from now on.
    Changed,
    /// It was so before; its time is moved on, so that an older opposite wish that arrives late does not win.
    Repeated,
    /// What is known is as new or newer: there is nothing to write.
    Stale,
}

/// A STOP this much older than the START it meets still wins: the clocks of two hosts may differ, and of the two
/// mistakes, silence is the one a person forgives.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Decides what a wish made at a time does to what is known.
pub fn effect(wish: Preference, at: Timestamp, known: Option<&RecordedPreference>) -> PreferenceEffect {
    let Some(known) = known else {
        return match wish {
            Preference::OptedOut => PreferenceEffect::Changed,
            Preference::OptedIn => PreferenceEffect::Repeated,
        };
    };
    if known.preference == wish {
        return if at > known.changed_at { PreferenceEffect::Repeated } else { PreferenceEffect::Stale };
    }
    let skew = match wish {
        Preference::OptedOut => CLOCK_SKEW,
        Preference::OptedIn => SignedDuration::ZERO,
    };
    if at.saturating_add(skew).is_ok_and(|at| at < known.changed_at) {
        PreferenceEffect::Stale
    } else {
        PreferenceEffect::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn the_newer_wish_wins_and_a_stop_wins_a_tie() {
        use Preference::{OptedIn, OptedOut};
        use PreferenceEffect::{Changed, Repeated, Stale};
        let known =
            |preference| Some(RecordedPreference { preference, changed_at: at(0), message_sid: None, reason: None });
        let cases = [
            (OptedOut, 0, None, Changed, "a first STOP"),
            (OptedIn, 0, None, Repeated, "a START of somebody who never said STOP lifts nothing"),
            (OptedOut, 9, known(OptedOut), Repeated, "a second STOP"),
            (OptedOut, 9, known(OptedIn), Changed, "a STOP after a START"),
            (OptedIn, 9, known(OptedOut), Changed, "a START after a STOP"),
            (OptedIn, 9, known(OptedIn), Repeated, "a second START"),
            (OptedOut, -1, known(OptedOut), Stale, "a STOP that was overtaken by another STOP"),
            (OptedIn, -1, known(OptedOut), Stale, "a START that was overtaken by a STOP"),
            (OptedOut, -1, known(OptedIn), Changed, "a STOP within the difference of two clocks"),
            (OptedOut, -9, known(OptedIn), Stale, "a STOP that was overtaken by a START"),
        ];
        for (wish, second, known, expected, case) in cases {
            assert_eq!(effect(wish, at(second), known.as_ref()), expected, "{case}");
        }
    }
}
