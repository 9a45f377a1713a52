//! The search for a message in Twilio's list, when no status callback has named it.
//!
//! The list shows nothing of ours, so a message is recognised by [`UnconfirmedMessage`]. Two notifications may say the same to
//! one person. So a message is assigned in a transaction with an item that names its owner, and the next message of the list
//! is tried if it belongs to another notification.

use std::{error::Error, ops::ControlFlow, sync::Arc, time::Duration};

use domain::{
    notification::{Content, FallbackChannel},
    progress::{Attempt, MessageReport, Step},
};
use jiff::Timestamp;
use shared::{report::Chain, twilio::TwilioAccounts};
use stores::{
    contacts::StoredPerson,
    dynamodb::StoreError,
    notifications::{MessageAssignment, Notifications, StoredNotification},
};
use twilio_client::{MessageFilter, MessageResource, NewMessage};
use twilio_types::address::{Address, E164, Recipient};

use crate::{
    compose::Composer,
    job::Job,
    judge::{Plan, numbers_of},
    message_match::UnconfirmedMessage,
    resolve::apply_report,
    template_plan::TemplatePlan,
};

/// Searches Twilio's list.
#[derive(Debug)]
pub(crate) struct MessageSearch {
    pub(crate) notifications: Notifications,
    pub(crate) twilio: Arc<TwilioAccounts>,
    pub(crate) composer: Arc<Composer>,
}

/// What Twilio's list says about an attempt.
#[derive(Debug)]
pub(crate) enum SearchResult {
    /// The complete list has no message of the attempt.
    NoMessage,
    /// A message was assigned to the notification, which is stored like this now. If it goes on, its next message is put on
    /// the queue with this delay.
    Assigned(Box<StoredNotification>, Option<Duration>),
    /// Another writer changed the notification.
    NotificationChanged,
    /// The list does not say whether the message exists, for this reason.
    Unreadable(String),
}

/// The most that Twilio gives on a page. Source: Twilio, "Messages resource", `PageSize`.
const PAGE_SIZE: u16 = 1_000;

