//! The events of a change.

use shared::queues::QueueError;
use stores::{
    dynamodb::StoreError,
    fault::AwsFault,
    messages::{MessageEvent, Messages, StoredMessage},
    notifications::Notifications,
};
use twilio_webhook::{
    form::Form,
    inbound_message::{InboundMessage, InvalidForm},
    signature::TrustedForm,
    status_callback::StatusCallback,
};

use crate::{
    event::Event,
    reactions::Reactor,
    record::{Change, UnreadableRecord},
};

/// Looks up what an event says besides its change.
#[derive(Debug)]
pub(crate) struct EventBuilder {
    pub(crate) messages: Messages,
    pub(crate) notifications: Notifications,
    pub(crate) reactor: Reactor,
}

/// A change of which no event was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error(transparent)]
    Record(#[from] UnreadableRecord),
    #[error("a stored form cannot be read")]
    Form(#[from] InvalidForm),
    #[error("an event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl EventError {
    /// Whether every retry would end alike. What else fails is a matter of time or of a permission: it succeeds later.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Record(_) | Self::Form(_) | Self::Json(_) => true,
            Self::Store(error) => error.fault() == AwsFault::Invalid,
            Self::Queue(error) => error.fault() == AwsFault::Invalid,
        }
    }
}

impl EventBuilder {
    pub(crate) async fn events(&self, change: Change) -> Result<Vec<Event>, EventError> {
        match change {
            Change::Message(stored) => {
                let form = Form::from(stored.raw.clone());
                let form = TrustedForm::Stored(&form);
                match stored.event {
                    MessageEvent::Inbound => self.inbound(InboundMessage::parse(form)?, *stored).await,
                    MessageEvent::Status(_) => self.status(StatusCallback::parse(form)?, *stored).await,
                }
            }
            Change::Notification(stored) => {
                let opted_out = self.reactor.to_end(&stored).await?;
                Ok(Event::notification(*stored).into_iter().chain(opted_out).collect())
            }
            Change::Nothing => Ok(Vec::new()),
        }
    }

    async fn inbound(&self, message: InboundMessage, stored: StoredMessage) -> Result<Vec<Event>, EventError> {
        self.reactor.to_inbound(&message, stored.preference, stored.received_at).await?;
        let preference =
            stored.preference.map(|preference| Event::preference(&message, preference, stored.received_at));
        Ok([Event::inbound(message, stored)].into_iter().chain(preference).collect())
    }

    async fn status(&self, callback: StatusCallback, stored: StoredMessage) -> Result<Vec<Event>, EventError> {
        let reported = self.messages.statuses(&callback.message_sid).await?;
        let notification = match &stored.notification_id {
            Some(id) => self.notifications.get(&callback.account_sid, id).await?,
            None => None,
        };
        let opted_out = self.reactor.to_status(&callback, notification.as_ref(), stored.received_at).await?;
        Ok([Event::status(callback, stored, reported, notification)].into_iter().chain(opted_out).collect())
    }
}
