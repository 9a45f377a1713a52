//! How far `reconcile` has read through each account's messages: items `reconcile#AC...` of the `RateLimits` table.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

/// The marks, in their table.
#[derive(Debug, Clone)]
pub struct Sweeps {
    client: Client,
    table: String,
}

/// How far an account has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepMark {
    /// Everything that was there at this time has been looked at.
    pub since: Timestamp,
    /// A sweep that did not come to its end.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedSweep>,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedSweep {
    /// When the sweep began: what the mark becomes at its end.
    pub sweep_started_at: Timestamp,
    /// The path of the page that comes next.
    pub resume: String,
}

/// The right to sweep an account.
#[derive(Debug)]
pub struct SweepLease(String);

/// What became of a try to begin.
#[derive(Debug)]
pub enum SweepStart {
    /// It is our turn, from this mark; none where the account was never swept.
    Leased(SweepLease, Option<SweepMark>),
    /// Another invocation is at it.
    Busy,
}

/// A turn outlives the function's 300 s: one that ran out has nobody at work any more.
///
/// The function has no reserved concurrency for this: an account of AWS's that is new has ten executions in all, of which
/// none can be reserved.
const TURN: SignedDuration = SignedDuration::from_secs(310);

impl Sweeps {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes the turn at an account.
    pub async fn begin(&self, account_sid: &AccountSid, now: Timestamp) -> Result<SweepStart, StoreError> {
        let operation = "beginning a sweep in the RateLimits table";
        let turn = SweepLease(uuid::Uuid::new_v4().to_string());
        let until = now.saturating_add(TURN).map_err(|error| StoreError::new(operation, error))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("SET turn = :turn, turn_until = :until")
            .condition_expression("attribute_not_exists(turn) OR turn_until < :now")
            .expression_attribute_values(":turn", text(&turn.0))
            .expression_attribute_values(":until", seconds(until))
            .expression_attribute_values(":now", seconds(now))
            .return_values(ReturnValue::AllNew);
        match conditional(operation, update).await? {
            ConditionalWrite::Written(item) => {
                let mark = item.contains_key("since").then(|| serde_dynamo::from_item(item)).transpose();
                Ok(SweepStart::Leased(turn, mark.map_err(|error| StoreError::new(operation, error))?))
            }
            ConditionalWrite::Refused(_) => Ok(SweepStart::Busy),
        }
    }

    /// Gives the turn back and leaves the mark. Who lost the turn meanwhile leaves none.
    pub async fn end(&self, account_sid: &AccountSid, turn: SweepLease, mark: &SweepMark) -> Result<(), StoreError> {
        let operation = "ending a sweep in the RateLimits table";
        let item: Item = serde_dynamo::to_item(mark).map_err(|error| StoreError::new(operation, error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(account_sid).into_iter().chain(item).collect()))
            .condition_expression("turn = :turn")
            .expression_attribute_values(":turn", text(turn.0));
        conditional(operation, put).await.map(drop)
    }
}

fn key(account_sid: &AccountSid) -> Item {
    Item::from([("sender".to_owned(), text(format_args!("reconcile#{account_sid}")))])
}

fn seconds(at: Timestamp) -> AttributeValue {
    number(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_an_item_and_back() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let unfinished = UnfinishedSweep { sweep_started_at: at(1_790_000_300), resume: "/page".to_owned() };
        for unfinished in [None, Some(unfinished)] {
            let mark = SweepMark { since: at(1_790_000_000), unfinished };
            let item: Item = serde_dynamo::to_item(&mark).unwrap();
            assert_eq!(item.contains_key("resume"), mark.unfinished.is_some());
            assert_eq!(serde_dynamo::from_item::<_, SweepMark>(item).unwrap(), mark);
        }
    }
}
