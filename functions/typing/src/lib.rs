//! `POST /messages/{message_sid}/typing`: shows a person on WhatsApp that an answer is being written, and marks their message as
//! read. Twilio has no other way to mark a message as read.
//!
//! The message must be one that a person sent to the account and that is stored, so that no caller can name a message of another
//! account. Nothing is stored: a repeated request shows the indicator again.
//!
//! Source: Twilio, "Typing Indicators resource", a public beta.
//!
//! Callers are authorized by IAM, in API Gateway, and for an account by the tenants document. Environment: `MESSAGES_TABLE`,
//! `TWILIO_SECRET_ID`, `TWILIO_ACCOUNT_SID`, `TWILIO_API_BASE_URL`, and optionally `TENANTS_TABLE` ([`shared::tenants`]) and
//! `SECRET_MAX_AGE_SECONDS` (300).

use std::convert::Infallible;

use domain::trace_id::TraceId;
use jiff::{SignedDuration, Timestamp};
use lambda_http::{Body, Request, RequestExt as _, Response, http::StatusCode};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    env,
    http_reply::{RequestError, RequestProblem, json, respond},
    log::{found_trace, untraced},
    report::Chain,
    secrets::Secrets,
    start::{StartError, log_warm_up},
    tenants::{TenantCache, authorize},
    twilio::{AccountCallError, TwilioAccounts},
};
use stores::messages::{Messages, StoredMessage};
use tracing::Instrument as _;
use twilio_client::{DEFAULT_BASE_URL, Product, TwilioClient, TwilioError};
use twilio_types::{
    address::{Address, Channel},
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::form::Form;

mod request;

use request::TypingRequest;

/// The function.
#[derive(Debug)]
pub struct TypingFunction {
    messages: Messages,
    twilio: TwilioAccounts,
    tenants: TenantCache,
    /// The account of requests that name none.
    account_sid: AccountSid,
}

/// The answer: what the person sees.
#[derive(Serialize)]
struct TypingAnswer {
    account_sid: AccountSid,
    message_sid: MessageSid,
    /// The message has the marks of a message that was read.
    read: bool,
    /// The indicator ends then, or with the next message to the person.
    typing_until: Timestamp,
}

/// Source: Twilio, "Typing Indicators resource".
const INDICATOR: SignedDuration = SignedDuration::from_secs(25);

impl TypingFunction {
    /// Reads the environment, the tenants document and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let client = TwilioClient::new(env::parse("TWILIO_API_BASE_URL", &api_base_url)?)?;
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let messages = Messages::new(dynamodb.clone(), messages_table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (tenants, secrets, table_warmed, twilio_warmed) = tokio::join!(
            TenantCache::from_env(&dynamodb),
            Secrets::load(secrets_manager, secret_id, max_age),
            messages.warm(),
            client.warm_product(Product::Messaging),
        );
        log_warm_up(table_warmed);
        log_warm_up(twilio_warmed);
        Ok(Self { messages, twilio: TwilioAccounts::new(client, secrets?), tenants: tenants?, account_sid })
    }

    /// Answers 200, 404 for a message that is not stored, and 409 for one that no indicator can be shown for.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let deadline_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let deadline = Deadline::of_answer(deadline_ms);
        let answered = async {
            let answered = deadline.run(self.answer(&request, deadline)).await;
            respond(answered.unwrap_or_else(|exceeded| Err(exceeded.into())))
        };
        Ok(answered.instrument(untraced()).await)
    }

    async fn answer(&self, request: &Request, deadline: Deadline) -> Result<Response<Body>, RequestError> {
        let TypingRequest { message_sid, account_sid, caller } = TypingRequest::parse(request)?;
        let account_sid = account_sid.unwrap_or_else(|| self.account_sid.clone());
        found_trace(&TraceId::of_message(&account_sid, &message_sid));
        authorize(&*self.tenants.current().await, &account_sid, caller.as_deref())?;
        let stored = self.messages.inbound(&account_sid, &message_sid).await?;
        let stored = stored.ok_or_else(|| problem(StatusCode::NOT_FOUND, NOT_STORED))?;
        if !came_by_whatsapp(stored) {
            return Err(problem(StatusCode::CONFLICT, "only a message on WhatsApp has an indicator").into());
        }
        let shown = self.twilio.call_owned(&account_sid, deadline, |client| {
            let message_sid = message_sid.clone();
            async move { client.send_typing_indicator(&message_sid).await }
        });
        shown.await.map_err(|error| refusal(error, &account_sid))?;
        tracing::info!(%account_sid, %message_sid, "a typing indicator was shown, and the message marked as read");
        let typing_until = Timestamp::now().saturating_add(INDICATOR).unwrap_or(Timestamp::MAX);
        Ok(json(StatusCode::OK, &TypingAnswer { account_sid, message_sid, read: true, typing_until }))
    }
}

