//! Why the events of a request were not stored.

use lambda_http::{Body, Response, http::StatusCode};
use sendgrid_client::InvalidEvents;
use shared::{deadline::DeadlineExceeded, http_reply, report::Chain, secrets::SecretsError};
use stores::dynamodb::StoreError;

/// The events of a request were not stored, or not all of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsError {
    /// The caller is not SendGrid, or its settings and ours differ.
    #[error("{0}")]
    Refused(&'static str),
    /// SendGrid signed a body that is not a list of events.
    #[error(transparent)]
    Invalid(#[from] InvalidEvents),
    /// No key of the secret verifies a request that names an account of the secret. The operator has to compare the key.
    #[error("no verification key in the secret matches the signature of a request that names one of its accounts")]
    WrongKey,
    /// The operator has to act.
    #[error("the secret cannot be read")]
    Secrets(#[from] SecretsError),
    /// DynamoDB did not write.
    #[error("an event cannot be stored")]
    Store(#[from] StoreError),
    #[error("the events were not stored in time")]
    Late(#[from] DeadlineExceeded),
}

impl EventsError {
    /// Logs the error, and answers what the caller may know of it. `request_id` is API Gateway's.
    pub(crate) fn into_response(self, request_id: Option<&str>) -> Response<Body> {
        let (status, alarm) = match &self {
            Self::Refused(_) => (StatusCode::FORBIDDEN, None),
            Self::WrongKey => (StatusCode::FORBIDDEN, Some("refused")),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, Some("refused")),
            Self::Secrets(_) | Self::Store(_) | Self::Late(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        if status.is_server_error() {
            tracing::error!(
                error = %Chain(&self),
                api_request_id = request_id,
                "events of e-mails were not stored, and the request was answered with status 500"
            );
            return http_reply::text(status, "text/plain", "internal error");
        }
        tracing::warn!(
            status = status.as_u16(),
            error = %Chain(&self),
            api_request_id = request_id,
            alarm,
            "a request to the route of SendGrid's events was refused"
        );
        http_reply::text(status, "text/plain", self.to_string())
    }
}
