//! Records what is missing, in the same way as its webhook would have been recorded.

use domain::callback_url::CallbackOrigin;
use jiff::Timestamp;
use shared::{report::Chain, twilio::AccountCallError, webhook::unreadable_names};
use stores::{
    messages::{MessageArrival, RecordOutcome},
    notifications::StoredNotification,
};
use twilio_client::{MediaFile, MessageResource, TwilioError};
use twilio_types::sid::MessageSid;
use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback};

use crate::{
    Budget, ReconcileFunction,
    account::{Account, Stop},
    found::{INBOUND, awaits_files, inbound_form, status_form},
};

/// What became of recording a message or a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restored {
    Recorded,
    /// It was recorded meanwhile.
    Duplicate,
    /// It cannot be recorded now: something about this message or this person is in the way.
    Postponed,
}

impl From<RecordOutcome> for Restored {
    fn from(outcome: RecordOutcome) -> Self {
        match outcome {
            RecordOutcome::First => Self::Recorded,
            RecordOutcome::Duplicate(_) => Self::Duplicate,
        }
    }
}

impl ReconcileFunction {
    /// Records an inbound message, with its files if it has any. What fails for one message is logged and postponed: it must
    /// not keep the others from being recorded. Only what every message needs ends the run.
    pub(crate) async fn restore_inbound(
        &self,
        account: &Account,
        message: &MessageResource,
        budget: &Budget,
    ) -> Result<Restored, Stop> {
        let message_sid = &message.sid;
        let media = match self.media_of(account, message, budget).await? {
            Ok(media) => media,
            Err(error) => {
                tracing::warn!(%message_sid, error = %Chain(&error), "the files of an inbound message are not listed");
                return Ok(Restored::Postponed);
            }
        };
        if awaits_files(message, media.len(), Timestamp::now()) {
            let (listed, num_media) = (media.len(), message.num_media);
            tracing::warn!(%message_sid, listed, num_media, "Twilio does not list all files of an inbound message yet");
            return Ok(Restored::Postponed);
        }
        let form = inbound_form(&account.sid, message, &media);
        let form = TrustedForm::Reconstructed(&form);
        let (parsed, arrival) = match (InboundMessage::parse(form), arrival(message)) {
            (Ok(parsed), Some(arrival)) => (parsed, arrival),
            (Ok(_), None) => {
                tracing::error!(%message_sid, "an inbound message of the list has no time");
                return Ok(Restored::Postponed);
            }
            (Err(error), _) => {
                tracing::error!(%message_sid, %error, "an inbound message of the list cannot be read");
                return Ok(Restored::Postponed);
            }
        };
        let settings = self.tenants.of(&account.sid).await;
        match self.inbound.record(&parsed, form, arrival, &settings).await {
            Ok(stored) => {
                let restored = Restored::from(stored.recorded);
                if restored == Restored::Recorded {
                    tracing::info!(
                        %message_sid, opt_out_request = ?stored.intent.preference(),
                        unreadable_parameters = unreadable_names(&parsed.unreadable_parameters),
                        "an inbound message whose webhook did not arrive is recorded"
                    );
                }
                Ok(restored)
            }
            // If no item can be written, the marks cannot be written either, and the next run reads the same page again.
            Err(error) => {
                tracing::error!(%message_sid, error = %Chain(&error), "an inbound message is not recorded");
                Ok(Restored::Postponed)
            }
        }
    }

    /// The inner error is one that may be this message's alone.
    async fn media_of(
        &self,
        account: &Account,
        message: &MessageResource,
        budget: &Budget,
    ) -> Result<Result<Vec<MediaFile>, AccountCallError>, Stop> {
        if message.num_media == 0 {
            return Ok(Ok(Vec::new()));
        }
        budget.request()?;
        let media = self.twilio.call(&account.sid, budget.deadline(), async |twilio| twilio.media(&message.sid).await);
        match media.await {
            Err(error @ AccountCallError::Twilio(TwilioError::Rejected(_) | TwilioError::Unknown { .. })) => {
                Ok(Err(error))
            }
            media => Ok(Ok(media?)),
        }
    }

    /// Records the status of a message. `origin` is the attempt that became it.
    pub(crate) async fn record_status(
        &self,
        account: &Account,
        message: &MessageResource,
        origin: &CallbackOrigin,
    ) -> Result<Restored, Stop> {
        let message_sid = &message.sid;
        let Some(arrival) = arrival(message) else {
            tracing::error!(%message_sid, "a message at Twilio has no time");
            return Ok(Restored::Postponed);
        };
        let form = status_form(&account.sid, message);
        let form = TrustedForm::Reconstructed(&form);
        let callback = match StatusCallback::parse(form) {
            Ok(callback) => callback,
            Err(error) => {
                tracing::error!(%message_sid, %error, "the status of a message at Twilio cannot be read");
                return Ok(Restored::Postponed);
            }
        };
        let retention = self.tenants.of(&account.sid).await.retention;
        let restored = Restored::from(self.statuses.record(&callback, form, Some(origin), arrival, retention).await?);
        if restored == Restored::Recorded {
            tracing::info!(
                %message_sid, status = %message.status,
                unreadable_parameters = unreadable_names(&callback.unreadable_parameters),
                "a status whose callback did not arrive is recorded"
            );
        }
        Ok(restored)
    }
}

/// The attempt of a notification that became this message.
pub(crate) fn origin_of(stored: &StoredNotification, message_sid: &MessageSid) -> Option<CallbackOrigin> {
    let mut attempts = (0_u32..).zip(&stored.progress.attempts);
    let (attempt, _) = attempts.find(|(_, attempt)| attempt.message_sid.as_ref() == Some(message_sid))?;
    Some(CallbackOrigin { notification_id: stored.subject.id.clone(), attempt })
}

/// The time that counts is Twilio's: a START that came after a STOP stays the newer one, though the STOP is found later.
fn arrival(message: &MessageResource) -> Option<MessageArrival> {
    let is_inbound = message.direction == INBOUND;
    let at = if is_inbound { message.happened_at() } else { message.changed_at() };
    at.map(MessageArrival::listed)
}
