//! The Notifications table: the claim on a notification, its attempts and its outcome.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use jiff::Timestamp;

use crate::{
    dynamodb::{Item, StoreError, Transacted, past_conflicts, transact},
    limits::{CLAIM_LEASE, NOTIFICATION_RETENTION, expiry},
    notification::NotificationId,
    report::Chain,
    sid::{AccountSid, MessageSid},
};

mod lookup;
mod record;

pub use record::{Attempt, Lease, Outcome, State, StoredNotification, Subject};

/// The Notifications table.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
    table: String,
}

/// What became of a try to claim a notification.
#[derive(Debug)]
pub enum Claim {
    /// It is ours until the lease ends.
    Won,
    /// It came to its end before.
    Finished(State),
    /// Somebody is at work on it, at most until then.
    HeldUntil(Timestamp),
    /// Somebody claimed it under this lease and never said what became of it. Where a status callback has named the
    /// message, it was sent.
    Abandoned(Lease, Option<MessageSid>),
    /// The id belongs to a notification with other content.
    OtherContent,
    /// The other condition of the claim, on the recipient's suppression, refused it.
    Suppressed,
}

/// What became of writing an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It stands, after so many attempts.
    Written(usize),
    /// Something else stands already.
    Overtaken,
}

/// Nobody has it: it is new, or its time ran out though DynamoDB has not deleted it yet, or an attempt at the same content
/// ended in the certainty that nothing was sent.
const IS_FREE: &str =
    "attribute_not_exists(notification) OR expires_at < :now OR (#state = :waiting AND digest = :digest)";

const SET_SUBJECT: &str = "account_sid = :account_sid, id = :id, recipient = :recipient, category = :category, \
     metadata = :metadata, digest = :digest, expires_at = :expires_at, updated_at = :updated_at, #state = :state";

impl Notifications {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection, so that the first notification does not wait for its handshake. A failure is left to the
    /// first real call, which has its retries and says what is wrong.
    pub async fn warm(&self) {
        let key = Item::from([("notification".to_owned(), AttributeValue::S("warm".to_owned()))]);
        if let Err(error) = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await {
            tracing::warn!(error = %Chain(&error), "warming the connection to DynamoDB");
        }
    }

