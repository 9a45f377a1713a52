//! What is sent when a webhook or an API call of the timeline is sent again.

use axum::{
    body::Bytes,
    http::{HeaderValue, Method},
};

use crate::{event_streams::post::SinkPost, webhook::OutgoingWebhook};

/// The longest body of a call that is remembered, in bytes.
const MAX_BODY: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(crate) enum RepeatedRequest {
    /// A webhook with its idempotency token.
    Webhook(Box<OutgoingWebhook>, String),
    Call(RepeatedCall),
    /// An event of Event Streams.
    Event(Box<SinkPost>),
}

/// A call of Twilio's API.
#[derive(Debug, Clone)]
pub(crate) struct RepeatedCall {
    pub(crate) method: Method,
    pub(crate) path_and_query: String,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

impl RepeatedCall {
    /// The call, unless its body is too long to be remembered.
    pub(crate) fn kept(self) -> Option<RepeatedRequest> {
        (self.body.len() <= MAX_BODY).then_some(RepeatedRequest::Call(self))
    }
}

impl RepeatedRequest {
    /// About how many bytes it needs.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Webhook(webhook, _) => {
                webhook.form.pairs().iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            }
            Self::Call(call) => call.body.len(),
            Self::Event(post) => post.size(),
        }
    }
}
