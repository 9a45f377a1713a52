//! From a queue message to a claim, and from a claim to its end.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use shared::{
    address::{Channel, ContactKey, E164},
    digest::sha256_hex,
    notification::{Due, InvalidNotification, Notification},
    notifications::{Claim, Lease, Outcome, Settled, Subject},
    report::Chain,
    secrets::Credentials,
    sid::MessageSid,
    suppression::Scope,
    twilio::NewMessage,
};

use crate::{Next, Send, SendError, backoff, compose::ComposeError, deliver::Delivery};

/// A notification that Twilio could not take is tried this often. With the pauses between the tries that is some two
/// hours on average, longer than Twilio's outages last.
const MAX_ATTEMPTS: usize = 15;

/// What comes back to a lease that has just ended should find it ended.
const AFTER_LEASE: Duration = Duration::from_secs(1);

/// What only an operator can mend is looked at again every few minutes: the pause after so many tries.
const LONG_PAUSES: usize = 8;

const LOST_ANSWER: &str = "Twilio's answer was lost, and no status callback has told whether the message was sent";

/// A message that is ready to go out.
struct Draft {
    credentials: Credentials,
    message: NewMessage,
}

impl Send {
    /// Takes a message of the queue through to its next step.
    pub(crate) async fn take(&self, body: &str, now: Timestamp) -> Result<Next, SendError> {
        let notification = match Notification::parse(body) {
            Ok(notification) => notification,
            Err(invalid) => return self.refuse(body, invalid, now).await,
        };
        let subject = self.subject(&notification);
        match notification.due(now) {
            Due::Now => self.compose(body, &notification, &subject, now).await,
            Due::Later(at) => Ok(Next::Again(until(at, now))),
            Due::Expired => self.end(&subject, &Outcome::Expired, now).await,
        }
    }

    /// What cannot be read is never tried again. Its copy goes first: were it the outcome, a crash in between would
    /// leave a message that nobody ever sees.
    async fn refuse(&self, body: &str, invalid: InvalidNotification, now: Timestamp) -> Result<Next, SendError> {
        let reason = invalid.to_string();
        tracing::warn!(
            reason,
            notification_id = invalid.id.as_ref().map(tracing::field::display),
            "invalid notification"
        );
        self.queue.dead_letter(body, &reason).await?;
        let Some(id) = invalid.id else { return Ok(Next::Done) };
        let subject = Subject {
            account_sid: invalid.account_sid.unwrap_or_else(|| self.account_sid.clone()),
            id,
            digest: sha256_hex(body.as_bytes()),
            recipient: None,
            category: None,
            metadata: BTreeMap::new(),
        };
        self.end(&subject, &Outcome::Rejected { reason, code: None }, now).await
    }

    fn subject(&self, notification: &Notification) -> Subject {
        Subject {
            account_sid: notification.account_sid.clone().unwrap_or_else(|| self.account_sid.clone()),
            id: notification.id.clone(),
            digest: notification.digest(),
            recipient: Some(notification.to.clone()),
            category: Some(notification.category),
            metadata: notification.metadata.clone(),
        }
    }

    /// Composes the message before the claim: between the claim, whose condition is the suppression, and the request
    /// nothing is waited for.
    async fn compose(
        &self,
        body: &str,
        notification: &Notification,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let Some(credentials) = self.twilio.credentials(&subject.account_sid) else {
            return self.await_account(subject).await;
        };
        let composed =
            self.composer.compose(notification, &subject.account_sid, &self.twilio.client, &credentials).await;
        match composed {
            Ok(message) => {
                let draft = Draft { credentials, message };
                self.claim(body, &notification.to, subject, draft, now).await
            }
            Err(ComposeError::Invalid(reason)) => {
                self.queue.dead_letter(body, &reason).await?;
                self.end(subject, &Outcome::Rejected { reason, code: None }, now).await
            }
            Err(error) => {
                tracing::error!(notification_id = %subject.id, error = %Chain(&error), "message not composed");
                Ok(Next::Again(backoff::full_jitter(LONG_PAUSES)))
            }
        }
    }

