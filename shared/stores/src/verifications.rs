//! The Verifications table: one item for each one-time password that was asked for, with the key `verification`, which is
//! `AC#<id>`. It has neither the code nor the number: the number is part of a digest that tells two requests apart. Written by
//! `verify`. An item expires after a day ([`VERIFICATION_RETENTION`]).
//!
//! How a code is sent at most once for each id, although a client repeats its request and a function may stop at any moment:
//!
//! 1. `verify` reads the item and derives the [`VerificationState`]. If the code was sent, the stored answer is given.
//! 2. It claims the item with [`Verifications::claim`]: one transaction writes the item with a lease, on the condition that it
//!    is as it was read, and that the person has not changed since it was seen that they have not opted out.
//! 3. It calls Verify, and writes the answer ([`Verifications::settle`]). After a refusal nothing was sent, and the claim is
//!    given back ([`Verifications::release`]), so that the same id can be tried again.
//! 4. If the function stops before that, or the answer is lost, the item stays [`VerificationState::Unsettled`]. The next request
//!    with the id asks Verify which codes it has sent to the number since the claim. Only if there is none, and the lease is over,
//!    the code is sent again.

use aws_sdk_dynamodb::{
    Client,
    types::{Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use domain::{
    limits::expiry,
    verification::{SentVerification, VERIFICATION_RETENTION, VerificationId},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    contacts::{Contacts, StoredPerson},
    dynamodb::{ConditionalWrite, Item, StoreError, TransactionOutcome, conditional, transact},
    format,
    notifications::LeaseId,
};

#[derive(Debug, Clone)]
pub struct Verifications {
    client: Client,
    table: String,
}

/// A verification as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVerification {
    /// See [`domain::verification::VerificationRequest::digest`].
    pub digest: String,
    /// The claim of the function that sends the code, or that sent it.
    pub lease_id: LeaseId,
    pub lease_until: Timestamp,
    /// When the last attempt to send the code began.
    pub began_at: Timestamp,
    /// None as long as it is not known whether the code was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentVerification>,
    /// In seconds since 1970.
    pub expires_at: i64,
}

impl StoredVerification {
    /// A claim from now on. The lease is longer than its holder may run.
    pub fn claimed(digest: String, lease: SignedDuration, now: Timestamp) -> Self {
        Self {
            digest,
            lease_id: LeaseId::random(),
            lease_until: now.saturating_add(lease).unwrap_or(Timestamp::MAX),
            began_at: now,
            sent: None,
            expires_at: expiry(now, VERIFICATION_RETENTION),
        }
    }
}

/// What may be done with a verification, by its stored item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerificationState {
    /// Nothing is stored.
    New,
    /// The code was sent.
    Sent(SentVerification),
    /// A function sends the code, or stopped without a result.
    Unsettled(StoredVerification),
    /// The id belongs to a request with other content.
    IdReused,
}

impl VerificationState {
    /// Derives the state from the stored item. `digest` is that of the request at hand.
    pub fn of(found: Option<StoredVerification>, digest: &str, now: Timestamp) -> Self {
        // DynamoDB deletes late, so an expired item may still be stored.
        let Some(found) = found.filter(|found| found.expires_at >= now.as_second()) else { return Self::New };
        if found.digest != digest {
            return Self::IdReused;
        }
        match found.sent {
            Some(sent) => Self::Sent(sent),
            None => Self::Unsettled(found),
        }
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationClaim {
    /// It is ours until the lease ends.
    Claimed,
    /// The verification or the person has changed, and has to be read again.
    Changed,
}

const READING: &str = "reading the Verifications table";
const CLAIMING: &str = "claiming a verification in the Verifications table";
const WRITING: &str = "writing to the Verifications table";

impl Verifications {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection at the cold start. The error is only for the log.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = Item::from([("verification".to_owned(), text("warm"))]);
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }

    /// Reads a verification consistently.
    pub async fn get(
        &self,
        account_sid: &AccountSid,
        id: &VerificationId,
    ) -> Result<Option<StoredVerification>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account_sid, id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        answer.item.map(read).transpose()
    }

