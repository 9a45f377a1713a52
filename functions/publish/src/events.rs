//! The events of a change.

use stores::{
    messages::{MessageEvent, Messages, StoredMessage},
    notifications::Notifications,
};
use twilio_webhook::{
    form::Form, inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback,
};

use crate::{error::EventError, event::Event, reactions::Reactor, record::Change};

/// Looks up what an event says besides its change.
#[derive(Debug)]
pub(crate) struct EventBuilder {
    pub(crate) messages: Messages,
    pub(crate) notifications: Notifications,
    pub(crate) reactor: Reactor,
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
