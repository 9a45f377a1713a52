//! `POST /twilio/status`: what became of a message we sent.
//!
//! Environment: `MESSAGES_TABLE`, `NOTIFICATIONS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (the API's
//! own domain) and `MESSAGE_RETENTION_DAYS` (30).

use std::convert::Infallible;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    callback_url::notification_in_query,
    dynamodb::{StoreError, Transacted, transact},
    env,
    error_code::ErrorCode,
    limits::{Retention, expiry},
    messages::{Happening, Messages, Recorded, StoredMessage},
    notification::NotificationId,
    notifications::Notifications,
    signature::VerifiedForm,
    status_callback::StatusCallback,
    webhook::{Door, Failure, StartError, Webhook, empty_reply},
};

/// The function.
#[derive(Debug)]
pub struct Status {
    door: Door,
    dynamodb: aws_sdk_dynamodb::Client,
    messages: Messages,
    notifications: Notifications,
    retention: Retention,
}

impl Status {
    /// Reads the environment, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let Webhook { door, dynamodb, messages, retention } = Webhook::from_env().await?;
        let notifications = Notifications::new(dynamodb.clone(), notifications_table);
        Ok(Self { door, dynamodb, messages, notifications, retention })
    }

    /// Takes a callback: 204 when it stands in the table, the first time and every time.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let taken = self.take(event.payload, Timestamp::now()).await;
        Ok(taken.map_or_else(Failure::into_reply, |()| empty_reply(204)))
    }

    async fn take(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<(), Failure> {
        let notification_id = event.raw_query_string.as_deref().and_then(notification_in_query);
        let form = self.door.open(event).await?;
        let callback = StatusCallback::parse(&form)?;
        let stored = self.stored(&callback, &form, notification_id.as_ref(), now);
        let recorded = match &notification_id {
            None => self.messages.record(&stored).await?,
            Some(id) => self.record_and_bind(&stored, id).await?,
        };
        tracing::info!(
            message_sid = %callback.message_sid,
            status = %callback.status,
            error_code = callback.error_code.map(ErrorCode::get),
            first = matches!(recorded, Recorded::First),
            "status callback"
        );
        Ok(())
    }

    fn stored(
        &self,
        callback: &StatusCallback,
        form: &VerifiedForm,
        notification_id: Option<&NotificationId>,
        now: Timestamp,
    ) -> StoredMessage {
        StoredMessage {
            message_sid: callback.message_sid.clone(),
            event: Happening::Status(callback.status),
            account_sid: callback.account_sid.clone(),
            received_at: now,
            expires_at: expiry(now, self.retention.into()),
            raw: form.form().to_raw(),
            answer: None,
            preference: None,
            error_code: callback.error_code.map(ErrorCode::get),
            notification_id: notification_id.cloned(),
        }
    }

    /// Records the status and binds the message to its notification, in one request. A notification that is gone
    /// (its retention is over) is no reason to lose the status.
    async fn record_and_bind(&self, stored: &StoredMessage, id: &NotificationId) -> Result<Recorded, StoreError> {
        let actions = vec![
            self.messages.recording(stored)?,
            self.notifications.binding(&stored.account_sid, id, &stored.message_sid)?,
        ];
        match transact(&self.dynamodb, "recording a status", actions).await? {
            Transacted::Written => Ok(Recorded::First),
            Transacted::Refused(refusals) => match refusals.into_iter().next().flatten() {
                Some(refusal) => Messages::read(refusal.found).map(|found| Recorded::Duplicate(Box::new(found))),
                None => self.messages.record(stored).await,
            },
        }
    }
}
