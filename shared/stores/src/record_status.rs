//! Records what became of a message we sent, and which notification it was. The same for what Twilio reported and for
//! what was found at Twilio.

use aws_sdk_dynamodb::Client;
use domain::{callback_url::CallbackOrigin, limits::Retention};
use twilio_types::{error_code::ErrorCode, message_status::Stage};
use twilio_webhook::{signature::TrustedForm, status_callback::StatusCallback};

use crate::{
    dynamodb::{StoreError, TransactionOutcome, transact},
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, StoredMessage},
    notifications::Notifications,
};

/// Writes to the Messages and the Notifications table.
#[derive(Debug)]
pub struct StatusRecorder {
    client: Client,
    messages: Messages,
    notifications: Notifications,
    retention: Retention,
}

impl StatusRecorder {
    /// A recorder over the two tables.
    pub fn new(client: Client, messages: Messages, notifications: Notifications, retention: Retention) -> Self {
        Self { client, messages, notifications, retention }
    }

    /// Records a status, and binds the message to its notification where that is known: in one request.
    pub async fn record(
        &self,
        callback: &StatusCallback,
        form: TrustedForm<'_>,
        origin: Option<&CallbackOrigin>,
        arrival: MessageArrival,
    ) -> Result<RecordOutcome, StoreError> {
        let (sid, account_sid) = (&callback.message_sid, &callback.account_sid);
        let event = MessageEvent::Status(callback.status);
        let stored = StoredMessage {
            error_code: callback.error_code.map(ErrorCode::get),
            notification_id: origin.map(|origin| origin.notification_id.clone()),
            ..StoredMessage::new(sid, account_sid, event, form, arrival, self.retention)
        };
        match origin {
            None => self.messages.record(&stored).await,
            Some(origin) => self.record_and_bind(&stored, origin, callback.status.stage()).await,
        }
    }

    /// A notification that is gone (its retention is over) is no reason to lose the status.
    async fn record_and_bind(
        &self,
        stored: &StoredMessage,
        origin: &CallbackOrigin,
        stage: Stage,
    ) -> Result<RecordOutcome, StoreError> {
        let actions = vec![
            self.messages.recording(stored)?,
            self.notifications.bind_message_action(&stored.account_sid, origin, &stored.message_sid, stage)?,
        ];
        match transact(&self.client, "recording a status", actions).await? {
            TransactionOutcome::Written => Ok(RecordOutcome::First),
            TransactionOutcome::Refused(refusals) => match refusals.into_iter().next().flatten() {
                Some(refusal) => Messages::read(refusal.item).map(|found| RecordOutcome::Duplicate(Box::new(found))),
                None => self.messages.record(stored).await,
            },
        }
    }
}
