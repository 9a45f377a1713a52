//! `POST /twilio/inbound`: a person wrote to us.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (the API's own
//! domain), `OPT_OUT_LANGUAGES` (all that are known), `OPT_OUT_SCOPE` (`all`, or `sender`) and `MESSAGE_RETENTION_DAYS`
//! (30).

use std::convert::Infallible;

use domain::opt_out_request::Intent;
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
    contacts::Contacts,
    messages::{MessageArrival, RecordOutcome},
    record_inbound::{InboundRecorder, OptOutPolicy},
};
use twilio_webhook::{inbound_message::InboundMessage, twiml};

/// The function.
#[derive(Debug)]
pub struct InboundFunction {
    verifier: WebhookVerifier,
    recorder: InboundRecorder,
}

impl InboundFunction {
    /// Reads the environment, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let scope = env::optional_parsed("OPT_OUT_SCOPE")?.unwrap_or_default();
        // The words are brought into the spelling they are compared in while the connections open.
        let languages = async { env::optional_parsed("OPT_OUT_LANGUAGES").map(Option::unwrap_or_default) };
        let (webhook, languages) = tokio::join!(WebhookResources::from_env(), languages);
        let WebhookResources { verifier, dynamodb, messages, retention } = webhook?;
        let contacts = Contacts::new(dynamodb.clone(), contacts_table);
        let policy = OptOutPolicy { languages: languages?, scope };
        Ok(Self { verifier, recorder: InboundRecorder::new(dynamodb, messages, contacts, policy, retention) })
    }

    /// Takes a message: 200 with TwiML when it stands in the table. A duplicate is answered as the first was.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let response = match self.take(event.payload, Timestamp::now()).await {
            Ok(twiml) => http_reply::text(StatusCode::OK, twiml::CONTENT_TYPE, twiml),
            Err(error) => error.into_response(),
        };
        Ok(http_reply::for_api_gateway(response))
    }

    async fn take(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<String, WebhookError> {
        let form = self.verifier.verify(event).await?;
        let message = InboundMessage::parse(&form)?;
        let taken = self.recorder.record(&message, (&form).into(), MessageArrival::webhook(now)).await?;
        tracing::info!(
            message_sid = %message.message_sid,
            wish = ?taken.intent.preference(),
            near_miss = matches!(taken.intent, Intent::PossibleOptOut(_)),
            first = matches!(taken.recorded, RecordOutcome::First),
            "inbound message"
        );
        Ok(taken.answer.map_or_else(|| twiml::EMPTY.to_owned(), |body| twiml::message(&body)))
    }
}
