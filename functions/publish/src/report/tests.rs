use domain::progress::{AttemptResult, Outcome};
use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;

use super::*;
use crate::test_data::{MESSAGE_SID, at, attempt, stored_notification};

const OTHER_SID: &str = "SM00000000000000000000000000000009";

fn accepted(attempts: &[Value]) -> StoredNotification {
    stored_notification(&json!({
        "state": "accepted", "attempts": attempts, "open": "AC00000000000000000000000000000001#0",
        "open_until": "2026-11-20T09:15:00Z",
    }))
}

fn report(number: usize, sid: &str, status: &str, code: Option<&str>) -> MessageReport {
    MessageReport {
        attempt: number,
        message_sid: Some(sid.parse().unwrap()),
        status: status.parse().unwrap(),
        code: code.map(|code| code.parse().unwrap()),
        reason: None,
    }
}

#[test]
fn a_status_underway_of_an_accepted_message_is_not_written() {
    for status in ["queued", "sending", "sent"] {
        let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
        let before = stored.clone();
        let change = apply_report(&mut stored, &report(0, MESSAGE_SID, status, None), at());
        assert_eq!((change, stored == before), (Change::Nothing, true), "{status}");
    }
}

#[test]
fn a_failure_with_a_fallback_queues_the_notification_again() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let failed = report(0, MESSAGE_SID, "undelivered", Some("63003"));
    assert!(matches!(apply_report(&mut stored, &failed, at()), Change::Ready(_)));
    assert_eq!(stored.progress.ready_step().unwrap().option, 1);
    assert_eq!(queue_delay(&stored, &failed, at()), Some(Duration::ZERO));
    assert_eq!(stored.open_until, None, "nothing is on its way");
    let due = stored.due.unwrap();
    let in_case_the_message_is_lost = at() + jiff::SignedDuration::from_mins(15);
    assert_eq!((due.at, due.reason), (in_case_the_message_is_lost, WaitReason::Retry));
}

#[test]
fn a_failure_that_was_recorded_before_queues_the_notification_again() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let failed = report(0, MESSAGE_SID, "undelivered", Some("63010"));
    apply_report(&mut stored, &failed, at());
    assert_eq!(apply_report(&mut stored, &failed, at()), Change::Nothing);
    let a_while_later = at() + jiff::SignedDuration::from_secs(20);
    assert_eq!(queue_delay(&stored, &failed, a_while_later), Some(Duration::from_secs(40)));
    let long_after = at() + jiff::SignedDuration::from_hours(1);
    assert_eq!(queue_delay(&stored, &failed, long_after), Some(Duration::ZERO));
}

#[test]
fn a_notification_that_waits_otherwise_is_not_queued_again() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let failed = report(0, MESSAGE_SID, "undelivered", Some("63003"));
    apply_report(&mut stored, &failed, at());
    stored.wait_until(at() + jiff::SignedDuration::from_hours(8), WaitReason::QuietHours, Vec::new(), at());
    assert_eq!(queue_delay(&stored, &failed, at()), None);
}

#[test]
fn another_report_of_a_ready_notification_queues_nothing() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    apply_report(&mut stored, &report(0, MESSAGE_SID, "undelivered", Some("63003")), at());
    for other in [report(0, MESSAGE_SID, "sent", None), report(0, OTHER_SID, "failed", Some("63003"))] {
        apply_report(&mut stored, &other, at());
        assert_eq!(queue_delay(&stored, &other, at()), None, "{other:?}");
    }
}

#[test]
fn a_failure_without_another_option_is_the_outcome() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let failed = report(0, MESSAGE_SID, "failed", Some("63024"));
    stored.subject.request = Some(
        json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": {"type": "text", "body": "Hi"}})
            .to_string(),
    );
    assert_eq!(apply_report(&mut stored, &failed, at()), Change::Recorded);
    assert_eq!((stored.progress.outcome, stored.state().as_str()), (Some(Outcome::Failed), "accepted"));
    assert_eq!(queue_delay(&stored, &failed, at()), None);
}

