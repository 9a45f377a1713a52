//! `POST /twilio/inbound`: Twilio received a message from a person.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (default: the API's
//! own domain), `OPT_OUT_LANGUAGES` (default: all that are known), `OPT_OUT_SCOPE` (`all`, the default, or `sender`) and
//! `MESSAGE_RETENTION_DAYS` (default: 30).

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
    webhook::{WebhookError, WebhookResources, WebhookVerifier, receive_in_time},
};
use stores::{
    contacts::Contacts,
    messages::{MessageArrival, RecordOutcome},
    record_inbound::{InboundRecorder, OptOutPolicy},
};
use twilio_webhook::{inbound_message::InboundMessage, twiml};

#[derive(Debug)]
pub struct InboundFunction {
    verifier: WebhookVerifier,
    recorder: InboundRecorder,
}

impl InboundFunction {
    /// Reads the environment and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let scope = env::optional_parsed("OPT_OUT_SCOPE")?.unwrap_or_default();
        // The keywords are normalised while the connections open: that takes the processor, and they take the network.
        let languages = async { env::optional_parsed("OPT_OUT_LANGUAGES").map(Option::unwrap_or_default) };
        let (resources, languages) = tokio::join!(WebhookResources::from_env(), languages);
        let WebhookResources { verifier, dynamodb, messages, retention } = resources?;
        let contacts = Contacts::new(dynamodb.clone(), contacts_table);
        let policy = OptOutPolicy { languages: languages?, scope };
        Ok(Self { verifier, recorder: InboundRecorder::new(dynamodb, messages, contacts, policy, retention) })
    }

    /// Answers 200 with TwiML once the message is stored. A duplicate gets the answer of the first one. A message that is not
    /// stored by the deadline is answered with 500, because Twilio waits no longer than 15 seconds.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let received = self.receive(event.payload, Timestamp::now());
        let response = match receive_in_time(event.context.deadline, received).await {
            Ok(twiml) => http_reply::text(StatusCode::OK, twiml::CONTENT_TYPE, twiml),
            Err(error) => error.into_response(),
        };
        Ok(http_reply::for_api_gateway(response))
    }

    /// Gives the TwiML to answer with.
    async fn receive(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<String, WebhookError> {
        let form = self.verifier.verify(event).await?;
        let message = InboundMessage::parse(&form)?;
        let stored = self.recorder.record(&message, (&form).into(), MessageArrival::webhook(now)).await?;
        tracing::info!(
            account_sid = %message.account_sid,
            message_sid = %message.message_sid,
            opt_out_request = ?stored.intent.preference(),
            possible_opt_out = matches!(stored.intent, Intent::PossibleOptOut(_)),
            duplicate = matches!(stored.recorded, RecordOutcome::Duplicate(_)),
            "an inbound message is stored"
        );
        Ok(stored.answer.map_or_else(|| twiml::EMPTY.to_owned(), |body| twiml::message(&body)))
    }
}
