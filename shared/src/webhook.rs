//! The routes that Twilio calls: from an event of API Gateway to a form, or to events, that Twilio signed.
//!
//! How a request is verified:
//!
//! 1. Twilio signs the URL that it called, byte for byte, and the parameters of the form (Twilio, "Webhooks Security").
//!    The URL is put together from `PUBLIC_BASE_URL`, or the API's own domain, and the raw path and raw query of the event.
//!    No header contributes to it, because the caller chooses the headers.
//! 2. A request that cannot be verified is refused before anything is computed: without a signature, with a body that is no
//!    form, or with a form that names no account of the secret. So a stranger cannot make us compute with every account's
//!    keys, and not at all for a form that names none of ours.
//! 3. The `AccountSid` of the form says whose keys to check with: the account's auth tokens, or the shared key that
//!    `X-Twilio-Webhooks-Signature-Settings` names. The form is not trusted for that: with the name of another account it
//!    is checked with the keys of that account, and fails.
//!    Keys that were read more than five minutes ago are read again first, because they may have been revoked ([`crate::secrets`]).
//! 4. If no key matches, the secret is read again, because the key may be newer, and the request is checked once more. The
//!    secret is read again at most every 30 seconds for that, and never for a request without a signature.
//! 5. What matches becomes a `VerifiedForm`, the only form that the parsers of `twilio-webhook` accept. Everything else is
//!    answered with 403, and nothing is stored.
//!
//! A request that is refused although it has a signature and names an account of the secret may be Twilio's: its log line has
//! the field `alarm`. Requests of strangers, who scan every public address, have none.

mod budget;
mod event_stream;
mod receive;
mod record;
mod request;
mod spool;

use std::{error::Error, sync::Arc};

use aws_lambda_events::{
    apigw::ApiGatewayV2httpRequest,
    encodings::Body,
    http::{Response, StatusCode},
};
use domain::limits::MAX_FORM_BYTES;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{
    inbound_message::InvalidForm,
    signature::{SignatureError, VerifiedForm},
};

pub use event_stream::{EventStreamVerifier, accepted};
pub use receive::WebhookReceiver;
pub use record::{ArrivedForm, NotRecorded, WebhookAnswer, WebhookRecorder, unreadable_names};
use request::WebhookRequest;
pub use spool::SpooledWebhook;

use crate::{
    deadline::DeadlineExceeded,
    http_reply,
    report::Chain,
    secrets::{Accounts, Secrets, SecretsError},
};

/// Tells Twilio's requests from all others.
///
/// It reads API Gateway's event as it came. `lambda_http::run` would give an `http::Request`, whose URI is built before
/// the handler runs: from the `Host` header, with a normalised path, without what follows a literal `#`, and with a
/// panic where the query holds a literal `"`, `<`, `>` or space, or the `Host` header is malformed (`lambda_http` 1.3.2,
/// `request.rs`). The signature covers the URL byte for byte, and these routes are open to strangers, who could end the
/// process with one such request. The raw path alone would be left, as `RequestExt::raw_http_path`.
#[derive(Debug)]
struct WebhookVerifier {
    secrets: Arc<Secrets>,
    /// The base URL that is configured at Twilio, where it is not the API's own domain.
    public_base_url: Option<BaseUrl>,
}

/// A webhook request that was not processed. Twilio does not send a failed webhook again, but calls the fallback URL: what
/// is lost here is found in Twilio's list of messages by the reconcile function.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    /// The request is refused. With an account, it has a signature and names this account of the secret: either Twilio's
    /// settings and ours differ, or a stranger knows the account's SID.
    #[error("{refusal}")]
    Refused { refusal: Refusal, account_sid: Option<AccountSid> },
    /// Twilio signed the form, and it is not one of those that are known.
    #[error(transparent)]
    Invalid(#[from] InvalidForm),
    /// The secret cannot be read, and what was read before counts no more. The operator must act.
    #[error("the Twilio secret cannot be read again")]
    Secrets(#[from] SecretsError),
    /// It was not verified in time, because the secret was read again.
    #[error("the webhook was not verified in time")]
    Late(#[from] DeadlineExceeded),
    /// DynamoDB did not store it, and there is no spool.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// DynamoDB did not store it, and SQS did not accept it. It may be stored, or spooled, or neither.
    #[error("{not_stored}, and it was not spooled")]
    NotSpooled { not_stored: String, source: Box<dyn Error + Send + Sync> },
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Twilio did not sign the request.
    #[error(transparent)]
    Unverified(#[from] SignatureError),
    /// The request cannot be read. The caller must change it.
    #[error("{0}")]
    Unreadable(&'static str),
    /// It has more bytes than these, and is not read to its end.
    #[error("body: expected at most {0} bytes")]
    TooLarge(usize),
}

impl From<Refusal> for WebhookError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, account_sid: None }
    }
}

impl WebhookError {
    /// Logs the error, and answers what the caller may know of it. `request_id` is API Gateway's, which the caller gets too, as
    /// `Apigw-Requestid`.
    fn into_response(self, request_id: Option<&str>) -> Response<Body> {
        let (status, account_sid) = match &self {
            Self::Refused { refusal, account_sid } => (refusal.status(), account_sid.as_ref()),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, None),
            Self::Secrets(_) | Self::Late(_) | Self::NotRecorded(_) | Self::NotSpooled { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, None)
            }
        };
        let is_of_an_account = account_sid.is_some() || matches!(self, Self::Invalid(_));
        let message = if status.is_server_error() {
            tracing::error!(
                error = %Chain(&self),
                api_request_id = request_id,
                "a webhook failed and was answered with status 500"
            );
            "internal error".to_owned()
        } else {
            tracing::warn!(
                status = status.as_u16(),
                error = %Chain(&self),
                api_request_id = request_id,
                account_sid = account_sid.map(tracing::field::display),
                alarm = is_of_an_account.then_some("refused"),
                "a webhook request was refused"
            );
            self.to_string()
        };
        http_reply::text(status, "text/plain", message)
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unverified(_) => StatusCode::FORBIDDEN,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Whether the secret may have a key by now with which the request passes.
    fn may_pass_with_newer_keys(&self) -> bool {
        matches!(self, Self::Unverified(SignatureError::Mismatch | SignatureError::Settings))
    }
}

impl WebhookVerifier {
    /// Verifies a request, and gives the form that the signature covers.
    async fn verify(&self, event: ApiGatewayV2httpRequest) -> Result<VerifiedForm, WebhookError> {
        let request = WebhookRequest::read(event, self.public_base_url.as_ref(), MAX_FORM_BYTES)?;
        let (verified, accounts) = self.verify_with(|accounts| request.verify(accounts)).await?;
        verified.map_err(|refusal| WebhookError::Refused { refusal, account_sid: request.signing_account(&accounts) })
    }

    /// Verifies with the accounts of the secret, and once more with newer ones if that may help. Gives the accounts too.
    async fn verify_with<T>(
        &self,
        verify: impl Fn(&Accounts) -> Result<T, Refusal>,
    ) -> Result<(Result<T, Refusal>, Arc<Accounts>), WebhookError> {
        let mut accounts = self.secrets.current().await?;
        let mut verified = verify(&accounts);
        if let Err(refusal) = &verified
            && refusal.may_pass_with_newer_keys()
            && let Some(newer) = self.secrets.reread().await?
        {
            accounts = newer;
            verified = verify(&accounts);
        }
        Ok((verified, accounts))
    }
}

#[cfg(test)]
mod tests;
