//! What went wrong, sorted by what is certain.

use std::{fmt, time::Duration};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use twilio_types::error_code::{Certainty, ErrorCode};

/// A call that did not succeed. Each variant says what is certain, and so what may be done next.
///
/// The four variants are final, so that a `match` has to decide each case. Neither `Display` nor `Debug` shows an address, the
/// text of a message, or credentials.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// Twilio refused the request as it is (a 4xx status). Nothing was done, and the same request will be refused again.
    #[error("Twilio refused the request: {0}")]
    Rejected(ErrorResponse),
    /// Twilio refused the credentials (401). Nothing was done; the operator has to change the credentials.
    #[error("Twilio refused the credentials: {0}")]
    Unauthorized(ErrorResponse),
    /// Nothing was done, and the same request may succeed later: no connection could be opened, the caller's deadline had
    /// passed before, or Twilio asked to wait (429, or error 20429 or 21611).
    #[error("{}", not_done(.response.as_ref()))]
    NotDone {
        /// How long Twilio asked to wait: the `Retry-After` header, if it is a number of seconds.
        retry_after: Option<Duration>,
        /// What Twilio answered, if it did.
        response: Option<ErrorResponse>,
        /// Why there was no answer.
        source: Option<TransportError>,
    },
    /// Whether the request was carried out is not known: it went out, and then no answer came, or an answer that cannot be
    /// understood, or Twilio failed (5xx, 408). A message may have been created.
    #[error("{}", unknown(.response.as_ref()))]
    Unknown {
        /// What Twilio answered, if it did.
        response: Option<ErrorResponse>,
        /// Why there was no answer, or what is wrong with it.
        source: Option<TransportError>,
    },
}

fn not_done(response: Option<&ErrorResponse>) -> String {
    match response {
        Some(response) => format!("Twilio asked to wait: {response}"),
        None => "Twilio was not reached".to_owned(),
    }
}

fn unknown(response: Option<&ErrorResponse>) -> String {
    match response {
        Some(response) => format!("Twilio failed, and whether it carried out the request is not known: {response}"),
        None => "no usable answer came, and whether Twilio carried out the request is not known".to_owned(),
    }
}

impl TwilioError {
    /// What Twilio answered, if it did.
    pub fn response(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Rejected(response) | Self::Unauthorized(response) => Some(response),
            Self::NotDone { response, .. } | Self::Unknown { response, .. } => response.as_ref(),
        }
    }

    /// A request that got no answer.
    pub(crate) fn of_send(error: reqwest::Error) -> Self {
        let certainly_not_sent = error.is_connect() || error.is_builder();
        let source = Some(TransportError::of_http(error));
        if certainly_not_sent {
            Self::NotDone { retry_after: None, response: None, source }
        } else {
            Self::Unknown { response: None, source }
        }
    }

    /// An answer that was not read to its end, or that is not what was expected.
    pub(crate) fn of_answer(error: TransportError) -> Self {
        Self::Unknown { response: None, source: Some(error) }
    }

    /// A request that was not sent, because the caller's deadline had passed.
    pub(crate) fn deadline_passed() -> Self {
        Self::NotDone { retry_after: None, response: None, source: Some(TransportError(Cause::DeadlinePassed)) }
    }

    /// An answer with a status other than 2xx. Only the code tells apart what the status leaves open.
    pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let said = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default();
        let response = ErrorResponse {
            status: status.as_u16(),
            code: said.code,
            message: said.message,
            request_id: text("twilio-request-id").map(str::to_owned),
        };
        match (status, said.code.map(ErrorCode::certainty)) {
            (StatusCode::UNAUTHORIZED, _) => Self::Unauthorized(response),
            (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some(Certainty::NotDone)) => {
                Self::NotDone { retry_after, response: Some(response), source: None }
            }
            (_, Some(Certainty::Unknown)) | (StatusCode::REQUEST_TIMEOUT, _) => {
                Self::Unknown { response: Some(response), source: None }
            }
            _ if status.is_client_error() => Self::Rejected(response),
            _ => Self::Unknown { response: Some(response), source: None },
        }
    }
}

