//! What Twilio still reports of the messages to an erased person: it has the number, and is not stored.

use std::collections::HashSet;

use domain::{
    callback_url::CallbackOrigin,
    progress::{Attempt, AttemptResult},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use stores::{erased_status::ErasedMessage, notifications::StoredNotification};
use twilio_types::sid::{AccountSid, MessageSid};

use super::at_twilio::TwilioMessages;
use crate::{error::CommandError, personal_data::PersonalData, session::Session};

/// How many messages are marked at the same time.
const CONCURRENCY: usize = 8;

/// Marks each message to the person that a status, a notification or Twilio names.
pub(super) async fn refuse(
    session: &Session,
    data: &PersonalData,
    at_twilio: &TwilioMessages,
) -> Result<(), CommandError> {
    let (messages, now) = (session.messages().await?, Timestamp::now());
    let retention = session.tenants().await?.of(data.identities.account_sid()).retention;
    stream::iter(messages_of(data, at_twilio))
        .map(async |message| messages.refuse_statuses(&message, now, retention).await)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    Ok(())
}

fn messages_of(data: &PersonalData, at_twilio: &TwilioMessages) -> HashSet<ErasedMessage> {
    let reported = data.messages.iter().filter_map(|(item, _)| ErasedMessage::of_status(item));
    let attempts: Vec<_> = data.notifications.iter().flat_map(|(_, stored)| attempts_of(stored)).collect();
    let named = named(data.identities.account_sid(), &attempts);
    let mut found: HashSet<_> = reported.chain(named).collect();
    let known: HashSet<_> = found.iter().map(|message| message.message_sid.clone()).collect();
    let others: Vec<_> = at_twilio.sent().filter(|sid| !known.contains(*sid)).collect();
    found.extend(unnamed(data.identities.account_sid(), &attempts, &others));
    found
}

fn attempts_of(stored: &StoredNotification) -> impl Iterator<Item = (CallbackOrigin, &Attempt)> {
    let origin = |attempt| CallbackOrigin { notification_id: stored.subject.id.clone(), attempt };
    (0_u32..).zip(&stored.progress.attempts).map(move |(number, attempt)| (origin(number), attempt))
}

/// The messages whose SID was stored.
fn named(account_sid: &AccountSid, attempts: &[(CallbackOrigin, &Attempt)]) -> impl Iterator<Item = ErasedMessage> {
    attempts.iter().filter_map(|(origin, attempt)| {
        let (account_sid, message_sid) = (account_sid.clone(), attempt.message_sid.clone()?);
        Some(ErasedMessage { account_sid, message_sid, origin: Some(origin.clone()) })
    })
}

/// The messages that Twilio alone names. Another system has sent one, and its callbacks name no notification; or it was sent for an
/// attempt whose answer was lost, and they name that.
fn unnamed(
    account_sid: &AccountSid,
    attempts: &[(CallbackOrigin, &Attempt)],
    message_sids: &[&MessageSid],
) -> Vec<ErasedMessage> {
    let is_lost = |attempt: &Attempt| {
        attempt.message_sid.is_none() && matches!(attempt.result, AttemptResult::Claimed | AttemptResult::Unknown)
    };
    let lost = attempts.iter().filter(|(_, attempt)| is_lost(attempt)).map(|(origin, _)| Some(origin));
    let origins: Vec<_> = lost.chain([None]).collect();
    let message = |message_sid: &MessageSid, origin: Option<&CallbackOrigin>| ErasedMessage {
        account_sid: account_sid.clone(),
        message_sid: message_sid.clone(),
        origin: origin.cloned(),
    };
    message_sids.iter().flat_map(|sid| origins.iter().map(|origin| message(sid, *origin))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn attempt(more: &Value) -> Attempt {
        let mut attempt = json!({
            "route": 0, "channel": "whatsapp", "claimed_at": "2026-11-20T09:00:00Z", "at": "2026-11-20T09:00:00Z",
        });
        attempt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(attempt).unwrap()
    }

    #[test]
    fn message_of_a_lost_answer_is_marked_at_its_attempt() {
        let sid = |number: u8| format!("SM{number:032}").parse::<MessageSid>().unwrap();
        let account: AccountSid = format!("AC{:032}", 1).parse().unwrap();
        let made = [
            attempt(&json!({"outcome": "rejected"})),
            attempt(&json!({"outcome": "accepted", "message_sid": sid(1)})),
            attempt(&json!({"outcome": "claimed"})),
        ];
        let origin = |attempt| CallbackOrigin { notification_id: "order-1".to_owned().try_into().unwrap(), attempt };
        let attempts: Vec<_> = (0..).map(origin).zip(&made).collect();
        let erased = |message_sid, origin| ErasedMessage { account_sid: account.clone(), message_sid, origin };
        assert_eq!(named(&account, &attempts).collect::<Vec<_>>(), [erased(sid(1), Some(origin(1)))]);
        let unnamed = unnamed(&account, &attempts, &[&sid(2)]);
        assert_eq!(unnamed, [erased(sid(2), Some(origin(2))), erased(sid(2), None)]);
    }
}
