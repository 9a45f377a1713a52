//! What Twilio still reports of the messages to an erased person: it has the number, and is not stored.

use std::collections::HashSet;

use domain::callback_url::CallbackOrigin;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use stores::erased_status::ErasedMessage;

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
    let account_sid = data.identities.account_sid();
    let reported = data.messages.iter().filter_map(|(item, _)| ErasedMessage::of_status(item));
    let attempted = data.notifications.iter().flat_map(|(_, stored)| {
        let id = &stored.subject.id;
        (0_u32..).zip(&stored.progress.attempts).filter_map(move |(attempt, made)| {
            let origin = Some(CallbackOrigin { notification_id: id.clone(), attempt });
            Some(ErasedMessage { account_sid: account_sid.clone(), message_sid: made.message_sid.clone()?, origin })
        })
    });
    let mut found: HashSet<_> = reported.chain(attempted).collect();
    // A message that nothing here names was sent by another system, whose callbacks name no notification.
    let known: HashSet<_> = found.iter().map(|message| message.message_sid.clone()).collect();
    let others = at_twilio.sent().filter(|sid| !known.contains(*sid));
    found.extend(others.map(|sid| ErasedMessage {
        account_sid: account_sid.clone(),
        message_sid: sid.clone(),
        origin: None,
    }));
    found
}
