//! `POST /twilio/status`: Twilio reports the status of a message.
//!
//! The callback is stored with one write, and nothing else, or spooled where DynamoDB does not write in time: `publish` reads from
//! the stream what it means for a notification. A message from a person that comes here by mistake is recorded as what it is, and
//! a STOP holds: see [`WebhookReceiver`].
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (default: the API's
//! own domain), `SPOOL_QUEUE_URL` (default: what cannot be stored is answered with 500), `SECRET_MAX_AGE_SECONDS` (default: 300),
//! `TENANTS_TABLE`, and for the accounts that its document does not name `OPT_OUT_LANGUAGES` (default: all that are known),
//! `OPT_OUT_KEYWORDS` (default: no change), `OPT_OUT_SCOPE` (`all`, the default, or `sender`) and `MESSAGE_RETENTION_DAYS`
//! (default: 30).

use std::convert::Infallible;

use lambda_http::{
    LambdaEvent,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
};
use shared::{start::StartError, webhook::WebhookReceiver};

#[derive(Debug)]
pub struct StatusFunction {
    receiver: WebhookReceiver,
}

impl StatusFunction {
    /// Reads the environment and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        Ok(Self { receiver: WebhookReceiver::from_env().await? })
    }

    /// Answers once the form is stored.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        Ok(self.receiver.handle(event.payload, event.context.deadline).await)
    }
}