    /// An account that the secret does not hold, or not yet: it is read again, and otherwise the notification waits for
    /// its operator.
    async fn await_account(&self, subject: &Subject) -> Result<Next, SendError> {
        tracing::error!(account_sid = %subject.account_sid, "the Twilio secret has no such account: add it");
        let reread = self.twilio.secrets.reread().await.ok().flatten();
        let known = reread.is_some_and(|accounts| accounts.credentials(&subject.account_sid).is_some());
        let pause = if known { AFTER_LEASE } else { backoff::full_jitter(LONG_PAUSES) };
        Ok(Next::Again(pause))
    }

    /// The suppression is a condition of the claim itself: a STOP that was answered before it always wins.
    async fn claim(
        &self,
        body: &str,
        to: &E164,
        subject: &Subject,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let contact = ContactKey::of_phone(&subject.account_sid, to);
        let not_suppressed = self.contacts.require_not_suppressed(&contact, &Channel::WhatsApp, &[Scope::All])?;
        let lease = Lease::random();
        match self.notifications.claim(subject, &lease, not_suppressed, now).await? {
            Claim::Won => self.attempt(draft, subject, &lease).await,
            Claim::Suppressed => self.end(subject, &Outcome::Suppressed, now).await,
            Claim::HeldUntil(end) => Ok(Next::Again(until(end, now) + AFTER_LEASE)),
            Claim::Abandoned(theirs, message_sid) => self.resolve(subject, &theirs, message_sid, now).await,
            Claim::Finished(state) => {
                tracing::info!(notification_id = %subject.id, state = state.as_str(), "notification came again");
                Ok(Next::Done)
            }
            Claim::OtherContent => {
                let reason = "id: used before for a notification with other content, expected a new one";
                tracing::warn!(notification_id = %subject.id, reason, "invalid notification");
                self.queue.dead_letter(body, reason).await?;
                Ok(Next::Done)
            }
        }
    }

    async fn attempt(&self, draft: Draft, subject: &Subject, lease: &Lease) -> Result<Next, SendError> {
        let delivery = self.twilio.deliver(subject, draft.credentials, &draft.message).await;
        let now = Timestamp::now();
        match delivery {
            Delivery::Ended(outcome) => {
                let settled = self.notifications.settle(subject, lease, &outcome, now).await?;
                log_end(subject, &outcome, settled);
                Ok(Next::Done)
            }
            Delivery::NotDone { code, retry_after } => {
                let outcome = Outcome::Waiting { code };
                match self.notifications.settle(subject, lease, &outcome, now).await? {
                    Settled::Written(attempts) if attempts >= MAX_ATTEMPTS => {
                        let reason = format!("given up after {attempts} attempts");
                        self.end(subject, &Outcome::Rejected { reason, code }, now).await
                    }
                    Settled::Written(attempts) => {
                        Ok(Next::Again(backoff::full_jitter(attempts).max(retry_after.unwrap_or_default())))
                    }
                    Settled::Overtaken => Ok(Next::Again(AFTER_LEASE)),
                }
            }
            // The claim is left as a crash would leave it, and ends the same way: looked at when the lease is over.
            Delivery::Unknown => Ok(Next::Again(shared::limits::CLAIM_LEASE.unsigned_abs() + AFTER_LEASE)),
        }
    }

    /// A claim whose holder is gone: sent if a status callback has named the message, and otherwise not known, in which
    /// case nothing is sent again.
    async fn resolve(
        &self,
        subject: &Subject,
        theirs: &Lease,
        message_sid: Option<MessageSid>,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let outcome = message_sid.map_or(Outcome::Unknown { reason: LOST_ANSWER }, Outcome::Accepted);
        let settled = self.notifications.settle(subject, theirs, &outcome, now).await?;
        log_end(subject, &outcome, settled);
        Ok(Next::Done)
    }

    /// Writes the outcome of a notification that nobody holds.
    async fn end(&self, subject: &Subject, outcome: &Outcome, now: Timestamp) -> Result<Next, SendError> {
        let settled = self.notifications.settle_unclaimed(subject, outcome, now).await?;
        log_end(subject, outcome, settled);
        Ok(Next::Done)
    }
}

fn log_end(subject: &Subject, outcome: &Outcome, settled: Settled) {
    let message_sid = if let Outcome::Accepted(sid) = outcome { Some(sid) } else { None };
    tracing::info!(
        notification_id = %subject.id,
        state = outcome.state().as_str(),
        message_sid = message_sid.map(tracing::field::display),
        reason = outcome.reason(),
        stands = settled != Settled::Overtaken,
        "notification"
    );
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
