//! Records a status of a message that we sent, and binds the message to its notification. The status comes from a
//! callback, or from Twilio's list of messages.

use aws_sdk_dynamodb::Client;
use domain::{callback_url::CallbackOrigin, limits::Retention};
use twilio_types::{error_code::ErrorCode, message_status::Stage};
use twilio_webhook::{signature::TrustedForm, status_callback::StatusCallback};

use crate::{
    dynamodb::{StoreError, TransactionOutcome, transact},
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, StoredMessage},
    notifications::Notifications,
};

#[derive(Debug)]
pub struct StatusRecorder {
    client: Client,
    messages: Messages,
    notifications: Notifications,
    retention: Retention,
}

impl StatusRecorder {
    pub fn new(client: Client, messages: Messages, notifications: Notifications, retention: Retention) -> Self {
        Self { client, messages, notifications, retention }
    }

    /// Records a status, and binds the message to its notification if the callback URL names one, with one request.
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

    /// If the notification is not stored any more, or a later attempt is under way, the status is recorded without it.
    async fn record_and_bind(
        &self,
        stored: &StoredMessage,
        origin: &CallbackOrigin,
        stage: Stage,
    ) -> Result<RecordOutcome, StoreError> {
        let actions = vec![
            self.messages.record_action(stored)?,
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