#[test]
fn a_callback_that_is_faster_than_the_answer_ends_the_lease() {
    let mut stored = stored_notification(&json!({
        "state": "claimed", "lease": "L", "lease_until": "2026-11-20T09:01:00Z", "attempts": [attempt("claimed", None)],
        "resolvable_at": "2026-11-20T09:17:00Z",
    }));
    let delivered = report(0, MESSAGE_SID, "delivered", None);
    assert_eq!(apply_report(&mut stored, &delivered, at()), Change::Recorded);
    assert_eq!((stored.progress.outcome, stored.lease), (Some(Outcome::Delivered), None));
}

#[test]
fn a_claimed_attempt_keeps_its_lease_when_an_earlier_one_fails() {
    let attempts = [attempt("accepted", Some(OTHER_SID)), attempt("claimed", None)];
    let mut stored = stored_notification(&json!({
        "state": "claimed", "lease": "L", "lease_until": "2026-11-20T09:01:00Z", "attempts": attempts,
        "resolvable_at": "2026-11-20T09:17:00Z",
    }));
    apply_report(&mut stored, &report(0, OTHER_SID, "failed", Some("63003")), at());
    assert!(stored.lease.is_some());
    assert_eq!(stored.progress.attempts[0].result, AttemptResult::Failed);
}

#[test]
fn a_held_attempt_whose_message_is_reported_awaits_its_outcome() {
    let mut stored = stored_notification(&json!({
        "state": "unknown", "outcome": "unknown", "lease": "L", "lease_until": "2026-11-20T09:01:00Z",
        "attempts": [attempt("claimed", None)], "resolvable_at": "2026-11-20T09:17:00Z",
    }));
    assert_eq!(apply_report(&mut stored, &report(0, MESSAGE_SID, "sent", None), at()), Change::Recorded);
    assert_eq!((stored.state().as_str(), stored.progress.outcome), ("accepted", None));
    assert_eq!(stored.open_until, Some("2026-11-20T09:15:00Z".parse().unwrap()), "its validity period");
}

#[test]
fn a_delivered_message_that_is_stored_without_its_request_is_read() {
    let mut delivered = attempt("accepted", Some(MESSAGE_SID));
    delivered["status"] = json!("delivered");
    let mut stored = accepted(&[attempt("failed", Some(OTHER_SID)), delivered]);
    stored.progress.outcome = Some(Outcome::Delivered);
    stored.subject.request = None;
    assert_eq!(apply_report(&mut stored, &report(1, MESSAGE_SID, "read", None), at()), Change::Recorded);
    assert_eq!(stored.progress.outcome, Some(Outcome::Read));
    let late = report(1, MESSAGE_SID, "failed", Some("63024"));
    assert_eq!(apply_report(&mut stored, &late, at()), Change::Nothing);
}

#[test]
fn a_second_message_of_an_attempt_is_a_duplicate() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let other = report(0, OTHER_SID, MessageStatus::Delivered.as_str(), None);
    assert_eq!(apply_report(&mut stored, &other, at()), Change::Duplicate);
    assert_eq!(stored.progress.outcome, None);
}

#[test]
fn arrival_is_timed_once_and_from_the_request() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let claimed_at = stored.progress.attempts[0].claimed_at;
    let reported_at = claimed_at + SignedDuration::from_millis(2_500);
    let mut arrival = |status: &str| {
        let (report, before) = (report(0, MESSAGE_SID, status, None), stored.progress.outcome);
        apply_report(&mut stored, &report, at());
        Arrival::by(&report, before, &stored, reported_at)
    };
    assert_eq!(arrival("sent"), None);
    let time = Some(SignedDuration::from_millis(2_500));
    assert_eq!(arrival("delivered"), Some(Arrival { outcome: Outcome::Delivered, time }));
    assert_eq!(arrival("delivered"), None, "it comes again");
    assert_eq!(arrival("read"), Some(Arrival { outcome: Outcome::Read, time: None }));
}

#[test]
fn failure_is_no_arrival() {
    let mut stored = accepted(&[attempt("accepted", Some(MESSAGE_SID))]);
    let report = report(0, MESSAGE_SID, "undelivered", Some("63024"));
    apply_report(&mut stored, &report, at());
    assert_eq!(Arrival::by(&report, None, &stored, at()), None);
}
