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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_sandbox_has_twilios_title() {
        let messages = [
            21211, 21603, 21604, 21606, 21609, 21610, 21611, 21617, 21619, 21620, 21623, 21624, 21654, 21655, 21656,
            21659, 21660, 21661, 21703, 21704, 21705, 21711, 21910, 30029, 30030, 30400, 30409, 35111, 35114, 35118,
            35126, 63007,
        ];
        let failures = [
            11751, 14107, 30001, 30036, 63003, 63006, 63013, 63016, 63018, 63019, 63021, 63024, 63027, 63028, 63030,
            63031, 63034, 63040, 63041, 63042,
        ];
        let webhooks = [11200, 11205, 11750, 12100, 12102, 12200, 12300, 14103];
        let others = [
            20001, 20003, 20004, 20007, 20009, 20404, 20409, 20422, 20429, 20503, 21481, 21710, 21712, 60200, 60202,
            60203, 60221, 60223, 63100, 91000, 91001, 91003, 91300, 91302, 91305, 91306, 91307, 91308,
        ];
        for code in messages.into_iter().chain(failures).chain(webhooks).chain(others) {
            assert!(dictionary_title(code).is_some(), "{code}");
        }
    }
}
