//! Webhooks that get lost on their way.

use fastrand::Rng;
use serde::Deserialize;

/// Which webhooks are to be lost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Loss {
    /// Those about people whose address begins like this, as in `whatsapp:+1999`.
    to_prefix: String,
    /// How many of them: 0 ends it, 1 is all.
    fraction: Fraction,
    #[serde(default)]
    seed: u64,
}

/// From 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
struct Fraction(f64);

impl TryFrom<f64> for Fraction {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err("expected 0 to 1, as in 0.2".to_owned()) }
    }
}

/// The losses that go on, each with a generator of its own, so that the same webhooks in the same order lose the same.
#[derive(Debug, Default)]
pub(crate) struct Drops(Vec<(Loss, Rng)>);

impl Drops {
    /// Begins a loss anew, in the place of the one with the same prefix.
    pub(crate) fn set(&mut self, loss: Loss) {
        self.0.retain(|(other, _)| other.to_prefix != loss.to_prefix);
        if loss.fraction.0 > 0.0 {
            let generator = Rng::with_seed(loss.seed);
            self.0.push((loss, generator));
        }
    }

    /// Whether the next webhook about this person is lost.
    pub(crate) fn next_is_lost(&mut self, person: &str) -> bool {
        let found = self.0.iter_mut().find(|(loss, _)| person.starts_with(&loss.to_prefix));
        found.is_some_and(|(loss, generator)| generator.f64() < loss.fraction.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops(loss: &str) -> Drops {
        let mut drops = Drops::default();
        drops.set(serde_json::from_str(loss).unwrap());
        drops
    }

    fn lost(drops: &mut Drops, person: &str) -> Vec<bool> {
        (0..1_000).map(|_| drops.next_is_lost(person)).collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_webhooks() {
        let loss = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 42}"#;
        let first = lost(&mut drops(loss), "whatsapp:+19995550123");
        assert_eq!(first, lost(&mut drops(loss), "whatsapp:+19995550123"));
        let other = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 43}"#;
        assert_ne!(first, lost(&mut drops(other), "whatsapp:+19995550123"));
        let count = first.iter().filter(|lost| **lost).count();
        assert!((150..250).contains(&count), "{count} of 1,000");
    }

    #[test]
    fn a_loss_is_of_its_prefix_and_ends_with_zero() {
        let mut drops = drops(r#"{"to_prefix": "whatsapp:+1999", "fraction": 1}"#);
        assert!(lost(&mut drops, "whatsapp:+19995550123").iter().all(|lost| *lost));
        assert!(!drops.next_is_lost("whatsapp:+14155550123"));
        drops.set(serde_json::from_str(r#"{"to_prefix": "whatsapp:+1999", "fraction": 0}"#).unwrap());
        assert!(!drops.next_is_lost("whatsapp:+19995550123"));
    }

    #[test]
    fn a_fraction_is_from_zero_to_one() {
        for fraction in ["-0.1", "1.5", "\"half\""] {
            let loss = format!(r#"{{"to_prefix": "", "fraction": {fraction}}}"#);
            assert!(serde_json::from_str::<Loss>(&loss).is_err(), "{fraction}");
        }
    }
}