impl MessageSearch {
    /// Reads the list of messages to the recipient to its end, or until a message was assigned.
    pub(crate) async fn find(
        &self,
        job: &Job<'_>,
        person: &StoredPerson,
        stored: &StoredNotification,
        now: Timestamp,
    ) -> Result<SearchResult, StoreError> {
        let Some(attempt) = stored.progress.last() else { return Ok(SearchResult::NoMessage) };
        let message = match self.message_of(job, stored, attempt).await {
            Ok(message) => message,
            Err(why) => return Ok(SearchResult::Unreadable(why)),
        };
        let recipients = recipients(job, person, attempt.channel);
        let variables = match job.notification.channel_option(attempt.option) {
            Some((_, Content::Template { variables, .. })) => variables.values().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let claimed_at = attempt.claimed_at;
        let from = job.notification.from.as_ref().map(ToString::to_string);
        let unconfirmed =
            UnconfirmedMessage { message: &message, from, recipients: &recipients, variables, claimed_at };
        let mut unreadable = 0;
        for to in &recipients {
            match self.search_list_to(to, job, stored, &unconfirmed, now).await? {
                ControlFlow::Continue(more) => unreadable += more,
                ControlFlow::Break(result) => return Ok(result),
            }
        }
        Ok(match unreadable {
            0 => SearchResult::NoMessage,
            _ => SearchResult::Unreadable(format!("{unreadable} messages of the list cannot be understood")),
        })
    }

    /// What the attempt asked Twilio to create. The error says why that is not clear.
    async fn message_of(
        &self,
        job: &Job<'_>,
        stored: &StoredNotification,
        attempt: &Attempt,
    ) -> Result<NewMessage, String> {
        let unclear = |error: &(dyn Error + 'static)| Chain(error).to_string();
        let route = job.route(attempt.channel).map_err(|error| unclear(&error))?;
        let step = Step { option: attempt.option, purpose: attempt.purpose };
        let template = TemplatePlan { content_sid: attempt.content_sid.clone(), ..TemplatePlan::default() };
        let plan = Plan { step, route, recipient: job.notification.to.clone(), template };
        let number = stored.progress.attempts.len().saturating_sub(1);
        self.composer.compose(job, &plan, number).await.map_err(|error| unclear(&error))
    }

    /// Reads the list of messages to one address. Goes on with the number of messages that cannot be understood: each may be
    /// the message.
    async fn search_list_to(
        &self,
        to: &str,
        job: &Job<'_>,
        stored: &StoredNotification,
        unconfirmed: &UnconfirmedMessage<'_>,
        now: Timestamp,
    ) -> Result<ControlFlow<SearchResult, usize>, StoreError> {
        let (account_sid, deadline) = (&job.account_sid, job.message.deadline);
        // No filter by date: a message that has not been sent has none.
        let filter = MessageFilter::default().with_to(to).with_page_size(PAGE_SIZE);
        let first = self.twilio.call(account_sid, deadline, async |twilio| twilio.list(&filter).await);
        let mut page = Box::pin(first).await;
        let mut unreadable = 0;
        loop {
            let read = match page {
                Ok(read) => read,
                Err(error) => return Ok(ControlFlow::Break(SearchResult::Unreadable(Chain(&error).to_string()))),
            };
            unreadable += read.unreadable;
            for listed in read.messages.iter().filter(|listed| unconfirmed.could_be(listed)) {
                if let Some(result) = self.assign(job, stored, listed, now).await? {
                    return Ok(ControlFlow::Break(result));
                }
            }
            let Some(next) = read.next else { return Ok(ControlFlow::Continue(unreadable)) };
            let next = self.twilio.call(account_sid, deadline, async |twilio| twilio.list_page(&next).await);
            page = Box::pin(next).await;
        }
    }

    /// Assigns a listed message to the notification. None if it is another notification's, by its callback or by the answer to
    /// its request, or if it is the message of an earlier attempt.
    async fn assign(
        &self,
        job: &Job<'_>,
        stored: &StoredNotification,
        listed: &MessageResource,
        now: Timestamp,
    ) -> Result<Option<SearchResult>, StoreError> {
        let is_of = |attempt: &Attempt| attempt.message_sid.as_ref() == Some(&listed.sid);
        if stored.progress.attempts.iter().any(is_of) {
            return Ok(None);
        }
        let owner = self.notifications.by_message_sid(&job.account_sid, &listed.sid).await?.map(|owner| owner.subject);
        if owner.is_some_and(|owner| owner.id != job.notification.id) {
            return Ok(None);
        }
        let mut after = stored.clone();
        let report = MessageReport {
            attempt: stored.progress.attempts.len().saturating_sub(1),
            message_sid: Some(listed.sid.clone()),
            status: listed.status.clone(),
            code: listed.error_code,
            reason: None,
        };
        let (_, delay) = apply_report(&mut after, job, &report, now);
        Ok(match self.notifications.assign_message(stored.version, &after, &listed.sid, now).await? {
            MessageAssignment::Assigned => Some(SearchResult::Assigned(Box::new(after), delay)),
            MessageAssignment::Changed(_) => Some(SearchResult::NotificationChanged),
            MessageAssignment::OwnedByAnother => None,
        })
    }
}

/// The `To` of the message, in every spelling of a number. A message to a user id may have gone to the person's number.
fn recipients(job: &Job<'_>, person: &StoredPerson, channel: FallbackChannel) -> Vec<String> {
    let numbers = match &job.notification.to {
        Recipient::Phone(number) => vec![number.clone()],
        Recipient::User(_) => numbers_of(person).collect(),
    };
    let user_id = job.notification.to.user_id().map(|id| Recipient::User(id.clone()));
    let spellings = numbers.iter().flat_map(E164::variants).map(Recipient::Phone);
    let address = |to: Recipient| match channel {
        FallbackChannel::WhatsApp => Address::whatsapp(to).to_string(),
        FallbackChannel::Sms | FallbackChannel::Email => to.to_string(),
    };
    user_id.into_iter().chain(spellings).map(address).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        job::tests::{body, candidate},
        queue_message::tests::message,
    };

    #[test]
    fn message_is_looked_for_under_every_spelling_and_identity() {
        let listed = |to: &str, channel, number: Option<&str>| {
            let body = body(&json!({"to": to}));
            let message = message(&body, Timestamp::UNIX_EPOCH);
            let mut candidate = candidate(&message, "{}");
            candidate.person.person.aliases.extend(number.map(str::to_owned));
            recipients(&candidate.job, &candidate.person, channel)
        };
        let whatsapp = FallbackChannel::WhatsApp;
        assert_eq!(listed("+14155550123", whatsapp, None), ["whatsapp:+14155550123"]);
        assert_eq!(listed("+14155550123", FallbackChannel::Sms, None), ["+14155550123"]);
        let brazil = ["whatsapp:+5511987654321", "whatsapp:+551187654321"];
        assert_eq!(listed("+551187654321", whatsapp, None), brazil);
        let user = "US.13491208655302741918";
        assert_eq!(listed(user, whatsapp, None), [format!("whatsapp:{user}")]);
        let both = [format!("whatsapp:{user}"), "whatsapp:+14155550123".to_owned()];
        assert_eq!(listed(user, whatsapp, Some("+14155550123")), both);
    }
}
