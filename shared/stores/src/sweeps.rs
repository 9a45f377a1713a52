//! How far `reconcile` has read the list of messages of each sender: the items `reconcile#AC` of the `RateLimits` table, whose
//! key attribute is `sender`. Only `reconcile` writes them, and they never expire.
//!
//! An item also holds a lease (`turn`, `turn_until`), so that two invocations do not sweep the same account at once.
//! The function has no reserved concurrency for this: a new AWS account has ten concurrent executions in all, of which
//! none can be reserved.

use std::{collections::BTreeMap, fmt};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

pub(crate) const KEY_PREFIX: &str = "reconcile#";

#[derive(Debug, Clone)]
pub struct Sweeps {
    client: Client,
    table: String,
}

/// How far an account's lists were read.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountMarks {
    /// By the address of the sender.
    pub senders: BTreeMap<String, SenderMark>,
    /// Inbound messages that could not be recorded, and are fetched again later.
    pub postponed: BTreeMap<MessageSid, PostponedMessage>,
    /// How far the account's list was read for bodies to redact; none before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redaction: Option<RedactionMark>,
}

impl fmt::Debug for AccountMarks {
    /// The keys of the senders are phone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let senders: Vec<_> = self.senders.values().collect();
        f.debug_struct("AccountMarks")
            .field("senders", &senders)
            .field("postponed", &self.postponed)
            .field("redaction", &self.redaction)
            .finish()
    }
}

/// How far the list of messages to a sender was read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderMark {
    /// Every message that was sent before this time was checked, except for those in the gap.
    pub since: Timestamp,
    /// What a run left unread when its budget ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// A part of the list that was not read. It begins at a page and ends at a time before it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Every message that was sent before this time was checked.
    pub since: Timestamp,
    /// The path of the next page.
    pub resume: String,
}

impl SenderMark {
    /// The time up to which nothing was left out.
    pub fn checked_until(&self) -> Timestamp {
        self.gap.as_ref().map_or(self.since, |gap| gap.since)
    }
}

impl fmt::Debug for SenderMark {
    /// The path of a page has the address of the sender.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = self.gap.as_ref().map(|gap| gap.since);
        f.debug_struct("SenderMark").field("since", &self.since).field("gap_since", &gap).finish()
    }
}

impl fmt::Debug for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gap").field("since", &self.since).finish_non_exhaustive()
    }
}

/// An inbound message that could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostponedMessage {
    /// When it was found in the list.
    pub found_at: Timestamp,
    pub failures: u32,
    pub retry_at: Timestamp,
}

/// A pass over an account's list, whose messages of these days are redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactionMark {
    /// The last day of the pass, with which it begins.
    pub until: Date,
    /// The path of the page that comes next; none once the pass has come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// While a pass is under way, the last day of the pass before it. An item of an earlier release has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_until: Option<Date>,
    /// How many runs in a row could delete nothing on the page that comes next, though they tried.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fruitless_runs: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Debug for RedactionMark {
    /// The path of a page is Twilio's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactionMark")
            .field("until", &self.until)
            .field("read_until", &self.read_until)
            .field("fruitless_runs", &self.fruitless_runs)
            .finish_non_exhaustive()
    }
}

/// The right of one invocation to sweep an account.
#[derive(Debug)]
pub struct SweepLease(String);

/// What became of an attempt to start a sweep, with the marks as they are stored.
#[derive(Debug)]
pub enum SweepStart {
    Leased(SweepLease, AccountMarks),
    /// Another invocation sweeps the account.
    Busy(AccountMarks),
}

/// Longer than the function's timeout of 300 s, so that after the lease no invocation works on the account.
const SWEEP_LEASE: SignedDuration = SignedDuration::from_secs(310);

