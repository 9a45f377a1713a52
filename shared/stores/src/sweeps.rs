//! How far `reconcile` has read each account's list of messages: the items `reconcile#AC` of the `RateLimits` table,
//! whose key attribute is `sender`. Only `reconcile` writes them, and they never expire.
//!
//! An item also holds a lease (`turn`, `turn_until`), so that two invocations do not sweep the same account at once.
//! The function has no reserved concurrency for this: a new AWS account has ten concurrent executions in all, of which
//! none can be reserved.

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

#[derive(Debug, Clone)]
pub struct Sweeps {
    client: Client,
    table: String,
}

/// How far an account's list was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepMark {
    /// Every message up to this time was checked.
    pub since: Timestamp,
    /// The sweep that did not reach the end of the list, if there is one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedSweep>,
}

/// Where to continue a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedSweep {
    /// When the sweep began. It becomes the mark's `since` when the sweep ends.
    pub sweep_started_at: Timestamp,
    /// The path of the next page.
    pub resume: String,
}

/// The right of one invocation to sweep an account.
#[derive(Debug)]
pub struct SweepLease(String);

/// What became of an attempt to start a sweep.
#[derive(Debug)]
pub enum SweepStart {
    /// The lease, and the mark to continue from; none if the account was never swept.
    Leased(SweepLease, Option<SweepMark>),
    /// Another invocation sweeps the account.
    Busy,
}

/// Longer than the function's timeout of 300 s, so that after the lease no invocation works on the account.
const SWEEP_LEASE: SignedDuration = SignedDuration::from_secs(310);

impl Sweeps {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Starts a sweep of an account, unless another invocation has the lease.
    pub async fn begin(&self, account_sid: &AccountSid, now: Timestamp) -> Result<SweepStart, StoreError> {
        let operation = "starting a sweep in the RateLimits table";
        let lease = SweepLease(uuid::Uuid::new_v4().to_string());
        let until = now.saturating_add(SWEEP_LEASE).map_err(|error| StoreError::new(operation, error))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("SET turn = :turn, turn_until = :until")
            .condition_expression("attribute_not_exists(turn) OR turn_until < :now")
            .expression_attribute_values(":turn", text(&lease.0))
            .expression_attribute_values(":until", seconds(until))
            .expression_attribute_values(":now", seconds(now))
            .return_values(ReturnValue::AllNew);
        match conditional(operation, update).await? {
            ConditionalWrite::Written(item) => {
                let mark = item.contains_key("since").then(|| serde_dynamo::from_item(item)).transpose();
                Ok(SweepStart::Leased(lease, mark.map_err(|error| StoreError::new(operation, error))?))
            }
            ConditionalWrite::Refused(_) => Ok(SweepStart::Busy),
        }
    }

    /// Ends a sweep: writes the mark and gives the lease back. If another invocation has taken the lease over, nothing
    /// is written.
    pub async fn end(&self, account_sid: &AccountSid, lease: SweepLease, mark: &SweepMark) -> Result<(), StoreError> {
        let operation = "ending a sweep in the RateLimits table";
        let item: Item = serde_dynamo::to_item(mark).map_err(|error| StoreError::new(operation, error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(account_sid).into_iter().chain(item).collect()))
            .condition_expression("turn = :turn")
            .expression_attribute_values(":turn", text(lease.0));
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
    fn a_mark_is_read_back_from_its_item() {
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
