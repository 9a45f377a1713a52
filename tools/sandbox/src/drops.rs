//! Losing webhooks by chance, for the people whose address has a prefix.

use serde::Deserialize;

use crate::chance::Probability;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookLoss {
    /// The prefix of people's addresses, as in `whatsapp:+1999`.
    to_prefix: String,
    /// The share of webhooks that are lost: 0 for none, 1 for all.
    fraction: Probability,
    #[serde(default)]
    seed: u64,
}

impl WebhookLoss {
    pub(crate) fn prefix(&self) -> &str {
        &self.to_prefix
    }
}

/// The losses that are in effect, one per prefix.
#[derive(Debug, Default)]
pub(crate) struct WebhookLosses(Vec<WebhookLoss>);

impl WebhookLosses {
    /// Sets the loss of a prefix; a share of 0 ends it.
    pub(crate) fn set(&mut self, loss: WebhookLoss) {
        self.0.retain(|other| other.to_prefix != loss.to_prefix);
        if !loss.fraction.is_zero() {
            self.0.push(loss);
        }
    }

    /// Ends the loss of a prefix.
    pub(crate) fn end(&mut self, prefix: &str) {
        self.0.retain(|loss| loss.to_prefix != prefix);
    }

    /// Whether a webhook about this person is lost. The texts identify the webhook.
    pub(crate) fn drops(&self, person: &str, about: &[&str]) -> bool {
        let found = self.0.iter().find(|loss| person.starts_with(&loss.to_prefix));
        found.is_some_and(|loss| loss.fraction.draw(loss.seed, about))
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
        (0..1_000).map(|number| drops.drops(person, &[&number.to_string(), "sent"])).collect()
    }

    #[test]
    fn same_seed_loses_the_same_webhooks() {
        let loss = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 42}"#;
        let first = lost(&drops(loss), "whatsapp:+19995550123");
        assert_eq!(first, lost(&drops(loss), "whatsapp:+19995550123"));
        let other = r#"{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 43}"#;
        assert_ne!(first, lost(&drops(other), "whatsapp:+19995550123"));
    }

    #[test]
    fn loss_is_limited_to_its_prefix_until_set_to_zero() {
        let mut drops = drops(r#"{"to_prefix": "whatsapp:+1999", "fraction": 1}"#);
        assert!(lost(&drops, "whatsapp:+19995550123").iter().all(|lost| *lost));
        assert!(!drops.drops("whatsapp:+14155550123", &["1"]));
        drops.set(serde_json::from_str(r#"{"to_prefix": "whatsapp:+1999", "fraction": 0}"#).unwrap());
        assert!(!drops.drops("whatsapp:+19995550123", &["1"]));
    }
}
