//! ReadOperation that fails, for a while.

use std::collections::HashMap;

use serde::Deserialize;

use crate::api_error::ApiError;

/// What fails.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outage {
    /// Of messages to this recipient only; none for all.
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    list: bool,
    #[serde(default)]
    fetch: bool,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOperation {
    List,
    Fetch,
}

/// The outages that go on, one of each recipient and one of all.
#[derive(Debug, Default)]
pub(crate) struct Outages(HashMap<Option<String>, Outage>);

impl Outages {
    /// Begins an outage, in the place of the one of the same recipient; nothing that fails ends it.
    pub(crate) fn set(&mut self, outage: Outage) {
        if outage.list || outage.fetch {
            self.0.insert(outage.to.clone(), outage);
        } else {
            self.0.remove(&outage.to);
        }
    }

    /// Refuses to read what is out of order.
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
    fn an_outage_is_of_what_it_names_until_it_ends() {
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
