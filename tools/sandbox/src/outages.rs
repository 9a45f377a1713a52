//! Outages of the calls that fetch or list messages.

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOperation {
    List,
    Fetch,
}

/// The outages in effect: one for each recipient, and one for all.
#[derive(Debug, Default)]
pub(crate) struct Outages(HashMap<Option<String>, Outage>);

impl Outages {
    /// Sets the outage of a recipient; one in which nothing fails ends it.
    pub(crate) fn set(&mut self, outage: Outage) {
        if outage.list || outage.fetch {
            self.0.insert(outage.to.clone(), outage);
        } else {
            self.0.remove(&outage.to);
        }
    }

    /// Fails where an outage affects the operation.
    pub(crate) fn check(&self, reading: ReadOperation, to: Option<&str>) -> Result<(), ApiError> {
        let fails = |outage: &Outage| match reading {
            ReadOperation::List => outage.list,
            ReadOperation::Fetch => outage.fetch,
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
                (ReadOperation::List, None),
                (ReadOperation::List, Some("a")),
                (ReadOperation::List, Some("b")),
                (ReadOperation::Fetch, Some("a")),
            ]
            .map(|(reading, to)| outages.check(reading, to).is_err())
        };
        assert_eq!(set(r#"{"to": "a", "list": true}"#), [false, true, false, false]);
        assert_eq!(set(r#"{"fetch": true}"#), [false, true, false, true]);
        assert_eq!(set(r#"{"to": "a"}"#), [false, false, false, true]);
        assert_eq!(set(r#"{"list": true}"#), [true, true, true, false]);
        assert_eq!(set("{}"), [false; 4]);
    }
}
