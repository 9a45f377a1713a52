//! The door of the two webhooks: an API Gateway event in, a form that Twilio signed out.

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::{HeaderValue, header::CONTENT_TYPE},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::limits::{MAX_FORM_BYTES, Retention};
use stores::{dynamodb::StoreError, messages::Messages};
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{
    inbound_message::InvalidForm,
    signature::{SignatureError, UnverifiedRequest, Verified, VerifiedForm},
};

use crate::{
    env::{self, EnvError},
    report::Chain,
    secrets::{Accounts, Secrets, SecretsError},
    start::log_warm_up,
};

/// Lets in what Twilio signed.
///
/// API Gateway's event is taken as it is, without `lambda_http`: the signature covers the path and the query to the
/// byte, while a parsed `http::Uri` normalises the one, panics on some of the other, and takes its host from a header.
#[derive(Debug)]
pub struct Door {
    secrets: Secrets,
    /// What is configured at Twilio; without it the API's own domain counts.
    public_base_url: Option<BaseUrl>,
}

/// A webhook's function that cannot start: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The secret cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// A webhook that was not taken. Twilio never tries a failed webhook again, it calls the fallback URL: what is lost here
/// has to be fetched from the message list.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not Twilio's: 403.
    #[error(transparent)]
    Forged(#[from] SignatureError),
    /// The caller's to mend: 400.
    #[error("{0}")]
    Unreadable(String),
    /// More than a table's item holds: 413.
    #[error("body: expected at most {MAX_FORM_BYTES} bytes")]
    TooLarge,
    /// Ours to mend: 500.
    #[error("the Twilio secret cannot be had")]
    Secrets(#[from] SecretsError),
    /// Ours to mend: 500.
    #[error("the state cannot be written")]
    Store(#[from] StoreError),
}

impl From<InvalidForm> for Failure {
    fn from(error: InvalidForm) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl Failure {
    /// Logs the failure and tells the caller what it may know of it.
    pub fn into_reply(self) -> ApiGatewayV2httpResponse {
        let status = match self {
            Self::Forged(_) => 403,
            Self::Unreadable(_) => 400,
            Self::TooLarge => 413,
            Self::Secrets(_) | Self::Store(_) => {
                tracing::error!(error = %Chain(&self), "webhook failed");
                return reply(500, "text/plain", "internal error");
            }
        };
        tracing::warn!(status, error = %Chain(&self), "webhook refused");
        reply(status, "text/plain", self.to_string())
    }
}

/// What both webhooks are made of.
#[derive(Debug)]
pub struct Webhook {
    /// Who is let in.
    pub door: Door,
    /// For transactions over several tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Where it is recorded.
    pub messages: Messages,
    /// For how long.
    pub retention: Retention,
}

impl Webhook {
    /// Reads `MESSAGES_TABLE`, `TWILIO_SECRET_ID` and optionally `PUBLIC_BASE_URL` and `MESSAGE_RETENTION_DAYS`, builds
    /// the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let public_base_url = env::optional_parsed("PUBLIC_BASE_URL")?;
        let retention = env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default();
        let config = crate::aws::config()?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let messages = Messages::new(dynamodb.clone(), messages_table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (secrets, warmed) = tokio::join!(Secrets::load(secrets_manager, secret_id), messages.warm());
        log_warm_up(warmed);
        Ok(Self { door: Door { secrets: secrets?, public_base_url }, dynamodb, messages, retention })
    }
}

impl Door {
    /// Checks the signature and gives the form it covers.
    pub async fn open(&self, event: ApiGatewayV2httpRequest) -> Result<VerifiedForm, Failure> {
        let request = self.unverified(event)?;
        let verified = match verify(&request, &self.secrets.accounts()) {
            // Another key may count since the secret was read. What nobody signed needs none.
            Err(first @ (SignatureError::Mismatch | SignatureError::Settings)) => {
                let accounts = self.secrets.reread().await?.ok_or(first)?;
                verify(&request, &accounts)?
            }
            verified => verified?,
        };
        match verified {
            Verified::Form(form) => Ok(form),
            _ => Err(Failure::Unreadable("Content-Type: expected application/x-www-form-urlencoded".to_owned())),
        }
    }

    fn unverified(&self, event: ApiGatewayV2httpRequest) -> Result<UnverifiedRequest, Failure> {
        let own_domain = || event.request_context.domain_name.as_deref().map(BaseUrl::of_domain);
        let base = self.public_base_url.clone().or_else(own_domain).ok_or_else(|| {
            Failure::Unreadable(
                "requestContext.domainName: expected the API's domain, or PUBLIC_BASE_URL set".to_owned(),
            )
        })?;
        let mut url = base.join(event.raw_path.as_deref().unwrap_or_default());
        if let Some(query) = event.raw_query_string.as_deref().filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(query);
        }
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| Failure::Unreadable("body: expected base64".to_owned()))?
        } else {
            body.into_bytes()
        };
        if body.len() > MAX_FORM_BYTES {
            return Err(Failure::TooLarge);
        }
        Ok(UnverifiedRequest::new(url, &event.headers, body))
    }
}

fn verify(request: &UnverifiedRequest, accounts: &Accounts) -> Result<Verified, SignatureError> {
    let claimed = request.unverified_form();
    let account_sid = claimed.as_ref().and_then(|form| form.get("AccountSid")?.parse::<AccountSid>().ok());
    let keys = accounts.signing_keys(account_sid.as_ref()).unwrap_or_default();
    request.verify(&keys)
}

/// A reply with a body.
pub fn reply(status: u16, content_type: &'static str, body: impl Into<String>) -> ApiGatewayV2httpResponse {
    let mut response = empty_reply(status);
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.body = Some(Body::Text(body.into()));
    response
}

/// A reply without a body.
pub fn empty_reply(status: u16) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status.into();
    response
}
