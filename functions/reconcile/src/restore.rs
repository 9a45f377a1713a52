//! Records what is missing, in the same way as its webhook would have been recorded.

use domain::{callback_url::CallbackOrigin, preference::Preference};
use futures::stream::{self, StreamExt, TryStreamExt};
use stores::{
    dynamodb::StoreError,
    messages::{MessageArrival, MessageSubject, RecordOutcome, Source},
    notifications::StoredNotification,
};
use twilio_client::MessageResource;
use twilio_types::sid::MessageSid;
use twilio_webhook::{
    inbound_message::{InboundMessage, InvalidForm},
    signature::TrustedForm,
    status_callback::StatusCallback,
};

use crate::{
    AccountReport, Budget, ReconcileFunction,
    account::{Account, Stop},
    found::{inbound_form, status_form},
};

impl ReconcileFunction {
    /// Records an inbound message, with its files if it has any.
    pub(crate) async fn restore_inbound(
        &self,
        account: &Account,
        message: &MessageResource,
        budget: &mut Budget,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let Some(arrival) = arrival(message) else { return Ok(()) };
        let media = if message.num_media == 0 {
            Vec::new()
        } else {
            budget.request()?;
            self.twilio.call(&account.sid, budget.deadline(), async |twilio| twilio.media(&message.sid).await).await?
        };
        let form = inbound_form(&account.sid, message, &media);
        let form = TrustedForm::Reconstructed(&form);
        let parsed = match InboundMessage::parse(form) {
            Ok(parsed) => parsed,
            Err(error) => {
                log_unreadable(message, &error);
                return Ok(());
            }
        };
        let stored = self.inbound.record(&parsed, form, arrival).await?;
        if stored.recorded == RecordOutcome::First {
            tracing::info!(
                message_sid = %message.sid, opt_out_request = ?stored.intent.preference(),
                "an inbound message whose webhook did not arrive is recorded"
            );
            report.inbound_recovered += 1;
        }
        Ok(())
    }

    /// Whether a listed message says STOP. Only STOP is looked for on other channels: a START that was written to another
    /// system's number must not lift what was said to us.
    ///
    /// An RCS message is assumed to be listed as its webhook would be: from `rcs:` and the person's number, to `rcs:` and
    /// the agent's name. Source: Twilio, API specification of Conversations, the address of a participant. For the list of
    /// messages Twilio documents no form.
    pub(crate) fn is_opt_out(&self, account: &Account, message: &MessageResource) -> bool {
        let form = inbound_form(&account.sid, message, &[]);
        let intent = InboundMessage::parse(TrustedForm::Reconstructed(&form))
            .map(|message| self.inbound.intent(&message, Source::Reconcile));
        intent.is_ok_and(|intent| intent.preference() == Some(Preference::OptedOut))
    }

    /// Records the status of a message. `origin` is the attempt that became it. Without one it is another system's message,
    /// and is recorded only if that system's callbacks come here: then others of its statuses are recorded.
    pub(crate) async fn restore_status(
        &self,
        account: &Account,
        message: &MessageResource,
        origin: Option<&CallbackOrigin>,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        if origin.is_none() {
            let subject = MessageSubject::Message(account.sid.clone(), message.sid.clone());
            if self.messages.reports(&subject).await?.is_empty() {
                return Ok(());
            }
        }
        self.record_status(account, message, origin, report).await
    }

    pub(crate) async fn record_status(
        &self,
        account: &Account,
        message: &MessageResource,
        origin: Option<&CallbackOrigin>,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let Some(arrival) = arrival(message) else { return Ok(()) };
        let form = status_form(&account.sid, message);
        let form = TrustedForm::Reconstructed(&form);
        let callback = match StatusCallback::parse(form) {
            Ok(callback) => callback,
            Err(error) => {
                log_unreadable(message, &error);
                return Ok(());
            }
        };
        let recorded = self.statuses.record(&callback, form, origin, arrival).await?;
        if recorded == RecordOutcome::First {
            tracing::info!(
                message_sid = %message.sid, status = %message.status,
                "a final status whose callback did not arrive is recorded"
            );
            report.statuses_recovered += 1;
        }
        Ok(())
    }

    /// The attempts that became these messages, in their order; none where no notification names the message. A message of
    /// an earlier attempt is not found, and need not be: its failure was known when the next attempt was made.
    pub(crate) async fn origins(
        &self,
        account: &Account,
        messages: &[&MessageResource],
    ) -> Result<Vec<Option<CallbackOrigin>>, Stop> {
        let lookups = stream::iter(messages.to_vec()).map(async |message: &MessageResource| {
            let stored = self.notifications.by_message_sid(&message.sid).await?;
            let ours = stored.filter(|stored| stored.subject.account_sid == account.sid);
            Ok::<_, StoreError>(ours.and_then(|stored| origin_of(&stored, &message.sid)))
        });
        Ok(lookups.buffered(CONCURRENT_LOOKUPS).try_collect().await?)
    }
}

/// More would only wait for the function's processor.
const CONCURRENT_LOOKUPS: usize = 16;

/// The attempt of a notification that became this message.
pub(crate) fn origin_of(stored: &StoredNotification, message_sid: &MessageSid) -> Option<CallbackOrigin> {
    let mut attempts = (0_u32..).zip(&stored.progress.attempts);
    let (attempt, _) = attempts.find(|(_, attempt)| attempt.message_sid.as_ref() == Some(message_sid))?;
    Some(CallbackOrigin { notification_id: stored.subject.id.clone(), attempt })
}

/// The time that counts is Twilio's: a START that came after a STOP stays the newer one, though the STOP is found later.
fn arrival(message: &MessageResource) -> Option<MessageArrival> {
    let is_inbound = message.direction == "inbound";
    let at = if is_inbound { message.happened_at() } else { message.changed_at() };
    Some(MessageArrival { at: at?, source: Source::Reconcile })
}

/// A message that cannot have been a webhook's is another system's, or a person has to look at it.
fn log_unreadable(message: &MessageResource, error: &InvalidForm) {
    tracing::error!(message_sid = %message.sid, %error, "a message of the list cannot be recorded");
}
