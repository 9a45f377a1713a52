//! A claim whose holder is gone, or whose call was never answered: whether its message was sent is found out, not
//! guessed.

use domain::{
    notification::{Content, FallbackChannel},
    policy::OnUnknown,
};
use jiff::{SignedDuration, Timestamp};
use shared::{report::Chain, twilio::AccountCallError};
use stores::notifications::{
    MessageAssignment, NotificationOutcome, NotificationState, Precondition, StoredNotification,
};
use twilio_client::{MessageFilter, MessagePage, NewMessage};
use twilio_types::{
    address::{Address, E164},
    sid::MessageSid,
};

use crate::{
    Next, SendError, SendFunction, backoff,
    compose::ComposeError,
    ends::{AFTER_LEASE, log_end},
    job::Job,
    message_match::{Likeness, Sent},
};

/// What became of a notification in doubt.
#[derive(Debug)]
pub(crate) enum Doubt {
    /// Its message does not exist: it may be sent.
    NotSent,
    /// It has come to its next step.
    Ended(Next),
}

/// Twilio's list is asked this long, from the claim on, before the notification is held for a person to look at.
const ASK_FOR: SignedDuration = SignedDuration::from_mins(10);

/// A person who was sent more than this many messages since the claim is not searched through to the end.
const PAGES: usize = 20;
const PAGE_SIZE: u16 = 100;

const NOT_KNOWN: &str = "Twilio's answer was lost, no status callback has told whether the message was sent, and Twilio's \
                         list of messages could not be read";

/// Twilio's list of messages did not tell.
enum NoAnswer {
    /// It could not be read.
    List(AccountCallError),
    /// A page holds a message that cannot be understood: it may be the one.
    Unreadable,
    /// There is no end to it.
    TooLong,
    /// It is not known what to look for.
    Unclear(ComposeError),
    /// Our own state did not answer.
    State(SendError),
}

impl SendFunction {
    /// Finds out whether a notification's message exists: by a status callback, which has bound it, or else by Twilio's
    /// list of messages to its recipient since the claim.
    pub(crate) async fn resolve(
        &self,
        job: &Job<'_>,
        found: &StoredNotification,
        now: Timestamp,
    ) -> Result<Doubt, SendError> {
        if let Some(message_sid) = &found.message_sid
            && let Some(ended) = self.take(job, found, message_sid, now).await?
        {
            return Ok(Doubt::Ended(ended));
        }
        // Nothing has named its message; or another one in doubt that says the same has found it in the list before its
        // callback came, and keeps it. That one's own message, if there is one, is in the list then.
        match self.search(job, found, now).await {
            Ok(doubt) => Ok(doubt),
            Err(NoAnswer::State(error)) => Err(error),
            Err(NoAnswer::List(error)) => self.unanswered(job, found, &error.to_string(), now).await,
            Err(NoAnswer::Unreadable) => {
                self.unanswered(job, found, "the list holds a message that cannot be understood", now).await
            }
            Err(NoAnswer::TooLong) => self.unanswered(job, found, "the list is too long", now).await,
            Err(NoAnswer::Unclear(error)) => self.unanswered(job, found, &Chain(&error).to_string(), now).await,
        }
    }

    async fn search(&self, job: &Job<'_>, found: &StoredNotification, now: Timestamp) -> Result<Doubt, NoAnswer> {
        let account_sid = &job.subject.account_sid;
        let message = self
            .composer
            .compose(job, found.route, found.attempts.len(), &self.twilio)
            .await
            .map_err(NoAnswer::Unclear)?;
        let recipients = recipients(job, found);
        let sent = sent(job, found, &message, &recipients);
        for to in &recipients {
            // No filter by date: a message that has not been sent yet has none.
            let filter = MessageFilter::default().with_to(to).with_page_size(PAGE_SIZE);
            let first = self
                .twilio
                .call(account_sid, async |twilio| twilio.list(&filter).await)
                .await
                .map_err(NoAnswer::List)?;
            if let Some(ended) = self.search_from(job, found, &sent, first, now).await? {
                return Ok(Doubt::Ended(ended));
            }
        }
        Ok(Doubt::NotSent)
    }

