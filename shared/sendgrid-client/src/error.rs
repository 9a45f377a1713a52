//! What went wrong, sorted by what is certain.

use std::{fmt, time::Duration};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;

/// A call that did not succeed. Neither `Display` nor `Debug` shows an address, the content of an e-mail, or the key.
#[derive(Debug, thiserror::Error)]
pub enum SendGridError {
    /// SendGrid refused the request as it is (a 4xx status). No e-mail was accepted, and the same request will be refused again.
    #[error("SendGrid refused the request: {0}")]
    Rejected(ErrorResponse),
    /// SendGrid refused the API key (401), or the key may not do this or the sender is not verified (403). No e-mail was
    /// accepted; the operator has to act.
    #[error("SendGrid refused the API key, what it may do, or the sender: {0}")]
    Unauthorized(ErrorResponse),
    /// Nothing was done, and the same request may succeed later: no connection could be opened, or SendGrid asked to wait (429).
    #[error("{}", not_done(.response.as_ref()))]
    NotDone {
        /// How long SendGrid asked to wait.
        retry_after: Option<Duration>,
        response: Option<ErrorResponse>,
        source: Option<TransportError>,
    },
    /// Whether the e-mail was accepted is not known: the request went out, and no answer came, or SendGrid failed (5xx, 408).
    #[error("{}", unknown(.response.as_ref()))]
    Unknown { response: Option<ErrorResponse>, source: Option<TransportError> },
}

fn not_done(response: Option<&ErrorResponse>) -> String {
    match response {
        Some(response) => format!("SendGrid asked to wait: {response}"),
        None => "SendGrid was not reached".to_owned(),
    }
}

fn unknown(response: Option<&ErrorResponse>) -> String {
    match response {
        Some(response) => format!("SendGrid failed, and whether it accepted the e-mail is not known: {response}"),
        None => "no usable answer came, and whether SendGrid accepted the e-mail is not known".to_owned(),
    }
}

impl SendGridError {
    pub(crate) fn of_send(error: reqwest::Error) -> Self {
        let certainly_not_sent = error.is_connect() || error.is_builder();
        let source = Some(TransportError(error.without_url()));
        if certainly_not_sent {
            Self::NotDone { retry_after: None, response: None, source }
        } else {
            Self::Unknown { response: None, source }
        }
    }

    /// A request that was not sent, because the caller's deadline had passed.
    pub(crate) fn deadline_passed() -> Self {
        Self::NotDone { retry_after: None, response: None, source: None }
    }

    /// An answer with a status other than 2xx.
    pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let seconds = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok().map(Duration::from_secs);
        let response = ErrorResponse::read(status.as_u16(), body);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized(response),
            StatusCode::TOO_MANY_REQUESTS => {
                Self::NotDone { retry_after: seconds(RETRY_AFTER.as_str()), response: Some(response), source: None }
            }
            StatusCode::REQUEST_TIMEOUT => Self::Unknown { response: Some(response), source: None },
            _ if status.is_client_error() => Self::Rejected(response),
            _ => Self::Unknown { response: Some(response), source: None },
        }
    }
}

/// What SendGrid answered instead of accepting an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// The field that is wrong, as in `personalizations.0.to.0.email`. SendGrid's own words may repeat a value of the request,
    /// and are left out.
    pub field: Option<String>,
}

impl ErrorResponse {
    fn read(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default();
        let field =
            said.errors.into_iter().find_map(|error| error.field).filter(|field| !field.is_empty() && is_path(field));
        Self { status, field }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        self.field.as_ref().map_or(Ok(()), |field| write!(f, ", field {field}"))
    }
}

/// Whether a text can only be the path of a field.
fn is_path(text: &str) -> bool {
    const MAX_CHARS: usize = 100;
    text.len() <= MAX_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<FieldError>,
}

#[derive(Deserialize)]
struct FieldError {
    #[serde(default)]
    field: Option<String>,
}

/// The technical reason why there was no usable answer. It shows no URL, which may hold an address.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(reqwest::Error);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> SendGridError {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        SendGridError::of_response(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn a_response_is_sorted_by_what_is_certain() {
        for status in [400, 404, 405, 413] {
            assert!(
                matches!(of(status, ""), SendGridError::Rejected(response) if response.status == status),
                "{status}"
            );
        }
        assert!(matches!(of(401, ""), SendGridError::Unauthorized(_)));
        assert!(matches!(of(403, ""), SendGridError::Unauthorized(_)));
        let SendGridError::NotDone { retry_after, .. } = of(429, "") else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
        for status in [408, 500, 502, 503, 302] {
            assert!(matches!(of(status, ""), SendGridError::Unknown { .. }), "{status}");
        }
    }

    #[test]
    fn field_is_shown_and_sendgrids_words_are_not() {
        let body = r#"{"errors": [{"message": "ava@example.com is wrong", "field": "from.email", "help": null}]}"#;
        let error = of(400, body);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("HTTP 400, field from.email") && !shown.contains("ava@"), "{shown}");
        let odd = of(400, r#"{"errors": [{"message": "", "field": "ava@example.com"}]}"#).to_string();
        assert_eq!(odd, "SendGrid refused the request: HTTP 400");
    }
}
