//! The HTTP answers of the functions, and what a caller may know of a request that failed.
//!
//! The routes behind IAM answer JSON: [`json`] and [`respond`]. The two webhooks answer Twilio with text or with nothing:
//! [`text`] and [`empty`].

use std::{borrow::Cow, error::Error, fmt};

use aws_lambda_events::{
    apigw::ApiGatewayV2httpResponse,
    encodings::Body,
    http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use stores::dynamodb::StoreError;

use crate::{deadline::DeadlineExceeded, report::Chain};

/// What is wrong with a request, as JSON: `{"error": {"field": "content_type", "message": "..."}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestProblem {
    pub status: StatusCode,
    /// Empty where no field of the request is wrong.
    pub field: Cow<'static, str>,
    /// What was wrong and what is right; never the caller's value.
    pub message: String,
}

impl RequestProblem {
    pub fn new(status: StatusCode, field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, field: field.into(), message: message.into() }
    }

    /// The answer to every fault of ours: its cause is written to the log and not told to the caller.
    fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", "internal error")
    }
}

impl fmt::Display for RequestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl Serialize for RequestProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ProblemDetail<'a> {
            field: &'a str,
            message: &'a str,
        }

        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("error", &ProblemDetail { field: &self.field, message: &self.message })?;
        map.end()
    }
}

/// Why a request of a JSON route failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The caller must change the request.
    #[error("the request was refused: {0}")]
    Refused(RequestProblem),
    /// AWS did not do its part, or not in time: time or the operator helps.
    #[error("the request failed")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl From<RequestProblem> for RequestError {
    fn from(problem: RequestProblem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<DeadlineExceeded> for RequestError {
    fn from(exceeded: DeadlineExceeded) -> Self {
        Self::Internal(exceeded.into())
    }
}

/// The answer of a JSON route. A fault of ours is logged here, once.
pub fn respond(handled: Result<Response<Body>, RequestError>) -> Response<Body> {
    handled.unwrap_or_else(|error| match error {
        RequestError::Refused(problem) => json(problem.status, &problem),
        RequestError::Internal(source) => {
            tracing::error!(error = %Chain(source.as_ref()), "a request failed and was answered with status 500");
            let problem = RequestProblem::internal();
            json(problem.status, &problem)
        }
    })
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    text(status, "application/json", serde_json::to_string(body).unwrap_or_default())
}

/// An answer in text.
pub fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.body_mut() = Body::Text(body.into());
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// An answer as API Gateway expects it from a function that does not run on `lambda_http::run`, which does the same.
pub fn for_api_gateway(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = parts.status.as_u16().into();
    answer.headers = parts.headers;
    answer.is_base64_encoded = matches!(body, Body::Binary(_));
    answer.body = (body != Body::Empty).then_some(body);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(response: &Response<Body>) -> &str {
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        std::str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn refused_request_is_answered_with_its_problem() {
        let problem = RequestProblem::new(StatusCode::NOT_FOUND, "key", "there is no such object");
        let response = respond(Err(problem.into()));
        assert_eq!(response.status(), 404);
        assert_eq!(body(&response), r#"{"error":{"field":"key","message":"there is no such object"}}"#);
    }

    #[test]
    fn internal_error_is_not_explained_to_the_caller() {
        let response = respond(Err(RequestError::Internal("the table is missing".into())));
        assert_eq!(response.status(), 500);
        assert_eq!(body(&response), r#"{"error":{"field":"","message":"internal error"}}"#);
    }

    #[test]
    fn exceeded_deadline_is_an_internal_error() {
        assert_eq!(respond(Err(DeadlineExceeded.into())).status(), 500);
    }
}
