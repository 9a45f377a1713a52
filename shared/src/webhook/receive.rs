//! What both webhook functions do with a request: they verify it, tell what its form is, record it, and answer.
//!
//! The two URLs are easily confused in Twilio's Console, and a person's STOP holds all the same. So each function records
//! every kind of form that Twilio signed: what a form is depends on the form alone ([`Webhook::of`]).

use std::time::Duration;

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use domain::{callback_url::CallbackOrigin, opt_out_request::Intent, trace_id::TraceId};
use jiff::Timestamp;
use stores::{
    contacts::Contacts,
    messages::{FormOutcome, MessageArrival, Messages, RecordOutcome, StoredForm},
    record_inbound::InboundRecorder,
    record_status::StatusRecorder,
};
use tracing::Instrument as _;
use twilio_types::error_code::ErrorCode;
use twilio_webhook::{
    inbound_message::InboundMessage,
    signature::TrustedForm,
    status_callback::StatusCallback,
    twiml,
    webhook::{UnknownWebhook, Webhook},
};

use super::{WebhookError, WebhookVerifier};
use crate::{
    deadline::{ANSWER_RESERVE, Deadline},
    env, http_reply,
    log::{found_trace, untraced},
    secrets::Secrets,
    start::{StartError, log_warm_up},
    tenants::TenantCache,
};

/// Twilio waits this long for an answer, and then takes the webhook for failed. Source: Twilio, "Webhooks: Connection
/// overrides", read timeout (`rt`).
const TWILIO_READ_TIMEOUT: Duration = Duration::from_secs(15);

/// Receives webhooks of every kind.
#[derive(Debug)]
pub struct WebhookReceiver {
    verifier: WebhookVerifier,
    inbound: InboundRecorder,
    statuses: StatusRecorder,
    messages: Messages,
    tenants: TenantCache,
}

/// How Twilio is answered once a form is stored.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// 200 with this TwiML.
    Twiml(String),
    /// 204: Twilio does not read what the answer to a status callback says, and an empty form asks for nothing.
    Empty,
}

impl WebhookReceiver {
    /// Reads `MESSAGES_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID` and optionally `PUBLIC_BASE_URL`,
    /// `SECRET_MAX_AGE_SECONDS` and what [`TenantCache::from_env`] reads, builds the clients and opens their connections. Reading the secret opens the one to Secrets Manager.
    pub async fn from_env() -> Result<Self, StartError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let public_base_url = env::optional_parsed("PUBLIC_BASE_URL")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = crate::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let messages = Messages::new(dynamodb.clone(), messages_table);
        let contacts = Contacts::new(dynamodb.clone(), contacts_table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        // The keywords are normalised while the connections open: that needs the processor, and they wait for the network.
        let (secrets, warmed, tenants) = tokio::join!(
            Secrets::load(secrets_manager, secret_id, max_age),
            messages.warm(),
            TenantCache::from_env(&dynamodb)
        );
        log_warm_up(warmed);
        Ok(Self {
            verifier: WebhookVerifier { secrets: secrets?.into(), public_base_url },
            inbound: InboundRecorder::new(dynamodb, messages.clone(), contacts),
            statuses: StatusRecorder::new(messages.clone()),
            messages,
            tenants: tenants?,
        })
    }

