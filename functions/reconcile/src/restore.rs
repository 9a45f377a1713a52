//! What was missing goes in the way its webhook would have gone.

use domain::{callback_url::CallbackOrigin, notification::NotificationId, preference::Preference};
use stores::messages::{MessageArrival, RecordOutcome, Source};
use twilio_client::MessageResource;
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

/// Whose a message is.
enum Owner {
    /// A notification's.
    Notification(NotificationId),
    /// Its callbacks come here, but no notification is known.
    Ours,
    /// Another system's: nothing of it came here and nothing of it was sent from here, or not yet known to be.
    Other,
}

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
            self.twilio.call(&account.sid, async |twilio| twilio.media(&message.sid).await).await?
        };
        let form = inbound_form(&account.sid, message, &media);
        let form = TrustedForm::Reconstructed(&form);
        let parsed = match InboundMessage::parse(form) {
            Ok(parsed) => parsed,
            Err(error) => {
                leave(message, &error);
                return Ok(());
            }
        };
        let taken = self.inbound.record(&parsed, form, arrival).await?;
        if taken.recorded == RecordOutcome::First {
            tracing::info!(message_sid = %message.sid, wish = ?taken.intent.preference(), "inbound message recovered");
            report.inbound_recovered += 1;
        }
        Ok(())
    }

    /// Whether a listed message says STOP. Only STOP is looked for on other channels: a START that was written to another
    /// system's number must not lift what was said to us.
    ///
    /// An RCS message is taken to be listed as its webhook would be: from `rcs:` and the person's number, to `rcs:` and
    /// the agent's name. Source: Twilio, API specification of Conversations, the address of a participant. For the list of
    /// messages Twilio documents no form.
    pub(crate) fn is_opt_out(&self, account: &Account, message: &MessageResource) -> bool {
        let form = inbound_form(&account.sid, message, &[]);
        let asked = InboundMessage::parse(TrustedForm::Reconstructed(&form))
            .map(|message| self.inbound.intent(&message, Source::Reconcile));
        asked.is_ok_and(|asked| asked.preference() == Some(Preference::OptedOut))
    }

    /// Records the status of a message of ours.
    pub(crate) async fn restore_status(
        &self,
        account: &Account,
        message: &MessageResource,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let notification_id = match self.owner(account, message).await? {
            Owner::Notification(id) => Some(id),
            Owner::Ours => None,
            Owner::Other => return Ok(()),
        };
        self.record_status(account, message, notification_id.as_ref(), report).await
    }

    /// Records the status of a notification's message.
    pub(crate) async fn record_status(
        &self,
        account: &Account,
        message: &MessageResource,
        notification_id: Option<&NotificationId>,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let Some(arrival) = arrival(message) else { return Ok(()) };
        let form = status_form(&account.sid, message);
        let form = TrustedForm::Reconstructed(&form);
        let callback = match StatusCallback::parse(form) {
            Ok(callback) => callback,
            Err(error) => {
                leave(message, &error);
                return Ok(());
            }
        };
        let origin = notification_id.map(|id| CallbackOrigin { notification_id: id.clone(), attempt: None });
        let recorded = self.statuses.record(&callback, form, origin.as_ref(), arrival).await?;
        if recorded == RecordOutcome::First {
            tracing::info!(message_sid = %message.sid, status = %message.status, "status recovered");
            report.statuses_recovered += 1;
        }
        Ok(())
    }

    /// A status that was recorded names the notification; else the send that was recorded does.
    async fn owner(&self, account: &Account, message: &MessageResource) -> Result<Owner, Stop> {
        let reported = self.messages.any_status(&message.sid).await?;
        if let Some(id) = reported.as_ref().and_then(|status| status.notification_id.clone()) {
            return Ok(Owner::Notification(id));
        }
        let sent = self.notifications.by_message_sid(&message.sid).await?;
        Ok(match sent.filter(|notification| notification.account_sid == account.sid) {
            Some(notification) => Owner::Notification(notification.id),
            None if reported.is_some() => Owner::Ours,
            None => Owner::Other,
        })
    }
}

/// The time that counts is Twilio's: a START that came after a STOP stays the newer one, though the STOP is found later.
fn arrival(message: &MessageResource) -> Option<MessageArrival> {
    let is_inbound = message.direction == "inbound";
    let at = if is_inbound { message.happened_at() } else { message.changed_at() };
    Some(MessageArrival { at: at?, source: Source::Reconcile })
}

/// What no webhook's form can be made of is another system's, or for a person to look at.
fn leave(message: &MessageResource, error: &InvalidForm) {
    tracing::error!(message_sid = %message.sid, %error, "a message of the list cannot be recorded");
}
