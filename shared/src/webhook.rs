//! The door of the two webhooks: an API Gateway event in, a form that Twilio signed out.

use aws_lambda_events::{
    apigw::ApiGatewayV2httpRequest,
    encodings::Body,
    http::{Response, StatusCode, header::CONTENT_TYPE},
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
    env, http_reply,
    report::Chain,
    secrets::{Accounts, Secrets, SecretsError},
    start::{StartError, log_warm_up},
};

const TEXT: &str = "text/plain";
/// Lets in what Twilio signed.
///
/// It reads API Gateway's event as it came. `lambda_http::run` would give an `http::Request`, whose URI is built before
/// the handler runs: from the `Host` header, with a normalised path, without what follows a literal `#`, and with a
/// panic where the query holds a literal `"`, `<`, `>` or space, or the `Host` header is malformed (`lambda_http` 1.3.2,
/// `request.rs`). The signature covers the URL byte for byte, and these routes are open to strangers, who could end the
/// process with one such request. The raw path alone would be left, as `RequestExt::raw_http_path`.
#[derive(Debug)]
pub struct Door {
    secrets: Secrets,
    /// What is configured at Twilio; without it the API's own domain counts.
    public_base_url: Option<BaseUrl>,
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
    pub fn into_response(self) -> Response<Body> {
        let status = match self {
            Self::Forged(_) => StatusCode::FORBIDDEN,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Secrets(_) | Self::Store(_) => {
                tracing::error!(error = %Chain(&self), "webhook failed");
                return http_reply::text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "internal error");
            }
        };
        tracing::warn!(status = status.as_u16(), error = %Chain(&self), "webhook refused");
        http_reply::text(status, TEXT, self.to_string())
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
        let config = crate::aws::config().await?;
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
