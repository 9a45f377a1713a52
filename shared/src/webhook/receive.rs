//! What both webhook functions do with a request: they verify it, tell what its form is, record it, and answer.
//!
//! The two URLs are easily confused in Twilio's Console, and a person's STOP holds all the same. So each function records
//! every kind of form that Twilio signed: what a form is depends on the form alone ([`Webhook::of`]).
//!
//! A webhook that DynamoDB does not store in time is spooled, with its time of arrival, and answered as if it were stored: the
//! function `apply-webhooks` records it as soon as DynamoDB does. Whether a write that was not answered in time happened is not
//! known, and makes no difference: the same record a second time is refused as a duplicate. A STOP that is spooled gets no
//! confirmation, because that says that the STOP holds.

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use domain::callback_url::CallbackOrigin;
use jiff::Timestamp;
use stores::messages::MessageArrival;
use tracing::Instrument as _;
use twilio_webhook::{signature::TrustedForm, twiml, webhook::Webhook};

use super::{
    ArrivedForm, NotRecorded, SpooledWebhook, WebhookAnswer, WebhookError, WebhookRecorder, WebhookVerifier,
    budget::WebhookBudget, record::account_of,
};
use crate::{
    aws, env, http_reply, log::untraced, queues::SpoolQueue, report::Chain, secrets::Secrets, start::StartError,
};

/// Receives webhooks of every kind.
#[derive(Debug)]
pub struct WebhookReceiver {
    verifier: WebhookVerifier,
    recorder: WebhookRecorder,
    /// None: what cannot be stored is answered with 500.
    spool: Option<SpoolQueue>,
}

impl WebhookReceiver {
    /// Reads `TWILIO_SECRET_ID`, what [`WebhookRecorder::from_env`] reads, and optionally `PUBLIC_BASE_URL`, `SPOOL_QUEUE_URL` and
    /// `SECRET_MAX_AGE_SECONDS`, builds the clients and opens their connections. Reading the secret opens the one to Secrets
    /// Manager.
    pub async fn from_env() -> Result<Self, StartError> {
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let public_base_url = env::optional_parsed("PUBLIC_BASE_URL")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = aws::config().await?;
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let config = aws::for_webhooks(&config);
        let spool = env::optional("SPOOL_QUEUE_URL");
        let (secrets, recorder) =
            tokio::join!(Secrets::load(secrets_manager, secret_id, max_age), WebhookRecorder::from_env(&config));
        Ok(Self {
            verifier: WebhookVerifier { secrets: secrets?.into(), public_base_url },
            recorder: recorder?,
            spool: spool.map(|url| SpoolQueue::new(aws_sdk_sqs::Client::new(&config), url)),
        })
    }

    /// Answers a message with 200 and TwiML, a status with 204, and another form with 200 and empty TwiML, once it is stored or
    /// spooled. An empty form, with which `wa` tries a signature, is answered with 204 and not stored. A duplicate gets the answer
    /// of the first one. What is neither stored nor spooled in time is answered with 500, because Twilio waits no longer than 15
    /// seconds.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest, deadline_ms: u64) -> ApiGatewayV2httpResponse {
        let request_id = event.request_context.request_id.clone();
        let budget = WebhookBudget::of_invocation(deadline_ms, self.spool.is_some());
        let answered = async {
            match self.receive(event, Timestamp::now(), budget).await {
                Ok(WebhookAnswer::Twiml(twiml)) => http_reply::text(StatusCode::OK, twiml::CONTENT_TYPE, twiml),
                Ok(WebhookAnswer::Empty) => http_reply::empty(StatusCode::NO_CONTENT),
                Err(error) => error.into_response(request_id.as_deref()),
            }
        };
        // Also the line about a webhook that was understood and not stored has its trace id.
        http_reply::for_api_gateway(answered.instrument(untraced()).await)
    }

    async fn receive(
        &self,
        event: ApiGatewayV2httpRequest,
        now: Timestamp,
        budget: WebhookBudget,
    ) -> Result<WebhookAnswer, WebhookError> {
        // The query names the notification that the message was sent for. The signature covers it.
        let origin = event.raw_query_string.as_deref().and_then(CallbackOrigin::in_query);
        let path = event.raw_path.clone().unwrap_or_default();
        let form = budget.verified_by().run(self.verifier.verify(event)).await??;
        let form = TrustedForm::from(&form);
        let webhook = Webhook::of(form)?;
        let arrived = ArrivedForm { form, path: &path, origin: origin.as_ref(), arrival: MessageArrival::webhook(now) };
        match (self.recorder.record(&webhook, arrived, budget.stored_by()).await, &self.spool) {
            (Ok(answer), _) => Ok(answer),
            (Err(not_recorded), Some(spool)) => spool_webhook(spool, &webhook, arrived, &not_recorded, budget).await,
            (Err(not_recorded), None) => Err(not_recorded.into()),
        }
    }
}

/// Puts a webhook that is not recorded on the queue, and answers without a message to the person.
async fn spool_webhook(
    spool: &SpoolQueue,
    webhook: &Webhook,
    arrived: ArrivedForm<'_>,
    not_recorded: &NotRecorded,
    budget: WebhookBudget,
) -> Result<WebhookAnswer, WebhookError> {
    let spooled = SpooledWebhook {
        form: arrived.form.form().clone(),
        path: arrived.path.to_owned(),
        origin: arrived.origin.cloned(),
        arrived_at: arrived.arrival.at,
    };
    let (account_sid, body) = (account_of(webhook), spooled.body());
    let not_stored = Chain(not_recorded).to_string();
    match budget.spooled_by().run(spool.put(&body, account_sid)).await {
        Ok(Ok(())) => {
            tracing::error!(
                %account_sid,
                message_sid = message_sid(webhook).map(tracing::field::display),
                path = arrived.path,
                error = not_stored,
                alarm = "spooled",
                "a webhook is spooled, because it was not stored in time"
            );
            Ok(WebhookAnswer::without_message(webhook))
        }
        Ok(Err(error)) => Err(WebhookError::NotSpooled { not_stored, source: error.into() }),
        Err(exceeded) => Err(WebhookError::NotSpooled { not_stored, source: exceeded.into() }),
    }
}

/// The message that a webhook is about.
fn message_sid(webhook: &Webhook) -> Option<&twilio_types::sid::MessageSid> {
    match webhook {
        Webhook::Inbound(message) => Some(&message.message_sid),
        Webhook::Status(callback) => Some(&callback.message_sid),
        Webhook::Unknown(_) | Webhook::Empty(_) => None,
    }
}

#[cfg(test)]
mod tests;