    /// Claims a verification, if it is as it was read, by the lease `seen` or not stored, and the person is as they were read.
    pub async fn claim(
        &self,
        (account_sid, id): (&AccountSid, &VerificationId),
        seen: Option<&LeaseId>,
        claim: &StoredVerification,
        (contacts, person): (&Contacts, &StoredPerson),
        now: Timestamp,
    ) -> Result<VerificationClaim, StoreError> {
        let mut item: Item = serde_dynamo::to_item(claim).map_err(|error| StoreError::new(CLAIMING, error))?;
        item.extend(key(account_sid, id));
        format::VERIFICATION.mark(&mut item);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(AllOld);
        let put = match seen {
            None => put
                .condition_expression("attribute_not_exists(verification) OR expires_at < :now")
                .expression_attribute_values(":now", number(now.as_second())),
            Some(lease) => put
                .condition_expression("lease_id = :seen AND attribute_not_exists(sent)")
                .expression_attribute_values(":seen", text(lease)),
        };
        let put = put.build().map_err(|error| StoreError::new(CLAIMING, error))?;
        let mut actions = vec![TransactWriteItem::builder().put(put).build()];
        actions.extend(contacts.unchanged_actions(person)?);
        Ok(match transact(&self.client, CLAIMING, actions).await? {
            TransactionOutcome::Written => VerificationClaim::Claimed,
            TransactionOutcome::Refused(_) => VerificationClaim::Changed,
        })
    }

    /// Records that the code was sent, as the holder of a claim or as who found it at Verify. If another one was faster, the
    /// stored answer is given.
    pub async fn settle(
        &self,
        (account_sid, id): (&AccountSid, &VerificationId),
        lease_id: &LeaseId,
        sent: SentVerification,
    ) -> Result<SentVerification, StoreError> {
        let value = serde_dynamo::to_attribute_value(&sent).map_err(|error| StoreError::new(WRITING, error))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression("SET sent = :sent")
            .condition_expression("lease_id = :lease AND attribute_not_exists(sent)")
            .expression_attribute_values(":sent", value)
            .expression_attribute_values(":lease", text(lease_id));
        match conditional(WRITING, update).await? {
            ConditionalWrite::Written(_) => Ok(sent),
            ConditionalWrite::Refused(item) if item.is_empty() => Ok(sent),
            ConditionalWrite::Refused(item) => Ok(read(item)?.sent.unwrap_or(sent)),
        }
    }

    /// Gives a claim back after a refusal: nothing was sent, and the id can be tried again at once.
    pub async fn release(
        &self,
        (account_sid, id): (&AccountSid, &VerificationId),
        lease_id: &LeaseId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression("SET expires_at = :past")
            .condition_expression("lease_id = :lease AND attribute_not_exists(sent)")
            .expression_attribute_values(":past", number(now.as_second() - 1))
            .expression_attribute_values(":lease", text(lease_id));
        conditional(WRITING, update).await.map(drop)
    }
}

pub(crate) fn read(item: Item) -> Result<StoredVerification, StoreError> {
    format::VERIFICATION.check(READING, &item)?;
    serde_dynamo::from_item(item).map_err(|error| StoreError::new(READING, error))
}

fn key(account_sid: &AccountSid, id: &VerificationId) -> Item {
    Item::from([("verification".to_owned(), text(format_args!("{account_sid}#{id}")))])
}

#[cfg(test)]
mod tests {
    use domain::verification::{ChannelAttempt, ChannelResult};
    use twilio_types::verification::VerificationChannel;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn claimed() -> StoredVerification {
        StoredVerification::claimed("digest".to_owned(), SignedDuration::from_secs(30), now())
    }

    fn sent() -> SentVerification {
        SentVerification {
            sid: "VE00000000000000000000000000000001".parse().unwrap(),
            status: "pending".to_owned(),
            channel: VerificationChannel::Sms,
            attempts: vec![ChannelAttempt {
                channel: VerificationChannel::Sms,
                result: ChannelResult::Sent,
                twilio_code: None,
            }],
            sent_at: now(),
            valid_until: now(),
        }
    }

    #[test]
    fn state_is_that_of_the_stored_item() {
        let state = |found, digest| VerificationState::of(found, digest, now());
        assert_eq!(state(None, "digest"), VerificationState::New);
        let unsettled = claimed();
        assert_eq!(state(Some(unsettled.clone()), "digest"), VerificationState::Unsettled(unsettled));
        let stored = StoredVerification { sent: Some(sent()), ..claimed() };
        assert_eq!(state(Some(stored.clone()), "digest"), VerificationState::Sent(sent()));
        assert_eq!(state(Some(stored.clone()), "other"), VerificationState::IdReused);
        let expired = StoredVerification { expires_at: now().as_second() - 1, ..stored };
        assert_eq!(state(Some(expired), "digest"), VerificationState::New);
    }

    #[test]
    fn item_is_read_as_it_was_written() {
        let stored = StoredVerification { sent: Some(sent()), ..claimed() };
        let item: Item = serde_dynamo::to_item(&stored).unwrap();
        assert_eq!(read(item).unwrap(), stored);
    }
}
