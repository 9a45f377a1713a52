//! `POST /twilio/inbound`: a person wrote to us.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (the API's own
//! domain), `OPT_OUT_LANGUAGES` (all that are known) and `MESSAGE_RETENTION_DAYS` (30).

use std::convert::Infallible;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    contacts::Contacts,
    dynamodb::StoreError,
    env,
    inbound::InboundMessage,
    limits::{Retention, expiry},
    messages::{Happening, Messages, Recorded, StoredMessage},
    opt_out::Languages,
    signature::VerifiedForm,
    twiml,
    webhook::{Door, Failure, StartError, Webhook, reply},
};

mod preference;
mod wish;

use preference::PreferenceWriter;
use wish::Wish;

/// The function.
#[derive(Debug)]
pub struct Inbound {
    door: Door,
    messages: Messages,
    preferences: PreferenceWriter,
    languages: Languages,
    retention: Retention,
}

impl Inbound {
    /// Reads the environment, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let contacts_table = env::required("CONTACTS_TABLE")?;
        // The words are brought into the spelling they are compared in while the connections open.
        let languages = async { env::optional_parsed("OPT_OUT_LANGUAGES").map(Option::unwrap_or_default) };
        let (webhook, languages) = tokio::join!(Webhook::from_env(), languages);
        let Webhook { door, dynamodb, messages, retention } = webhook?;
        let contacts = Contacts::new(dynamodb.clone(), contacts_table);
        let preferences = PreferenceWriter::new(dynamodb, messages.clone(), contacts);
        Ok(Self { door, messages, preferences, languages: languages?, retention })
    }

    /// Takes a message: 200 with TwiML when it stands in the table. A duplicate is answered as the first was.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let answer = self.take(event.payload, Timestamp::now()).await;
        Ok(answer.map_or_else(Failure::into_reply, |twiml| reply(200, twiml::CONTENT_TYPE, twiml)))
    }

    async fn take(&self, event: ApiGatewayV2httpRequest, now: Timestamp) -> Result<String, Failure> {
        let form = self.door.open(event).await?;
        let message = InboundMessage::parse(&form)?;
        let stored = self.stored(&message, &form, now);
        let wish = Wish::of(&message, &self.languages);
        let (answer, recorded) = self.record(&message, stored, wish).await?;
        tracing::info!(
            message_sid = %message.message_sid,
            wish = ?wish.map(|wish| wish.preference),
            first = matches!(recorded, Recorded::First),
            "inbound message"
        );
        Ok(answer.map_or_else(|| twiml::EMPTY.to_owned(), |body| twiml::message(&body)))
    }

    /// Records the message, and what it wishes in the same transaction, so that a STOP that was answered is kept.
    async fn record(
        &self,
        message: &InboundMessage,
        stored: StoredMessage,
        wish: Option<Wish>,
    ) -> Result<(Option<String>, Recorded), StoreError> {
        let (answer, recorded) = match wish {
            None => (None, self.messages.record(&stored).await?),
            Some(wish) => self.preferences.record(message, stored, wish).await?,
        };
        Ok(match recorded {
            Recorded::First => (answer, Recorded::First),
            Recorded::Duplicate(first) => (first.answer.clone(), Recorded::Duplicate(first)),
        })
    }

    fn stored(&self, message: &InboundMessage, form: &VerifiedForm, now: Timestamp) -> StoredMessage {
        StoredMessage {
            message_sid: message.message_sid.clone(),
            event: Happening::Inbound,
            account_sid: message.account_sid.clone(),
            received_at: now,
            expires_at: expiry(now, self.retention.into()),
            raw: form.form().to_raw(),
            answer: None,
            preference: None,
            error_code: None,
            notification_id: None,
        }
    }
}
