//! Whether a person wants our messages: how a STOP or a START changes the stored preference.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::MessageSid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// Nothing is sent.
    OptedOut,
    /// An earlier opt-out does not hold any more.
    OptedIn,
}

/// A preference with its evidence, as the Contacts table stores it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPreference {
    pub preference: Preference,
    /// When the person expressed it. Of two preferences the newer one counts.
    pub changed_at: Timestamp,
    /// The message that expressed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    /// Why it was recorded, if no message expressed it, in the words of the person who recorded it.
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
    /// The same preference, at the time of the stored one if that is later: a stored time never moves back.
    #[must_use]
    pub fn after(mut self, known: Option<&Self>) -> Self {
        self.changed_at = known.map_or(self.changed_at, |known| known.changed_at.max(self.changed_at));
        self
    }
}

/// What a requested preference does to the stored one, the strongest effect first: that of a request is the strongest of
/// all its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreferenceEffect {
    /// It replaces the other preference.
    Changed,
    /// The preference stays. Its time moves on, so that an older opposite request that arrives late does not win.
    Repeated,
    /// The stored preference is newer or the same: nothing is written.
    Stale,
}

/// A STOP that is this much older than a START still wins, because the clocks of two hosts may differ. Of the two
/// possible mistakes, no message does less harm than an unwanted one.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Decides what a requested preference does to the stored one.
pub fn effect(requested: Preference, at: Timestamp, known: Option<&RecordedPreference>) -> PreferenceEffect {
    let Some(known) = known else {
        return match requested {
            Preference::OptedOut => PreferenceEffect::Changed,
            Preference::OptedIn => PreferenceEffect::Repeated,
        };
    };
    if known.preference == requested {
        return if at > known.changed_at { PreferenceEffect::Repeated } else { PreferenceEffect::Stale };
    }
    let skew = match requested {
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
    fn the_newer_request_wins_and_a_stop_wins_a_tie() {
        use Preference::{OptedIn, OptedOut};
        use PreferenceEffect::{Changed, Repeated, Stale};
        let known =
            |preference| Some(RecordedPreference { preference, changed_at: at(0), message_sid: None, reason: None });
        let cases = [
            (OptedOut, 0, None, Changed, "a first STOP"),
            (OptedIn, 0, None, Repeated, "a START without a STOP before it changes nothing"),
            (OptedOut, 9, known(OptedOut), Repeated, "a second STOP"),
            (OptedOut, 9, known(OptedIn), Changed, "a STOP after a START"),
            (OptedIn, 9, known(OptedOut), Changed, "a START after a STOP"),
            (OptedIn, 9, known(OptedIn), Repeated, "a second START"),
            (OptedOut, -1, known(OptedOut), Stale, "a STOP that arrives after a newer STOP"),
            (OptedIn, -1, known(OptedOut), Stale, "a START that arrives after a newer STOP"),
            (OptedOut, -1, known(OptedIn), Changed, "a STOP within the difference of two clocks"),
            (OptedOut, -9, known(OptedIn), Stale, "a STOP that arrives after a newer START"),
        ];
        for (requested, second, known, expected, case) in cases {
            assert_eq!(effect(requested, at(second), known.as_ref()), expected, "{case}");
        }
    }
}
