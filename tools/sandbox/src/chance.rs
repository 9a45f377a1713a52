//! Reproducible randomness: each decision follows from the seed and from what it is about, not from the time or the order of
//! the decisions.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// A probability from 0 (never) to 1 (always).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Probability(f64);

impl Probability {
    pub(crate) const ALL: Self = Self(1.0);

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0.0
    }

    /// Draws for one thing, which the texts identify.
    pub(crate) fn draw(self, seed: u64, about: &[&str]) -> bool {
        // At least 0 and less than 1, so that a probability of 1 always succeeds.
        generator(seed, about).f64() < self.0
    }
}

impl TryFrom<f64> for Probability {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err("expected 0 to 1, as in 0.2") }
    }
}

/// The random generator for decisions about one thing, which the texts identify.
pub(crate) fn generator(seed: u64, about: &[&str]) -> Rng {
    // FNV-1a. 0xff separates the texts, since UTF-8 never contains it.
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
    fn probability_outside_zero_to_one_is_refused() {
        for probability in ["-0.1", "1.5", "\"half\"", "null"] {
            assert!(serde_json::from_str::<Probability>(probability).is_err(), "{probability}");
        }
    }

    #[test]
    fn share_of_successful_draws_is_near_the_probability() {
        let successful = |probability: f64| {
            let probability = Probability::try_from(probability).unwrap();
            (0..1_000).filter(|number| probability.draw(42, &["SM", &number.to_string()])).count()
        };
        assert_eq!((successful(0.0), successful(1.0)), (0, 1_000));
        assert!((150..250).contains(&successful(0.2)), "{} of 1,000", successful(0.2));
    }

    proptest! {
        #[test]
        fn draws_do_not_depend_on_their_order(seed: u64, sids in prop::collection::vec("SM[0-9a-f]{8}", 1..40)) {
            let half = Probability::try_from(0.5).unwrap();
            let decide = |sid: &String| half.draw(seed, &["1", sid]);
            let there: Vec<_> = sids.iter().map(decide).collect();
            let mut back: Vec<_> = sids.iter().rev().map(decide).collect();
            back.reverse();
            prop_assert_eq!(there, back);
        }
    }
}
