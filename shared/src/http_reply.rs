//! The routes that people and other systems call, which API Gateway opens by IAM: JSON in, JSON out.

use std::borrow::Cow;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::webhook::reply;

/// What was wrong, as JSON: `{"error": {"field": "content_type", "message": "..."}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The answer's status.
    pub status: u16,
    /// The field; empty where no field of the caller's is to blame.
    pub field: Cow<'static, str>,
    /// What was wrong and what is right.
    pub message: String,
}

impl Problem {
    /// A problem that the caller can mend.
    pub fn new(status: u16, field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, field: field.into(), message: message.into() }
    }

    /// A problem of ours, which the log explains.
    pub fn internal() -> Self {
        Self::new(500, "", "internal error")
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Detail<'a> {
            field: &'a str,
            message: &'a str,
        }

        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("error", &Detail { field: &self.field, message: &self.message })?;
        map.end()
    }
}

/// A request's body. API Gateway hands over a body of a type it does not know as text in base64.
pub fn body(request: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, Problem> {
    let body = request.body.as_deref().unwrap_or_default();
    if request.is_base64_encoded {
        STANDARD.decode(body).map_err(|_| Problem::new(400, "body", "expected base64"))
    } else {
        Ok(body.into())
    }
}

/// An answer.
pub fn json(status: u16, body: &impl Serialize) -> ApiGatewayV2httpResponse {
    reply(status, "application/json", serde_json::to_string(body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_as_json() {
        let shown = serde_json::to_string(&Problem::new(404, "key", "there is no such object")).unwrap();
        assert_eq!(shown, r#"{"error":{"field":"key","message":"there is no such object"}}"#);
    }

    #[test]
    fn a_body_is_read_as_text_and_in_base64() {
        let mut request = ApiGatewayV2httpRequest::default();
        request.body = Some("e30=".to_owned());
        assert_eq!(body(&request).unwrap(), b"e30=");
        request.is_base64_encoded = true;
        assert_eq!(body(&request).unwrap(), b"{}");
        request.body = Some("{}".to_owned());
        assert_eq!(body(&request).unwrap_err().field, "body");
    }
}
