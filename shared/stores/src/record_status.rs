//! Records a status of a message, with one conditional write and nothing else: what it means for the notification follows
//! from the stream. The status comes from a callback, or from Twilio's list of messages.

use domain::{callback_url::CallbackOrigin, limits::Retention};
use twilio_types::error_code::ErrorCode;
use twilio_webhook::{signature::TrustedForm, status_callback::StatusCallback};

use crate::{
    dynamodb::StoreError,
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, StoredMessage},
};

#[derive(Debug)]
pub struct StatusRecorder {
    messages: Messages,
}

impl StatusRecorder {
    pub fn new(messages: Messages) -> Self {
        Self { messages }
    }

    /// Records a status. `origin` is what the callback URL names.
    pub async fn record(
        &self,
        callback: &StatusCallback,
        form: TrustedForm<'_>,
        origin: Option<&CallbackOrigin>,
        arrival: MessageArrival,
        retention: Retention,
    ) -> Result<RecordOutcome, StoreError> {
        let (sid, account_sid) = (&callback.message_sid, &callback.account_sid);
        let event = match origin {
            Some(_) => MessageEvent::AttemptStatus(sid.clone(), callback.status.clone()),
            None => MessageEvent::Status(callback.status.clone()),
        };
        let stored = StoredMessage {
            error_code: callback.error_code.map(ErrorCode::get),
            notification_id: origin.map(|origin| origin.notification_id.clone()),
            attempt: origin.map(|origin| origin.attempt),
            unreadable_parameters: callback.unreadable_parameters.clone(),
            ..StoredMessage::new(sid, account_sid, event, form, arrival, retention)
        };
        self.messages.record(&stored).await
    }
}