/// What Twilio answered instead of doing what was asked.
///
/// Source: Twilio, "Twilio's response".
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's error code, if the answer had one. An answer of something between here and Twilio has none.
    pub code: Option<ErrorCode>,
    /// Twilio's own words, for people: they change without notice. They may repeat a phone number of the request, so neither
    /// `Display` nor `Debug` shows them.
    pub message: Option<String>,
    /// The `Twilio-Request-Id` header, for Twilio's support.
    pub request_id: Option<String>,
}

impl ErrorResponse {
    /// A response with this status and code, for tests of what is done about it.
    pub fn new(status: u16, code: Option<ErrorCode>) -> Self {
        Self { status, code, message: None, request_id: None }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        match self.code.map(|code| (code, code.title())) {
            Some((code, Some(title))) => write!(f, ", code {code} ({title})")?,
            Some((code, None)) => write!(f, ", code {code}")?,
            None => {}
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request {request_id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorResponse")
            .field("status", &self.status)
            .field("code", &self.code)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// The JSON of an error. An answer of something between here and Twilio may have none.
#[derive(Default, Deserialize)]
struct ErrorBody {
    code: Option<ErrorCode>,
    message: Option<String>,
}

/// The technical reason why there was no usable answer: its sources say more. It shows neither the URL, which may hold a
/// phone number, nor anything of the answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Http(reqwest::Error),
    #[error("the deadline had passed before the request was sent")]
    DeadlinePassed,
    /// The parser's own text is left out: it may repeat a part of the answer.
    #[error("the answer is not the expected JSON: line {line}, column {column}")]
    Unreadable { line: usize, column: usize },
}

impl TransportError {
    pub(crate) fn of_http(error: reqwest::Error) -> Self {
        Self(Cause::Http(error.without_url()))
    }

    pub(crate) fn of_json(error: &serde_json::Error) -> Self {
        Self(Cause::Unreadable { line: error.line(), column: error.column() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> TwilioError {
        let mut headers = HeaderMap::new();
        headers.insert("twilio-request-id", "RQ1".parse().unwrap());
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        TwilioError::of_response(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn a_response_is_sorted_by_what_is_certain() {
        let code = |code: u32| format!(r#"{{"code": {code}, "message": "secret words"}}"#);
        for (status, body) in [(400, code(21211)), (403, String::new()), (404, code(20404)), (409, "<html>".to_owned())]
        {
            assert!(
                matches!(of(status, &body), TwilioError::Rejected(response) if response.status == status),
                "{status}"
            );
        }
        assert!(matches!(of(401, &code(20003)), TwilioError::Unauthorized(_)));
        for (status, body) in [(429, code(20429)), (429, String::new()), (400, code(21611)), (503, code(20429))] {
            let error = of(status, &body);
            let TwilioError::NotDone { retry_after, response: Some(_), .. } = error else {
                panic!("{status}: {error:?}")
            };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        for (status, body) in
            [(500, code(20500)), (503, code(20503)), (502, String::new()), (408, String::new()), (302, String::new())]
        {
            let error = of(status, &body);
            assert!(matches!(error, TwilioError::Unknown { response: Some(_), .. }), "{status}: {error:?}");
        }
    }

    #[test]
    fn twilios_words_are_kept_and_never_shown() {
        let error = of(400, r#"{"code": 21211, "message": "+14155550123 is not valid"}"#);
        let message = error.response().and_then(|response| response.message.as_deref());
        assert_eq!(message, Some("+14155550123 is not valid"));
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("code 21211") && shown.contains("request RQ1") && !shown.contains("4155550123"),
            "{shown}"
        );
    }

    #[test]
    fn an_unreadable_answer_is_not_repeated() {
        let error = serde_json::from_str::<u32>("\"secret words\"").unwrap_err();
        let error = TwilioError::of_answer(TransportError::of_json(&error));
        let shown = format!("{error:?} {}", std::error::Error::source(&error).unwrap());
        assert!(shown.contains("line 1") && !shown.contains("secret"), "{shown}");
    }
}
