//! `POST /twilio/status`: what became of a message we sent.
//!
//! Environment: `MESSAGES_TABLE`, `NOTIFICATIONS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (the API's
//! own domain) and `MESSAGE_RETENTION_DAYS` (30).

use std::convert::Infallible;

use domain::callback_url::origin_in_query;
use jiff::Timestamp;
use lambda_http::{
    LambdaEvent,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use shared::{
    env, http_reply,
    start::StartError,
    webhook::{WebhookError, WebhookResources, WebhookVerifier},
};
use stores::{
    messages::{MessageArrival, RecordOutcome},
    notifications::Notifications,
    record_status::StatusRecorder,
};
use twilio_types::error_code::ErrorCode;
use twilio_webhook::status_callback::StatusCallback;

/// The function.
#[derive(Debug)]
pub struct StatusFunction {
    verifier: WebhookVerifier,
    recorder: StatusRecorder,
}

impl StatusFunction {
    /// Reads the environment, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let WebhookResources { verifier, dynamodb, messages, retention } = WebhookResources::from_env().await?;
        let notifications = Notifications::new(dynamodb.clone(), notifications_table);
        Ok(Self { verifier, recorder: StatusRecorder::new(dynamodb, messages, notifications, retention) })
    }

    /// Takes a callback: 204 when it stands in the table, the first time and every time.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let response = match self.take(event.payload, Timestamp::now()).await {
            Ok(()) => http_reply::empty(StatusCode::NO_CONTENT),
            Err(error) => error.into_response(),
        };
        Ok(http_reply::for_api_gateway(response))
    }

    async fn take(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<(), WebhookError> {
        let origin = event.raw_query_string.as_deref().and_then(origin_in_query);
        let form = self.verifier.verify(event).await?;
        let callback = StatusCallback::parse(&form)?;
        let arrival = MessageArrival::webhook(now);
        let recorded = self.recorder.record(&callback, (&form).into(), origin.as_ref(), arrival).await?;
        tracing::info!(
            message_sid = %callback.message_sid,
            status = %callback.status,
            error_code = callback.error_code.map(ErrorCode::get),
            first = matches!(recorded, RecordOutcome::First),
            "status callback"
        );
        Ok(())
    }
}
