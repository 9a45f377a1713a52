//! An HTTP request and its response, as the timeline shows them.

use std::time::Duration;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The longest shown body, in bytes.
const MAX_SHOWN: usize = 16 * 1024;
/// The longest shown reason, in characters.
const MAX_REASON: usize = 500;
/// The header in which an HTTP API of API Gateway names the request. AWS writes it as `Apigw-Requestid`.
const REQUEST_ID: &str = "apigw-requestid";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Exchange {
    pub(crate) request: RecordedRequest,
    /// None where no answer came, and for a webhook that was never posted.
    pub(crate) response: Option<RecordedResponse>,
    pub(crate) began_at: Timestamp,
    pub(crate) milliseconds: u64,
    /// None for a webhook that was never posted; several for a webhook that was retried.
    pub(crate) attempts: Vec<HttpAttempt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    #[serde(flatten)]
    pub(crate) body: RecordedBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RecordedResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    #[serde(flatten)]
    pub(crate) body: RecordedBody,
}

/// The text of a body, up to a length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RecordedBody {
    #[serde(rename = "body")]
    pub(crate) text: String,
    #[serde(rename = "body_truncated", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_truncated: bool,
}

/// One request of a webhook that may be retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HttpAttempt {
    pub(crate) status: Option<u16>,
    /// Why no answer came.
    pub(crate) error: Option<String>,
    pub(crate) milliseconds: u64,
}

impl Exchange {
    /// About how many bytes it needs.
    pub(crate) fn size(&self) -> usize {
        self.request.body.text.len() + self.response.as_ref().map_or(0, |response| response.body.text.len())
    }

    /// Whether API Gateway gave the request this id.
    pub(crate) fn has_request_id(&self, id: &str) -> bool {
        let Some(response) = &self.response else { return false };
        response.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case(REQUEST_ID) && value == id)
    }
}

impl RecordedResponse {
    /// What an error says: its text, or the `message` of its JSON.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.status < 400 {
            return None;
        }
        let json = serde_json::from_str::<Value>(&self.body.text).ok();
        let message = json.as_ref().and_then(|json| json.get("message")).and_then(Value::as_str);
        let text = message.unwrap_or(&self.body.text).trim();
        let is_page = text.starts_with('<');
        (!text.is_empty() && !is_page).then(|| text.chars().take(MAX_REASON).collect())
    }
}

impl From<&[u8]> for RecordedBody {
    fn from(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let end = text.floor_char_boundary(MAX_SHOWN);
        Self { text: text.get(..end).unwrap_or_default().to_owned(), is_truncated: end < text.len() }
    }
}

impl HttpAttempt {
    pub(crate) fn answered(status: u16, took: Duration) -> Self {
        Self { status: Some(status), error: None, milliseconds: milliseconds(took) }
    }

    pub(crate) fn failed(error: String, took: Duration) -> Self {
        Self { status: None, error: Some(error), milliseconds: milliseconds(took) }
    }
}

/// The headers as they are shown: without the password.
pub(crate) fn shown_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if name == AUTHORIZATION { without_password(&value) } else { value.into_owned() };
        (name.as_str().to_owned(), value)
    });
    shown.collect()
}

fn without_password(authorization: &str) -> String {
    let encoded = authorization.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
    let credentials = encoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match credentials.as_deref().and_then(|credentials| credentials.split_once(':')) {
        Some((user, _)) => format!("Basic {user}:***"),
        None => "***".to_owned(),
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_body_is_cut_at_a_character() {
        let long = "\u{e4}".repeat(MAX_SHOWN);
        let body = RecordedBody::from(format!("a{long}").as_bytes());
        assert_eq!((body.text.len(), body.is_truncated), (MAX_SHOWN - 1, true));
        let short = serde_json::to_string(&RecordedBody::from(b"a=1".as_slice())).unwrap();
        assert_eq!(short, r#"{"body":"a=1"}"#);
    }

    #[test]
    fn authorization_is_shown_without_its_password() {
        for (sent, shown) in [
            (format!("Basic {}", STANDARD.encode("SK1:secret")), "Basic SK1:***"),
            (format!("Basic {}", STANDARD.encode("secret")), "***"),
            ("Bearer secret".to_owned(), "***"),
        ] {
            let headers = [(AUTHORIZATION, sent.parse().unwrap())].into_iter().collect();
            assert_eq!(shown_headers(&headers), [("authorization".to_owned(), shown.to_owned())]);
        }
    }

    #[test]
    fn reason_is_what_an_error_says() {
        let reason = |status: u16, body: &str| {
            RecordedResponse { status, headers: Vec::new(), body: body.as_bytes().into() }.reason()
        };
        assert_eq!(reason(403, "X-Twilio-Signature does not match\n").unwrap(), "X-Twilio-Signature does not match");
        assert_eq!(reason(429, r#"{"message": "Too Many Requests"}"#).unwrap(), "Too Many Requests");
        for (status, body) in [(200, "<Response/>"), (500, ""), (404, "<!doctype html>")] {
            assert_eq!(reason(status, body), None, "{status} {body}");
        }
    }
}
