//! `POST /twilio/status`: Twilio reports the status of a message.
//!
//! The callback is stored with one write, and nothing else: `publish` reads from the stream what it means for a
//! notification.
//!
//! Environment: `MESSAGES_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (default: the API's own domain) and
//! `MESSAGE_RETENTION_DAYS` (default: 30).

use std::convert::Infallible;

use domain::callback_url::origin_in_query;
use jiff::Timestamp;
use lambda_http::{
    LambdaEvent,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use shared::{
    http_reply,
    start::StartError,
    webhook::{WebhookError, WebhookResources, WebhookVerifier, receive_in_time},
};
use stores::{
    messages::{MessageArrival, RecordOutcome},
    record_status::StatusRecorder,
};
use twilio_types::error_code::ErrorCode;
use twilio_webhook::status_callback::StatusCallback;

#[derive(Debug)]
pub struct StatusFunction {
    verifier: WebhookVerifier,
    recorder: StatusRecorder,
}

impl StatusFunction {
    /// Reads the environment and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let WebhookResources { verifier, messages, retention, .. } = WebhookResources::from_env().await?;
        Ok(Self { verifier, recorder: StatusRecorder::new(messages, retention) })
    }

    /// Answers 204 once the callback is stored, also to a duplicate, and 500 if it is not stored by the deadline.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let received = self.receive(event.payload, Timestamp::now());
        let response = match receive_in_time(event.context.deadline, received).await {
            Ok(()) => http_reply::empty(StatusCode::NO_CONTENT),
            Err(error) => error.into_response(),
        };
        Ok(http_reply::for_api_gateway(response))
    }

    async fn receive(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<(), WebhookError> {
        // The query names the notification that the message was sent for. The signature covers it.
        let origin = event.raw_query_string.as_deref().and_then(origin_in_query);
        let form = self.verifier.verify(event).await?;
        let callback = StatusCallback::parse(&form)?;
        let form = (&form).into();
        let recorded = self.recorder.record(&callback, form, origin.as_ref(), MessageArrival::webhook(now)).await?;
        tracing::info!(
            account_sid = %callback.account_sid,
            message_sid = %callback.message_sid,
            notification_id = origin.as_ref().map(|origin| tracing::field::display(&origin.notification_id)),
            status = %callback.status,
            error_code = callback.error_code.map(ErrorCode::get),
            duplicate = matches!(recorded, RecordOutcome::Duplicate(_)),
            "a status callback is stored"
        );
        Ok(())
    }
}
