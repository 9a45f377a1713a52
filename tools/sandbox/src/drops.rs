//! Webhooks that get lost on their way.

use serde::Deserialize;

use crate::chance::Fraction;

/// Which webhooks are to be lost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookLoss {
    /// Those about people whose address begins like this, as in `whatsapp:+1999`.
    to_prefix: String,
    /// How many of them: 0 ends it, 1 is all.
    fraction: Fraction,
    #[serde(default)]
    seed: u64,
}

/// The losses that go on.
#[derive(Debug, Default)]
pub(crate) struct WebhookLosses(Vec<WebhookLoss>);

impl WebhookLosses {
    /// Begins a loss, in the place of the one with the same prefix.
    pub(crate) fn set(&mut self, loss: WebhookLoss) {
        self.0.retain(|other| other.to_prefix != loss.to_prefix);
        if !loss.fraction.is_none() {
            self.0.push(loss);
        }
    }

    /// Whether a webhook about this person is lost; what it is about tells it from the others.
    pub(crate) fn lose(&self, person: &str, about: &[&str]) -> bool {
        let found = self.0.iter().find(|loss| person.starts_with(&loss.to_prefix));
        found.is_some_and(|loss| loss.fraction.strikes(loss.seed, about))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops(loss: &str) -> WebhookLosses {
        let mut drops = WebhookLosses::default();
        drops.set(serde_json::from_str(loss).unwrap());
        drops
    }

    fn lost(drops: &WebhookLosses, person: &str) -> Vec<bool> {
        (0..1_000).map(|number| drops.lose(person, &[&number.to_string(), "sent"])).collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_webhooks() {
        let loss = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 42}"#;
        let first = lost(&drops(loss), "whatsapp:+19995550123");
        assert_eq!(first, lost(&drops(loss), "whatsapp:+19995550123"));
        let other = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 43}"#;
        assert_ne!(first, lost(&drops(other), "whatsapp:+19995550123"));
    }

    #[test]
    fn a_loss_is_of_its_prefix_and_ends_with_zero() {
        let mut drops = drops(r#"{"to_prefix": "whatsapp:+1999", "fraction": 1}"#);
        assert!(lost(&drops, "whatsapp:+19995550123").iter().all(|lost| *lost));
        assert!(!drops.lose("whatsapp:+14155550123", &["1"]));
        drops.set(serde_json::from_str(r#"{"to_prefix": "whatsapp:+1999", "fraction": 0}"#).unwrap());
        assert!(!drops.lose("whatsapp:+19995550123", &["1"]));
    }
}