    /// Searches a list from a page on, as far back as the claim.
    async fn search_from(
        &self,
        job: &Job<'_>,
        found: &StoredNotification,
        sent: &Sent<'_>,
        mut page: MessagePage,
        now: Timestamp,
    ) -> Result<Option<Next>, NoAnswer> {
        for _ in 0..PAGES {
            if page.unreadable > 0 {
                return Err(NoAnswer::Unreadable);
            }
            for listed in &page.messages {
                match sent.likeness(listed) {
                    Likeness::Older => return Ok(None),
                    Likeness::Other => {}
                    Likeness::Same => {
                        let taken = self.take_for(job, found, listed, now).await.map_err(NoAnswer::State)?;
                        if taken.is_some() {
                            return Ok(taken);
                        }
                    }
                }
            }
            match &page.next {
                Some(next) => {
                    let account_sid = &job.subject.account_sid;
                    let call = self.twilio.call(account_sid, async |twilio| twilio.list_page(next).await);
                    page = call.await.map_err(NoAnswer::List)?;
                }
                None => return Ok(None),
            }
        }
        Err(NoAnswer::TooLong)
    }

    /// Takes a listed message for the notification's, unless it is another's: by its callback, by the answer to its
    /// creation, or because another notification in doubt has taken it.
    async fn take_for(
        &self,
        job: &Job<'_>,
        found: &StoredNotification,
        listed: &twilio_client::MessageResource,
        now: Timestamp,
    ) -> Result<Option<Next>, SendError> {
        let owner = self.notifications.by_message_sid(&listed.sid).await?;
        if owner.is_some_and(|owner| owner.id != job.subject.id || owner.account_sid != job.subject.account_sid) {
            return Ok(None);
        }
        if found.attempts.iter().any(|attempt| attempt.message_sid.as_ref() == Some(&listed.sid)) {
            return Ok(None);
        }
        self.take(job, found, &listed.sid, now).await
    }

    /// Takes a message for the notification's; none where it is another's.
    async fn take(
        &self,
        job: &Job<'_>,
        found: &StoredNotification,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<Option<Next>, SendError> {
        let channel =
            job.notification.channel_option(found.route).map_or_else(Default::default, |(channel, _)| channel);
        let taken = self.notifications.assign_message(&job.subject, found, channel, message_sid, now).await?;
        match taken {
            MessageAssignment::Assigned => {
                let outcome = NotificationOutcome::Accepted(message_sid.clone());
                log_end(&job.subject, &outcome, stores::notifications::OutcomeWrite::Written);
                Ok(Some(Next::Done))
            }
            MessageAssignment::OwnedByAnother => Ok(None),
            MessageAssignment::Overtaken => Ok(Some(Next::Again(AFTER_LEASE))),
        }
    }

    /// Nothing tells. For a while Twilio is asked again; then it is the category's setting what does less harm.
    async fn unanswered(
        &self,
        job: &Job<'_>,
        found: &StoredNotification,
        why: &str,
        now: Timestamp,
    ) -> Result<Doubt, SendError> {
        let id = &job.subject.id;
        if self.policy.on_unknown(job.notification.category) == OnUnknown::Resend {
            tracing::warn!(notification_id = %id, why, "in doubt, and sent again by its category's setting");
            return Ok(Doubt::NotSent);
        }
        let since = found.claimed_at.unwrap_or(found.updated_at);
        if now.duration_since(since) < ASK_FOR {
            tracing::warn!(notification_id = %id, why, "in doubt, and asked again");
            return Ok(Doubt::Ended(Next::Again(backoff::full_jitter(5))));
        }
        tracing::error!(notification_id = %id, why, alarm = "held", "in doubt, and held for a person to look at");
        self.dead_letter(job.incoming, NOT_KNOWN).await?;
        if found.state == NotificationState::Unknown {
            return Ok(Doubt::Ended(Next::Done));
        }
        let outcome = NotificationOutcome::Unknown { reason: NOT_KNOWN.to_owned() };
        let expected = Precondition::StillUnbound(found.updated_at);
        self.write_end(&job.subject, &expected, &outcome, now).await.map(Doubt::Ended)
    }
}

/// The `To` of its message, in every spelling of the number.
fn recipients(job: &Job<'_>, found: &StoredNotification) -> Vec<String> {
    let by_sms =
        job.notification.channel_option(found.route).is_some_and(|(channel, _)| channel == FallbackChannel::Sms);
    let spelled = |number: E164| if by_sms { number.to_string() } else { Address::whatsapp(number).to_string() };
    job.notification.to.variants().into_iter().map(spelled).collect()
}

fn sent<'a>(
    job: &'a Job<'_>,
    found: &StoredNotification,
    message: &'a NewMessage,
    recipients: &'a [String],
) -> Sent<'a> {
    let variables = match job.notification.channel_option(found.route) {
        Some((_, Content::Template { variables, .. })) => variables.values().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    Sent { message, recipients, variables, since: found.claimed_at.unwrap_or(found.updated_at) }
}
