//! The capacity units that requests to `DynamoDB` consumed, as the emulator counts them (`tools/stack/strict/capacity.py`).

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use stack::Stack;

use super::emulator::act;

/// The emulator's action that returns its counters. AWS has no such action: there a request asks for its own units.
const ACTION: &str = "LocalConsumedCapacity";

/// The units of one caller, operation, and table or index, since the emulator was started.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Consumed {
    /// The name of the function or of the user.
    pub caller: String,
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// The table's name.
    pub table: String,
    /// The index's name. None for the table itself.
    pub index: Option<String>,
    /// The number of requests.
    pub requests: u64,
    /// The read units.
    pub read: f64,
    /// The write units.
    pub write: f64,
}

impl Consumed {
    /// The logical id of the function that called, or None for a user.
    pub fn function(&self) -> Option<&str> {
        self.caller.split('-').find(|part| part.ends_with("Function"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    consumed: Vec<Consumed>,
}

/// Reads all counters. They only grow: what a test consumes is the difference of two readings.
pub async fn consumed(stack: &Stack) -> Result<Vec<Consumed>> {
    let report: Report = serde_json::from_value(act(stack, ACTION, &json!({})).await?)
        .context("the emulator's counters have another form than expected")?;
    Ok(report.consumed)
}

/// The difference of two readings, without what did not change.
pub fn difference(before: &[Consumed], after: &[Consumed]) -> Vec<Consumed> {
    let key = |counter: &Consumed| {
        (counter.caller.clone(), counter.operation.clone(), counter.table.clone(), counter.index.clone())
    };
    let since = |counter: &Consumed| {
        let Some(earlier) = before.iter().find(|earlier| key(earlier) == key(counter)) else { return counter.clone() };
        Consumed {
            requests: counter.requests - earlier.requests,
            read: counter.read - earlier.read,
            write: counter.write - earlier.write,
            ..counter.clone()
        }
    };
    after.iter().map(since).filter(|counter| counter.requests > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &str, requests: u64) -> Consumed {
        Consumed {
            caller: "whatsapp-local-SendFunction-74E94104CB715".to_owned(),
            operation: "PutItem".to_owned(),
            table: table.to_owned(),
            index: None,
            requests,
            read: 0.0,
            write: 2.0 * f64::from(u32::try_from(requests).unwrap()),
        }
    }

    #[test]
    fn difference_has_only_what_changed() {
        let before = [put("Messages", 1), put("Contacts", 2)];
        let after = [put("Messages", 3), put("Contacts", 2), put("Notifications", 1)];
        assert_eq!(difference(&before, &after), [put("Messages", 2), put("Notifications", 1)]);
    }

    #[test]
    fn function_of_a_caller_is_its_logical_id() {
        assert_eq!(put("Messages", 1).function(), Some("SendFunction"));
        assert_eq!(Consumed { caller: "administrator".to_owned(), ..put("Messages", 1) }.function(), None);
    }
}
