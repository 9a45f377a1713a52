//! What the function is invoked for.

use aws_lambda_events::dynamodb;
use domain::json::{self, InvalidJson};
use serde::Deserialize;

/// The two event sources.
pub enum Trigger {
    /// The schedule, or a person.
    Sweep(SweepRequest),
    /// The stream of the Messages table.
    Changes(Box<dynamodb::Event>),
}

/// How to sweep. All of it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SweepRequest {
    /// What is younger than this many seconds is left alone: its webhook may still be on its way.
    pub minimum_age_seconds: u32,
}

/// Twilio waits 15 s for a webhook's answer, and its retries and the fallback URL take no longer than that once more.
///
/// Source: Twilio, "Webhooks (HTTP callbacks): Connection Overrides".
const MINIMUM_AGE_SECONDS: u32 = 60;

impl Default for SweepRequest {
    fn default() -> Self {
        Self { minimum_age_seconds: MINIMUM_AGE_SECONDS }
    }
}

/// Neither of the two. It shows nothing of the event: a batch has messages of people.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTrigger {
    #[error("expected a batch of a DynamoDB stream where the event has Records")]
    Batch,
    #[error("expected a batch of a DynamoDB stream, or a JSON object with nothing but minimum_age_seconds: {0}")]
    Sweep(InvalidJson),
}

impl Trigger {
    /// Tells the sources apart: only the stream's events have records.
    pub fn parse(event: serde_json::Value) -> Result<Self, InvalidTrigger> {
        if event.get("Records").is_some() {
            return serde_json::from_value(event).map(Self::Changes).map_err(|_| InvalidTrigger::Batch);
        }
        json::read_value(event).map(Self::Sweep).map_err(InvalidTrigger::Sweep)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sources_are_told_apart() {
        let age = |event| match Trigger::parse(event) {
            Ok(Trigger::Sweep(request)) => Some(request.minimum_age_seconds),
            _ => None,
        };
        assert_eq!(age(json!({})), Some(60));
        assert_eq!(age(json!({"minimum_age_seconds": 0})), Some(0));
        for wrong in [json!({"minimum_age": 0}), json!({"minimum_age_seconds": -1}), json!("sweep"), json!(null)] {
            assert!(Trigger::parse(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(matches!(Trigger::parse(json!({"Records": []})), Ok(Trigger::Changes(_))));
        for wrong in [json!({"minimum_age_seconds": "my-secret-value"}), json!({"Records": "my-secret-value"})] {
            let error = Trigger::parse(wrong).err().map(|error| format!("{error} {error:?}")).unwrap();
            assert!(error.contains("expected") && !error.contains("my-secret-value"), "{error}");
        }
    }
}
