//! Why a code was not sent or not checked, and how that is answered.

use std::time::Duration;

use domain::verification::VerificationRefusal;
use jiff::{SignedDuration, Timestamp};
use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
};
use serde::Serialize;
use shared::{
    http_reply::{RequestError, json},
    report::Chain,
    twilio::AccountCallError,
};
use stores::dynamodb::StoreError;
use twilio_client::{ErrorResponse, TwilioError};
use twilio_types::error_code::{Class, ErrorCode};

/// A request that did not succeed.
#[derive(Debug)]
pub(crate) enum VerifyError {
    /// The caller, or time, has to act.
    Problem(Box<VerifyProblem>),
    /// The request is not valid, or AWS or the operator has to act.
    Request(RequestError),
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        Self::Request(error.into())
    }
}

/// What is wrong, with a name that a program can decide by. The field is that of the request, or empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VerifyProblem {
    status: StatusCode,
    detail: ProblemDetail,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ProblemDetail {
    field: &'static str,
    message: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    twilio_code: Option<ErrorCode>,
    /// From when on the request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ProblemBody {
    error: ProblemDetail,
}

/// Verify does not say how long several requests for one number have to be apart.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Twilio, error 60410: the prefix of the number is blocked for the next 12 hours.
const FRAUD_BLOCK: SignedDuration = SignedDuration::from_hours(12);

impl VerifyProblem {
    fn new(status: StatusCode, field: &'static str, reason: &'static str, message: &'static str) -> Self {
        Self { status, detail: ProblemDetail { field, message, reason, twilio_code: None, retry_at: None } }
    }

    /// The same about a field of the request.
    pub(crate) fn of_field(mut self, field: &'static str) -> Self {
        self.detail.field = field;
        self
    }

    fn until(mut self, retry_at: Timestamp) -> Self {
        self.detail.retry_at = Some(retry_at);
        self
    }

    /// The person has opted out of all messages of the account.
    pub(crate) fn suppressed() -> Self {
        Self::new(StatusCode::FORBIDDEN, "to", "suppressed", "the person has opted out of all messages of this account")
    }

    pub(crate) fn id_reused() -> Self {
        Self::new(StatusCode::CONFLICT, "id", "id_reused", "the id was used for a request with other content")
    }

    /// Another request with the same id is sending the code, or stopped a moment ago.
    pub(crate) fn in_progress(until: Timestamp) -> Self {
        let message = "another request with this id is being worked on: repeat it after retry_at";
        Self::new(StatusCode::CONFLICT, "id", "in_progress", message).until(until)
    }

