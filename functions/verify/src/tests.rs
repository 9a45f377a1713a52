use serde_json::{Value, json};
use twilio_client::{ErrorResponse, TwilioError};
use twilio_types::error_code::ErrorCode;

use domain::verification::VerificationRefusal;
use jiff::{SignedDuration, Timestamp};
use shared::twilio::AccountCallError;

use super::*;
use crate::problem::{FailedCall, retry_at};

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn code(code: u32) -> ErrorCode {
    code.to_string().parse().unwrap()
}

fn answer(problem: VerifyProblem) -> (u16, Value, Option<u64>) {
    let response = problem.into_response();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap(), retry_after)
}

#[test]
fn limit_is_answered_with_its_name_and_its_end() {
    let until = Timestamp::now() + SignedDuration::from_secs(100);
    let problem = VerifyProblem::of_refusal(VerificationRefusal::TooManySends, Some(code(60203)), Some(until));
    let (status, body, retry_after) = answer(problem);
    assert_eq!((status, &body["error"]["reason"]), (429, &json!("max_sends")));
    assert_eq!((&body["error"]["field"], &body["error"]["twilio_code"]), (&json!("to"), &json!(60203)));
    assert_eq!(body["error"]["retry_at"], json!(until));
    assert!((90..=100).contains(&retry_after.unwrap()));
}

#[test]
fn refusals_are_answered_by_who_must_act() {
    for (refusal, expected) in [
        (VerificationRefusal::ChannelUnavailable, 422),
        (VerificationRefusal::InvalidRecipient, 422),
        (VerificationRefusal::InvalidParameter, 422),
        (VerificationRefusal::TooManyChecks, 429),
        (VerificationRefusal::TooManyRequests, 429),
        (VerificationRefusal::FraudGuard, 403),
        (VerificationRefusal::GeoPermissions, 403),
        (VerificationRefusal::Blocked, 403),
        (VerificationRefusal::OptedOut, 403),
        (VerificationRefusal::NotFound, 404),
        (VerificationRefusal::Misconfigured, 502),
    ] {
        let (status, body, retry_after) = answer(VerifyProblem::of_refusal(refusal, None, None));
        assert_eq!((status, &body["error"]["reason"]), (expected, &json!(refusal.name())));
        assert!(body["error"].get("twilio_code").is_none() && retry_after.is_none(), "{body}");
    }
}

#[test]
fn failed_call_says_whether_something_was_done() {
    let response = |status, number| ErrorResponse::new(status, Some(code(number)));
    let of = |error: TwilioError| FailedCall::from(AccountCallError::Twilio(error));
    let refused = of(TwilioError::Rejected(response(403, 60410)));
    assert!(matches!(refused, FailedCall::Refused { refusal: VerificationRefusal::FraudGuard, .. }), "{refused:?}");
    let pause = Some(Duration::from_secs(7));
    let limited = of(TwilioError::NotDone { retry_after: pause, response: Some(response(429, 60212)), source: None });
    let FailedCall::Refused { refusal, retry_after, .. } = limited else { panic!("{limited:?}") };
    assert_eq!(retry_at(refusal, retry_after, now()), Some(now() + SignedDuration::from_secs(7)));
    let unreachable = of(TwilioError::NotDone { retry_after: None, response: None, source: None });
    assert!(matches!(unreachable, FailedCall::Unreachable), "{unreachable:?}");
    let unknown = of(TwilioError::Unknown { response: Some(response(500, 20500)), source: None });
    assert!(matches!(unknown, FailedCall::Unknown), "{unknown:?}");
    let operator = of(TwilioError::Unauthorized(response(401, 20003)));
    assert!(matches!(operator, FailedCall::Operator(_)), "{operator:?}");
}

#[test]
fn fraud_block_ends_after_twelve_hours() {
    let until = retry_at(VerificationRefusal::FraudGuard, None, now());
    assert_eq!(until, Some(now() + SignedDuration::from_hours(12)));
    assert_eq!(retry_at(VerificationRefusal::InvalidRecipient, None, now()), None);
}

#[test]
fn timeout_and_lease_are_those_of_the_template() {
    let template = include_str!("../../../template.yaml");
    let (_, function) = template.split_once("\n  VerifyFunction:\n").unwrap();
    let timeout = function.lines().find_map(|line| line.trim().strip_prefix("Timeout: ")).unwrap();
    assert_eq!(TIMEOUT.as_secs().to_string(), timeout);
    assert!(LEASE > SignedDuration::try_from(TIMEOUT).unwrap(), "after the lease no function sends the code");
}