const NOT_STORED: &str = "no message that a person sent to this account is stored with this SID";

fn problem(status: StatusCode, message: impl Into<String>) -> RequestProblem {
    RequestProblem::new(status, "message_sid", message)
}

fn came_by_whatsapp(stored: StoredMessage) -> bool {
    let from: Option<Address> = Form::from(stored.raw).get_parsed("From");
    from.is_some_and(|from| from.channel == Channel::WhatsApp)
}

/// What became of a call that failed. The indicator is harmless to repeat, so that every outcome that time may change is 503.
fn refusal(error: AccountCallError, account_sid: &AccountSid) -> RequestError {
    let answered = match &error {
        AccountCallError::Twilio(TwilioError::Rejected(response)) => {
            let code = response.code.map_or_else(String::new, |code| format!(" with code {code}"));
            problem(StatusCode::CONFLICT, format!("Twilio refused an indicator for this message{code}"))
        }
        AccountCallError::Twilio(TwilioError::NotDone { response: Some(_), .. }) => {
            problem(StatusCode::TOO_MANY_REQUESTS, "Twilio asks to wait: repeat the request later")
        }
        AccountCallError::Twilio(TwilioError::NotDone { .. } | TwilioError::Unknown { .. }) => {
            let message = "Twilio gave no answer: repeat the request, it does no harm";
            RequestProblem::new(StatusCode::SERVICE_UNAVAILABLE, "", message)
        }
        AccountCallError::Twilio(TwilioError::Unauthorized(_)) | AccountCallError::NoCredentials(_) => {
            tracing::error!(%account_sid, error = %Chain(&error), alarm = "typing", "Twilio cannot be called for a typing indicator");
            return RequestError::Internal(error.into());
        }
        AccountCallError::Secrets(_) => return RequestError::Internal(error.into()),
    };
    tracing::info!(%account_sid, error = %Chain(&error), "a typing indicator was not shown");
    answered.into()
}

#[cfg(test)]
mod tests {
    use twilio_client::ErrorResponse;

    use super::*;

    fn status(error: impl Into<AccountCallError>) -> Option<u16> {
        match refusal(error.into(), &"AC00000000000000000000000000000001".parse().unwrap()) {
            RequestError::Refused(problem) => Some(problem.status.as_u16()),
            RequestError::Internal(_) => None,
        }
    }

    #[test]
    fn failed_call_is_answered_by_who_must_act() {
        let response = |status| ErrorResponse::new(status, None);
        assert_eq!(status(TwilioError::Rejected(response(400))), Some(409));
        let wait = TwilioError::NotDone { retry_after: None, response: Some(response(429)), source: None };
        assert_eq!(status(wait), Some(429));
        assert_eq!(status(TwilioError::Unknown { response: Some(response(500)), source: None }), Some(503));
        assert_eq!(status(TwilioError::Unauthorized(response(401))), None);
    }
}
