//! Chance that can be had again: what is decided follows from a seed and from what it is about, and not from when or in
//! which order it is asked.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// A share, from 0 (never) to 1 (always).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Fraction(f64);

impl Fraction {
    pub(crate) const ALL: Self = Self(1.0);

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0.0
    }

    /// Whether it strikes here.
    pub(crate) fn strikes(self, seed: u64, about: &[&str]) -> bool {
        // From 0 to 1, without the 1.
        generator(seed, about).f64() < self.0
    }
}

impl TryFrom<f64> for Fraction {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err("expected 0 to 1, as in 0.2") }
    }
}

/// The generator of what is decided about something.
pub(crate) fn generator(seed: u64, about: &[&str]) -> Rng {
    // FNV-1a, with a byte between the parts that no text has.
    let bytes = about.iter().flat_map(|part| part.bytes().chain([0xff]));
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Rng::with_seed(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fraction_is_from_zero_to_one() {
        for fraction in ["-0.1", "1.5", "\"half\"", "null"] {
            assert!(serde_json::from_str::<Fraction>(fraction).is_err(), "{fraction}");
        }
    }

    #[test]
    fn about_as_many_are_struck_as_it_says() {
        let struck = |fraction: f64| {
            let fraction = Fraction::try_from(fraction).unwrap();
            (0..1_000).filter(|number| fraction.strikes(42, &["SM", &number.to_string()])).count()
        };
        assert_eq!((struck(0.0), struck(1.0)), (0, 1_000));
        assert!((150..250).contains(&struck(0.2)), "{} of 1,000", struck(0.2));
    }

    proptest! {
        #[test]
        fn the_same_seed_decides_the_same_whatever_else_was_asked(seed: u64, sids in prop::collection::vec("SM[0-9a-f]{8}", 1..40)) {
            let half = Fraction::try_from(0.5).unwrap();
            let decide = |sid: &String| half.strikes(seed, &["1", sid]);
            let there: Vec<_> = sids.iter().map(decide).collect();
            let mut back: Vec<_> = sids.iter().rev().map(decide).collect();
            back.reverse();
            prop_assert_eq!(there, back);
        }
    }
}