    /// Whether Verify sent the code is not known. The same id gives the answer later.
    pub(crate) fn unknown_outcome(until: Timestamp) -> Self {
        let message = "Twilio gave no answer, and the code may have been sent: repeat the request with the same id";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "", "unknown_outcome", message).until(until)
    }

    /// Whether Verify approved the code is not known. If it did, it has deleted the verification.
    pub(crate) fn unknown_check(now: Timestamp) -> Self {
        let message =
            "Twilio gave no answer: check the code again; if that is answered with not_found, send a new code";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "", "unknown_outcome", message).until(after(now, PAUSE))
    }

    /// Twilio was not reached, and nothing was done.
    pub(crate) fn unreachable(now: Timestamp) -> Self {
        let message = "Twilio was not reached, and nothing was sent: repeat the request";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "", "twilio_unreachable", message).until(after(now, PAUSE))
    }

    /// No verification has this id, or none any more.
    pub(crate) fn not_found() -> Self {
        Self::of_refusal(VerificationRefusal::NotFound, None, None)
    }

    /// A refusal by Verify.
    pub(crate) fn of_refusal(
        refusal: VerificationRefusal,
        twilio_code: Option<ErrorCode>,
        retry_at: Option<Timestamp>,
    ) -> Self {
        use VerificationRefusal as Refusal;
        let (status, field) = match refusal {
            Refusal::ChannelUnavailable => (StatusCode::UNPROCESSABLE_ENTITY, "channel"),
            Refusal::TooManySends | Refusal::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "to"),
            Refusal::TooManyChecks => (StatusCode::TOO_MANY_REQUESTS, "code"),
            Refusal::FraudGuard | Refusal::GeoPermissions | Refusal::Blocked | Refusal::OptedOut => {
                (StatusCode::FORBIDDEN, "to")
            }
            Refusal::InvalidRecipient => (StatusCode::UNPROCESSABLE_ENTITY, "to"),
            Refusal::InvalidParameter => (StatusCode::UNPROCESSABLE_ENTITY, ""),
            Refusal::NotFound => (StatusCode::NOT_FOUND, ""),
            Refusal::Misconfigured => (StatusCode::BAD_GATEWAY, ""),
        };
        let mut problem = Self::new(status, field, refusal.name(), refusal.message());
        problem.detail.twilio_code = twilio_code;
        problem.detail.retry_at = retry_at;
        problem
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let retry_at = self.detail.retry_at;
        let mut response = json(self.status, &ProblemBody { error: self.detail });
        if let Some(retry_at) = retry_at {
            let seconds = retry_at.duration_since(Timestamp::now()).as_secs().max(1);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What is certain after a call to Verify that failed.
#[derive(Debug)]
pub(crate) enum FailedCall {
    /// Nothing was done.
    Refused { refusal: VerificationRefusal, code: Option<ErrorCode>, retry_after: Option<Duration> },
    /// Nothing was done, because Twilio was not reached.
    Unreachable,
    /// It may have been done.
    Unknown,
    /// Nothing was done, and the operator has to act.
    Operator(AccountCallError),
}

impl From<AccountCallError> for FailedCall {
    fn from(error: AccountCallError) -> Self {
        match error {
            AccountCallError::Twilio(TwilioError::Rejected(response)) => Self::refused(&response, None),
            AccountCallError::Twilio(TwilioError::NotDone { response: Some(response), retry_after, .. }) => {
                Self::refused(&response, retry_after)
            }
            AccountCallError::Twilio(TwilioError::NotDone { response: None, .. }) => Self::Unreachable,
            AccountCallError::Twilio(TwilioError::Unknown { .. }) => Self::Unknown,
            error => Self::Operator(error),
        }
    }
}

impl FailedCall {
    fn refused(response: &ErrorResponse, retry_after: Option<Duration>) -> Self {
        let refusal = VerificationRefusal::of(response.status, response.code, response.message.as_deref());
        Self::Refused { refusal, code: response.code, retry_after }
    }
}

/// When a refused request may succeed, where that does not depend on the verification.
pub(crate) fn retry_at(
    refusal: VerificationRefusal,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Option<Timestamp> {
    match refusal {
        VerificationRefusal::TooManyRequests => {
            let asked = retry_after.and_then(|pause| SignedDuration::try_from(pause).ok());
            Some(after(now, asked.unwrap_or(PAUSE)))
        }
        VerificationRefusal::FraudGuard => Some(after(now, FRAUD_BLOCK)),
        _ => None,
    }
}

fn after(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// Logs a refusal: with an alarm where the operator must act, or where the route may be abused.
pub(crate) fn log_refusal(refusal: VerificationRefusal, code: Option<ErrorCode>) {
    use VerificationRefusal as Refusal;
    let (reason, code) = (refusal.name(), code.map_or(0, ErrorCode::get));
    match refusal {
        Refusal::FraudGuard | Refusal::GeoPermissions | Refusal::Blocked => {
            tracing::warn!(reason, code, alarm = "verify_blocked", "Verify blocked a one-time password");
        }
        Refusal::Misconfigured => {
            tracing::error!(
                reason,
                code,
                alarm = "verify",
                "Twilio refused a one-time password, and an operator must act"
            );
        }
        _ => tracing::info!(reason, code, "Verify refused a one-time password"),
    }
}

/// Logs that the language of a request does not exist at Verify, which then chooses it.
pub(crate) fn log_unsupported_locale(code: Option<ErrorCode>) {
    let code = code.map_or(0, ErrorCode::get);
    tracing::info!(code, "Verify may not have the language of a one-time password: it is sent without one");
}

/// Logs that a channel was left out. A channel that the service does not have needs the operator; a number without WhatsApp
/// does not.
pub(crate) fn log_unavailable_channel(channel: &str, code: Option<ErrorCode>) {
    let number = code.map_or(0, ErrorCode::get);
    if code.is_some_and(|code| code.class() == Class::FixConfiguration) {
        let alarm = "verify";
        tracing::error!(channel, code = number, alarm, "the Verify service does not send on this channel");
    } else {
        tracing::info!(channel, code = number, "a channel is not available for a one-time password");
    }
}

/// Logs what only an operator can fix. What Secrets Manager or DynamoDB failed at is logged with the answer.
pub(crate) fn log_operator_fault(error: &RequestError) {
    let RequestError::Internal(source) = error else { return };
    if let Some(error @ (AccountCallError::NoCredentials(_) | AccountCallError::Twilio(_))) = source.downcast_ref() {
        tracing::error!(error = %Chain(error), alarm = "verify", "Twilio cannot be called for a one-time password");
    }
}
