//! New SIDs: random, and the same ones for the same seed.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;
use twilio_types::sid::MessageSid;

/// A generator of SIDs.
#[derive(Debug)]
pub(crate) struct Sids(Mutex<Rng>);

impl Sids {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }

    /// The prefix and 32 hexadecimal digits.
    pub(crate) fn next(&self, prefix: &str) -> String {
        format!("{prefix}{:032x}", self.0.lock().unwrap_or_else(PoisonError::into_inner).u128(..))
    }

    /// The SID of a message: `MM` for one with files, `SM` for others.
    #[expect(clippy::expect_used, reason = "a prefix and 32 hexadecimal digits are always a valid SID")]
    pub(crate) fn next_message(&self, has_media: bool) -> MessageSid {
        self.next(if has_media { "MM" } else { "SM" }).parse().expect("a prefix and 32 hexadecimal digits")
    }
}

/// Whether a text is the prefix and 32 hexadecimal digits.
pub(crate) fn is_sid(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_sids() {
        let [one, other] = [7, 7].map(Sids::from_seed);
        assert_eq!(one.next_message(true), other.next_message(true));
        assert_ne!(one.next("HX"), one.next("HX"));
        assert_ne!(one.next("HX"), Sids::from_seed(8).next("HX"));
        assert_eq!(one.next("HX").len(), 34);
    }
}
