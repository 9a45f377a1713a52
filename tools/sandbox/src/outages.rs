//! Outages of the calls that fetch, list or update messages.

use std::collections::HashMap;

use serde::Deserialize;

use crate::api_error::ApiError;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outage {
    /// Only messages to this recipient; none for all messages.
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    list: bool,
    #[serde(default)]
    fetch: bool,
    #[serde(default)]
    update: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageOperation {
    List,
    Fetch,
    Update,
}

/// The outages in effect: one for each recipient, and one for all.
#[derive(Debug, Default)]
pub(crate) struct Outages(HashMap<Option<String>, Outage>);

impl Outages {
    /// Sets the outage of a recipient; one in which nothing fails ends it.
    pub(crate) fn set(&mut self, outage: Outage) {
        if outage.list || outage.fetch || outage.update {
            self.0.insert(outage.to.clone(), outage);
        } else {
            self.0.remove(&outage.to);
        }
    }

    /// Fails where an outage affects the operation.
    pub(crate) fn check(&self, operation: MessageOperation, to: Option<&str>) -> Result<(), ApiError> {
        let fails = |outage: &Outage| match operation {
            MessageOperation::List => outage.list,
            MessageOperation::Fetch => outage.fetch,
            MessageOperation::Update => outage.update,
        };
        let of_all = self.0.get(&None);
        let of_one = to.and_then(|to| self.0.get(&Some(to.to_owned())));
        if of_all.into_iter().chain(of_one).any(fails) { Err(ApiError::unavailable()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outage_affects_its_operations_and_recipient_only() {
        let mut outages = Outages::default();
        let mut set = |outage: &str| {
            outages.set(serde_json::from_str(outage).unwrap());
            [
                (MessageOperation::List, None),
                (MessageOperation::List, Some("a")),
                (MessageOperation::List, Some("b")),
                (MessageOperation::Fetch, Some("a")),
                (MessageOperation::Update, Some("a")),
            ]
            .map(|(operation, to)| outages.check(operation, to).is_err())
        };
        assert_eq!(set(r#"{"to": "a", "list": true}"#), [false, true, false, false, false]);
        assert_eq!(set(r#"{"fetch": true}"#), [false, true, false, true, false]);
        assert_eq!(set(r#"{"to": "a"}"#), [false, false, false, true, false]);
        assert_eq!(set(r#"{"list": true}"#), [true, true, true, false, false]);
        assert_eq!(set(r#"{"update": true}"#), [false, false, false, false, true]);
        assert_eq!(set("{}"), [false; 5]);
    }
}
