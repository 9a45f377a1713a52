//! `POST /sendgrid/events`: SendGrid's Signed Event Webhook reports what became of e-mails.
//!
//! 1. The signature is verified ([`mod@verify`]). It says which accounts of the secret the request may speak of.
//! 2. Each event that names a notification and an attempt is stored with one conditional write, in the Messages table beside
//!    the status callbacks of other attempts. `publish` reads from the stream what it means for the notification. Other
//!    events, also of e-mails that another system sent with the same key, are counted in the log and left out.
//!    An entry that is no event is left out with an alarm.
//! 3. The answer is 204 when everything is stored. Otherwise it is 500, and SendGrid sends the whole request again, for 24
//!    hours (Twilio SendGrid, "Getting Started with the Event Webhook"). What was stored already is a duplicate then.
//!
//! SendGrid's timestamp may be old when a request is repeated, and an event that comes twice changes nothing. So the age of
//! a request is not limited.
//!
//! Environment: `MESSAGES_TABLE`, `TWILIO_SECRET_ID`, and optionally `MESSAGE_RETENTION_DAYS` (30) and
//! `SECRET_MAX_AGE_SECONDS` (300).

use std::convert::Infallible;

use domain::{limits::Retention, trace_id::TraceId};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use lambda_http::{
    LambdaEvent,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use sendgrid_client::ParsedEvents;
use shared::{
    deadline::Deadline,
    env, http_reply,
    log::traced,
    secrets::Secrets,
    start::{StartError, log_warm_up},
};
use stores::messages::{EmailRecordOutcome, Messages, StoredEmailEvent};

mod error;
mod reported;
mod verify;

use error::EventsError;
use verify::SignedRequest;

/// The function.
#[derive(Debug)]
pub struct SendGridEventsFunction {
    secrets: Secrets,
    messages: Messages,
    retention: Retention,
}

/// How many events are written at a time.
const CONCURRENT_WRITES: usize = 16;

/// What became of the events of a request.
#[derive(Debug, Default, PartialEq, Eq)]
struct StoredEvents {
    first: usize,
    duplicates: usize,
    /// They name no attempt of one of our notifications, or say nothing of the delivery.
    ignored: usize,
}

impl SendGridEventsFunction {
    /// Reads the environment and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let retention = env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default();
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = shared::aws::config().await?;
        let messages = Messages::new(aws_sdk_dynamodb::Client::new(&config), messages_table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (secrets, warmed) = tokio::join!(Secrets::load(secrets_manager, secret_id, max_age), messages.warm());
        log_warm_up(warmed);
        Ok(Self { secrets: secrets?, messages, retention })
    }

    /// Answers once all events are stored.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let request_id = event.payload.request_context.request_id.clone();
        let stored = self.store(event.payload, Timestamp::now());
        let stored = match Deadline::of_answer(event.context.deadline).run(stored).await {
            Ok(stored) => stored,
            Err(late) => Err(late.into()),
        };
        let response = match stored {
            Ok(stored) => {
                let StoredEvents { first, duplicates, ignored } = stored;
                tracing::info!(first, duplicates, ignored, "events of e-mails are stored");
                http_reply::empty(StatusCode::NO_CONTENT)
            }
            Err(error) => error.into_response(request_id.as_deref()),
        };
        Ok(http_reply::for_api_gateway(response))
    }

    async fn store(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<StoredEvents, EventsError> {
        let request = SignedRequest::read(event)?;
        let accounts = request.verify(&self.secrets).await?;
        let ParsedEvents { events, unreadable } = sendgrid_client::parse_events(&request.body)?;
        if unreadable > 0 {
            // A repetition of the request would be no better.
            tracing::error!(
                unreadable,
                alarm = "refused",
                "entries of a request of SendGrid's are no events, and are left out"
            );
        }
        let items = events.iter().filter_map(|event| reported::item_of(event, &accounts, now, self.retention));
        let items: Vec<_> = items.collect();
        let mut stored = StoredEvents { ignored: events.len() - items.len(), ..StoredEvents::default() };
        let write = async |item: &StoredEmailEvent| {
            self.messages.record_email(item).await.inspect(|outcome| log_recorded(item, *outcome))
        };
        let mut writes = stream::iter(&items).map(write).buffer_unordered(CONCURRENT_WRITES);
        let mut failure = None;
        // One that cannot be written does not keep the others from being written.
        while let Some(outcome) = writes.next().await {
            match outcome {
                Ok(EmailRecordOutcome::First) => stored.first += 1,
                Ok(EmailRecordOutcome::Duplicate) => stored.duplicates += 1,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(stored), |error| Err(error.into()))
    }
}

fn log_recorded(item: &StoredEmailEvent, outcome: EmailRecordOutcome) {
    let notification_id = &item.notification_id;
    traced(&TraceId::of_notification(&item.account_sid, notification_id)).in_scope(|| {
        tracing::info!(
            webhook = "email",
            %notification_id,
            status = item.email_status.as_str(),
            duplicate = outcome == EmailRecordOutcome::Duplicate,
            "an event of an e-mail is stored"
        );
    });
}