    /// Claims a notification, in one transaction with the conditions that its recipient is not suppressed.
    pub async fn claim(
        &self,
        subject: &Subject,
        lease: &Lease,
        not_suppressed: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let operation = "claiming in the Notifications table";
        let lease_until = now.saturating_add(CLAIM_LEASE).map_err(|error| StoreError::new(operation, error))?;
        let mut values = subject_values(subject, State::Claimed, now);
        values.insert(":lease".to_owned(), AttributeValue::S(lease.to_string()));
        values.insert(":lease_until".to_owned(), AttributeValue::S(lease_until.to_string()));
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&subject.account_sid, &subject.id)))
            .update_expression(format!(
                "SET {SET_SUBJECT}, lease = :lease, lease_until = :lease_until REMOVE message_sid, code, reason"
            ))
            .condition_expression(IS_FREE)
            .expression_attribute_names("#state", "state")
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        let claim = TransactWriteItem::builder().update(update).build();
        match transact(&self.client, operation, [vec![claim], not_suppressed].concat()).await? {
            Transacted::Written => Ok(Claim::Won),
            Transacted::Refused(refusals) => match refusals.into_iter().next().flatten() {
                Some(refusal) => Ok(judge(StoredNotification::read(refusal.found)?, subject, lease, now)),
                None => Ok(Claim::Suppressed),
            },
        }
    }

    /// Writes the outcome of a claim that is ours.
    pub async fn settle(
        &self,
        subject: &Subject,
        lease: &Lease,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let values = Item::from([(":lease".to_owned(), AttributeValue::S(lease.to_string()))]);
        self.write(subject, outcome, now, "lease = :lease", values).await
    }

    /// Writes the outcome of a notification that was never claimed: refused before anything was tried.
    pub async fn settle_unclaimed(
        &self,
        subject: &Subject,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let values = Item::from([
            (":now".to_owned(), AttributeValue::N(now.as_second().to_string())),
            (":waiting".to_owned(), AttributeValue::S(State::Waiting.as_str().to_owned())),
        ]);
        self.write(subject, outcome, now, IS_FREE, values).await
    }

    async fn write(
        &self,
        subject: &Subject,
        outcome: &Outcome,
        now: Timestamp,
        condition: &str,
        extra: Item,
    ) -> Result<Settled, StoreError> {
        let operation = "settling in the Notifications table";
        let (update, outcome_values) = outcome.update(now);
        let mut values = subject_values(subject, outcome.state(), now);
        values.extend(outcome_values);
        values.extend(extra);
        let result = past_conflicts(|| async {
            self.client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key(&subject.account_sid, &subject.id)))
                .update_expression(format!("SET {SET_SUBJECT}, {update} REMOVE lease, lease_until"))
                .condition_expression(condition)
                .expression_attribute_names("#state", "state")
                .set_expression_attribute_values(Some(used(&values, condition)))
                .return_values(ReturnValue::UpdatedNew)
                .send()
                .await
                .map(Some)
                .or_else(|error| match error.as_service_error() {
                    Some(e) if e.is_conditional_check_failed_exception() => Ok(None),
                    _ => Err(StoreError::of_sdk(operation, error)),
                })
        });
        let Some(written) = result.await? else { return Ok(Settled::Overtaken) };
        let attempts = written.attributes().and_then(|item| item.get("attempts")?.as_l().ok()).map_or(0, Vec::len);
        Ok(Settled::Written(attempts))
    }

    /// An action that notes which message a notification became, where that is not known yet: from a status callback,
    /// which may come before the answer to the call that created the message, or instead of it.
    pub fn binding(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        message_sid: &MessageSid,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression("SET message_sid = if_not_exists(message_sid, :message_sid)")
            .condition_expression("attribute_exists(notification)")
            .expression_attribute_values(":message_sid", AttributeValue::S(message_sid.to_string()))
            .build()
            .map_err(|error| StoreError::new("binding a message in the Notifications table", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// A notification as it stands, if it is there.
    pub async fn get(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("reading from the Notifications table", error))?;
        answer.item.map(StoredNotification::read).transpose()
    }
}

/// What a claim means that was refused by what stands in the table.
fn judge(found: StoredNotification, subject: &Subject, lease: &Lease, now: Timestamp) -> Claim {
    if found.digest != subject.digest {
        return Claim::OtherContent;
    }
    match (found.state, found.lease, found.lease_until) {
        (State::Claimed, Some(theirs), _) if theirs == *lease => Claim::Won,
        (State::Claimed, Some(_), Some(until)) if until > now => Claim::HeldUntil(until),
        (State::Claimed, Some(theirs), _) => Claim::Abandoned(theirs, found.message_sid),
        (state, _, _) => Claim::Finished(state),
    }
}

fn key(account_sid: &AccountSid, id: &NotificationId) -> Item {
    Item::from([("notification".to_owned(), AttributeValue::S(format!("{account_sid}#{id}")))])
}

fn subject_values(subject: &Subject, state: State, now: Timestamp) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let metadata = subject.metadata.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    [
        (":account_sid", text(subject.account_sid.as_str())),
        (":id", text(subject.id.as_str())),
        (":recipient", subject.recipient.as_ref().map_or(AttributeValue::Null(true), |to| text(to.as_str()))),
        (":category", subject.category.map_or(AttributeValue::Null(true), |category| text(category.as_str()))),
        (":metadata", AttributeValue::M(metadata)),
        (":digest", text(&subject.digest)),
        (":expires_at", AttributeValue::N(expiry(now, NOTIFICATION_RETENTION).to_string())),
        (":updated_at", text(&now.to_string())),
        (":state", text(state.as_str())),
        (":now", AttributeValue::N(now.as_second().to_string())),
        (":waiting", text(State::Waiting.as_str())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// `DynamoDB` refuses a value that no expression uses.
fn used(values: &Item, condition: &str) -> Item {
    let only_in_condition = |name: &str| matches!(name, ":now" | ":waiting");
    values
        .iter()
        .filter(|(name, _)| !only_in_condition(name) || condition.contains(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
