//! Webhooks to the system under test: signed, with Twilio's time-outs and retries, and with the planned faults.

use twilio_types::{message_status::MessageStatus, sid::MessageSid};
use twilio_webhook::form::Form;

mod entry;
mod post;

pub(crate) use post::{deliver, post_again};

/// A webhook with everything but its signature.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingWebhook {
    pub(crate) url: String,
    pub(crate) form: Form,
    pub(crate) message_sid: MessageSid,
    /// The address of the person that it is about.
    pub(crate) person: String,
    /// None for an inbound message.
    pub(crate) status: Option<MessageStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// The result of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebhookDelivery {
    /// It was lost on purpose, and never posted.
    Lost,
    /// There was no connection, or no answer in time.
    Unanswered,
    Answered(WebhookAnswer),
}

impl WebhookDelivery {
    pub(crate) fn answer(&self) -> Option<&WebhookAnswer> {
        if let Self::Answered(answer) = self { Some(answer) } else { None }
    }
}