    /// Answers a message with 200 and TwiML, a status with 204, and another form with 200 and empty TwiML, once it is stored. An
    /// empty form, with which `wa` tries a signature, is answered with 204 and not stored. A duplicate gets the answer of the
    /// first one. What is not stored by the deadline is answered with 500, because Twilio waits no longer than 15 seconds.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest, deadline_ms: u64) -> ApiGatewayV2httpResponse {
        let request_id = event.request_context.request_id.clone();
        let received = receive_in_time(deadline_ms, self.receive(event, Timestamp::now()));
        let answered = async {
            match received.await {
                Ok(Answer::Twiml(twiml)) => http_reply::text(StatusCode::OK, twiml::CONTENT_TYPE, twiml),
                Ok(Answer::Empty) => http_reply::empty(StatusCode::NO_CONTENT),
                Err(error) => error.into_response(request_id.as_deref()),
            }
        };
        // Also the line about a webhook that was understood and not stored has its trace id.
        http_reply::for_api_gateway(answered.instrument(untraced()).await)
    }

    async fn receive(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<Answer, WebhookError> {
        // The query names the notification that the message was sent for. The signature covers it.
        let origin = event.raw_query_string.as_deref().and_then(CallbackOrigin::in_query);
        let path = event.raw_path.clone().unwrap_or_default();
        let form = self.verifier.verify(event).await?;
        let form = TrustedForm::from(&form);
        let arrival = MessageArrival::webhook(now);
        match Webhook::of(form)? {
            Webhook::Inbound(message) => {
                found_trace(&TraceId::of_message(&message.account_sid, &message.message_sid));
                self.record_inbound(&message, form, arrival).await
            }
            Webhook::Status(callback) => {
                let StatusCallback { account_sid, message_sid, .. } = &*callback;
                let notification_id = origin.as_ref().map(|origin| &origin.notification_id);
                found_trace(&TraceId::of_callback(account_sid, message_sid, notification_id));
                self.record_status(&callback, form, origin.as_ref(), arrival).await
            }
            Webhook::Unknown(unknown) => self.record_unknown(&unknown, form, &path, arrival).await,
            Webhook::Empty(account_sid) => {
                tracing::info!(%account_sid, "a signed form with nothing but its account is not stored");
                Ok(Answer::Empty)
            }
        }
    }

    async fn record_inbound(
        &self,
        message: &InboundMessage,
        form: TrustedForm<'_>,
        arrival: MessageArrival,
    ) -> Result<Answer, WebhookError> {
        let settings = self.tenants.of(&message.account_sid).await;
        let stored = self.inbound.record(message, form, arrival, &settings).await?;
        tracing::info!(
            webhook = "inbound",
            account_sid = %message.account_sid,
            message_sid = %message.message_sid,
            opt_out_request = ?stored.intent.preference(),
            possible_opt_out = matches!(stored.intent, Intent::PossibleOptOut(_)),
            duplicate = matches!(stored.recorded, RecordOutcome::Duplicate(_)),
            unreadable_parameters = unreadable_names(&message.unreadable_parameters),
            "an inbound message is stored"
        );
        Ok(Answer::Twiml(stored.answer.map_or_else(|| twiml::EMPTY.to_owned(), |body| twiml::message(&body))))
    }

    async fn record_status(
        &self,
        callback: &StatusCallback,
        form: TrustedForm<'_>,
        origin: Option<&CallbackOrigin>,
        arrival: MessageArrival,
    ) -> Result<Answer, WebhookError> {
        let retention = self.tenants.of(&callback.account_sid).await.retention;
        let recorded = self.statuses.record(callback, form, origin, arrival, retention).await?;
        tracing::info!(
            webhook = "status",
            account_sid = %callback.account_sid,
            message_sid = %callback.message_sid,
            notification_id = origin.map(|origin| tracing::field::display(&origin.notification_id)),
            status = %callback.status,
            error_code = callback.error_code.map(ErrorCode::get),
            duplicate = matches!(recorded, RecordOutcome::Duplicate(_)),
            unreadable_parameters = unreadable_names(&callback.unreadable_parameters),
            "a status callback is stored"
        );
        Ok(Answer::Empty)
    }

    async fn record_unknown(
        &self,
        unknown: &UnknownWebhook,
        form: TrustedForm<'_>,
        path: &str,
        arrival: MessageArrival,
    ) -> Result<Answer, WebhookError> {
        let retention = self.tenants.of(&unknown.account_sid).await.retention;
        let recorded = self.messages.record_form(&StoredForm::new(unknown, form, path, arrival, retention)).await?;
        tracing::warn!(
            webhook = "unknown",
            account_sid = %unknown.account_sid,
            path,
            duplicate = recorded == FormOutcome::Duplicate,
            unreadable_parameters = unreadable_names(&unknown.unreadable_parameters),
            "a form that is neither a message nor a status is stored"
        );
        Ok(Answer::Twiml(twiml::EMPTY.to_owned()))
    }
}

/// Receives a webhook until its answer is due: before the invocation ends, also if its timeout is longer than Twilio waits.
pub(super) fn receive_in_time<T>(
    deadline_ms: u64,
    receive: impl Future<Output = Result<T, WebhookError>>,
) -> impl Future<Output = Result<T, WebhookError>> {
    let twilio = Deadline::after(TWILIO_READ_TIMEOUT).before(ANSWER_RESERVE);
    let received = Deadline::of_answer(deadline_ms).min(twilio).run(receive);
    async { received.await? }
}

/// The names of the parameters that cannot be read, as the field of a log line: the metric `NotUnderstood` counts the lines
/// that have it.
pub fn unreadable_names(unreadable: &[String]) -> Option<String> {
    (!unreadable.is_empty()).then(|| unreadable.join(","))
}