impl Sweeps {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Starts a sweep of an account, unless another invocation has the lease. The lease may be this one: the SDK repeats a request
    /// whose answer was lost.
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
            .condition_expression("attribute_not_exists(turn) OR turn = :turn OR turn_until < :now")
            .expression_attribute_values(":turn", text(&lease.0))
            .expression_attribute_values(":until", seconds(until))
            .expression_attribute_values(":now", seconds(now))
            .return_values(ReturnValue::AllNew);
        let marks = |item: Item| serde_dynamo::from_item(item).map_err(|error| StoreError::new(operation, error));
        match conditional(operation, update).await? {
            ConditionalWrite::Written(item) => Ok(SweepStart::Leased(lease, marks(item)?)),
            ConditionalWrite::Refused(item) => Ok(SweepStart::Busy(marks(item)?)),
        }
    }

    /// Ends a sweep: writes the marks and gives the lease back. If another invocation has taken the lease over, nothing
    /// is written.
    pub async fn end(
        &self,
        account_sid: &AccountSid,
        lease: SweepLease,
        marks: &AccountMarks,
    ) -> Result<(), StoreError> {
        let operation = "ending a sweep in the RateLimits table";
        let item: Item = serde_dynamo::to_item(marks).map_err(|error| StoreError::new(operation, error))?;
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
    Item::from([("sender".to_owned(), text(format_args!("{KEY_PREFIX}{account_sid}")))])
}

fn seconds(at: Timestamp) -> AttributeValue {
    number(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "whatsapp:+14155238886";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn marks(gap: Option<Gap>) -> AccountMarks {
        let postponed = PostponedMessage { found_at: at(1_790_000_000), failures: 2, retry_at: at(1_790_000_900) };
        AccountMarks {
            senders: [(SENDER.to_owned(), SenderMark { since: at(1_790_000_300), gap })].into(),
            postponed: [("SM00000000000000000000000000000001".parse().unwrap(), postponed)].into(),
            redaction: Some(redaction()),
        }
    }

    fn redaction() -> RedactionMark {
        RedactionMark {
            until: "2026-11-20".parse().unwrap(),
            resume: Some(format!("/{SENDER}")),
            read_until: Some("2026-11-13".parse().unwrap()),
            fruitless_runs: 2,
        }
    }

    fn gap() -> Gap {
        Gap { since: at(1_790_000_000), resume: format!("/Messages.json?To={SENDER}") }
    }

    #[test]
    fn marks_are_read_back_from_their_item() {
        for marks in [AccountMarks::default(), marks(None), marks(Some(gap()))] {
            let item: Item = serde_dynamo::to_item(&marks).unwrap();
            assert_eq!(serde_dynamo::from_item::<_, AccountMarks>(item).unwrap(), marks);
        }
    }

    #[test]
    fn redaction_of_the_release_before_is_read() {
        let under_way = r#"{"until": "2026-11-20", "resume": "/2"}"#;
        let mark: RedactionMark = serde_json::from_str(under_way).unwrap();
        assert_eq!((mark.resume.as_deref(), mark.read_until, mark.fruitless_runs), (Some("/2"), None, 0));
        let ended: RedactionMark = serde_json::from_str(r#"{"until": "2026-11-20"}"#).unwrap();
        assert_eq!(serde_json::to_string(&ended).unwrap(), r#"{"until":"2026-11-20"}"#);
    }

    #[test]
    fn account_that_was_never_swept_has_no_marks() {
        let item = key(&"AC00000000000000000000000000000001".parse().unwrap());
        assert_eq!(serde_dynamo::from_item::<_, AccountMarks>(item).unwrap(), AccountMarks::default());
    }

    #[test]
    fn gap_is_what_was_not_checked() {
        let mark = SenderMark { since: at(1_790_000_300), gap: None };
        assert_eq!(mark.checked_until(), at(1_790_000_300));
        assert_eq!(SenderMark { gap: Some(gap()), ..mark }.checked_until(), at(1_790_000_000));
    }

    #[test]
    fn debug_shows_no_address() {
        let shown = format!("{:?} {:?}", marks(Some(gap())), gap());
        assert!(!shown.contains("1415"), "{shown}");
    }
}
