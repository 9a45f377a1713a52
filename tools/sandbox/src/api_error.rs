//! Errors in Twilio's format and words.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;
use twilio_types::error_code::ErrorCode;

/// An HTTP status and a code of Twilio's "Error and warning dictionary".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: String,
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn bad_request(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 20404, format!("The requested resource {what} was not found"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 20003, "Authenticate")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 20004, "Method not allowed")
    }

    /// A required parameter is missing. In the words of the newer products.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::bad_request(20001, format!("Missing required parameter {parameter} in the post body"))
    }

    /// A parameter has an invalid value. In the words of the newer products.
    pub(crate) fn invalid(parameter: &str, expected: &str) -> Self {
        Self::bad_request(20001, format!("Invalid parameter {parameter}: expected {expected}"))
    }

    pub(crate) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests")
    }

    /// The error that a planned fault answers with.
    pub(crate) fn planned(status: u16, code: u32) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, code, "Refused by a planned fault")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 20503, "Service unavailable")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The title of an error in Twilio's "Error and warning dictionary".
pub(crate) fn dictionary_title(code: u32) -> Option<&'static str> {
    code.to_string().parse::<ErrorCode>().ok()?.title()
}

/// The same, or a general title for a code that is not in our copy of the dictionary.
pub(crate) fn error_title(code: u32) -> &'static str {
    dictionary_title(code).unwrap_or("not allowed")
}
