use domain::{
    notification::FallbackChannel,
    progress::{Outcome, Phase, Purpose, Step},
};
use serde_json::{Value, json};
use twilio_types::message_status::{MessageStatus, ReportedStatus};

use super::*;
use crate::{
    job::{
        Candidate,
        tests::{body, candidate},
    },
    queue_message::tests::message,
};

const SID: &str = "SM00000000000000000000000000000001";

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn report(status: impl Into<ReportedStatus>, code: Option<&str>) -> MessageReport {
    let code = code.map(|code| code.parse().unwrap());
    MessageReport { attempt: 0, message_sid: SID.parse().ok(), status: status.into(), code, reason: None }
}

/// A notification with these fields that was claimed now, and whose answer was lost.
fn with_claimed(fields: &Value, purpose: Purpose, test: impl FnOnce(Candidate<'_>)) {
    let body = body(fields);
    let message = message(&body, now());
    let mut candidate = candidate(&message, "{}");
    candidate.stored.progress.claim(Step { option: 0, purpose }, FallbackChannel::WhatsApp, now());
    test(candidate);
}

fn after_report(fields: &Value, purpose: Purpose, report: &MessageReport) -> StoredNotification {
    let mut result = None;
    with_claimed(fields, purpose, |mut candidate| {
        apply_report(&mut candidate.stored, &candidate.job, report, now());
        result = Some(candidate.stored);
    });
    result.unwrap()
}

#[test]
fn reported_message_is_accepted_whatever_its_status() {
    let unknown: ReportedStatus = "expired".parse().unwrap();
    for status in [MessageStatus::Queued.into(), MessageStatus::Sent.into(), unknown] {
        let stored = after_report(&json!({}), Purpose::Deliver, &report(status.clone(), None));
        assert_eq!((stored.progress.phase, stored.progress.outcome), (Phase::Accepted, None), "{status:?}");
        assert!(stored.open_until.is_some() && stored.lease.is_none());
    }
    let stored = after_report(&json!({}), Purpose::Deliver, &report(MessageStatus::Delivered, None));
    assert_eq!((stored.progress.outcome, stored.open_until), (Some(Outcome::Delivered), None));
}

#[test]
fn reported_template_awaits_the_reply() {
    let stored = after_report(&json!({}), Purpose::AskForReply, &report(MessageStatus::Sent, None));
    assert_eq!(stored.progress.phase, Phase::AwaitingReply);
}

#[test]
fn reported_failure_leads_to_the_fallback() {
    let fallback = json!([{"channel": "sms", "content": {"type": "text", "body": "Hello"}}]);
    let failed = report(MessageStatus::Failed, Some("63003"));
    let stored = after_report(&json!({"fallback": fallback}), Purpose::Deliver, &failed);
    assert_eq!(stored.progress.ready_step().map(|step| step.option), Some(1));
    let stored = after_report(&json!({}), Purpose::Deliver, &failed);
    assert_eq!(stored.progress.outcome, Some(Outcome::Failed));
}

#[test]
fn list_is_certain_two_minutes_after_the_validity_period() {
    for (category, minutes) in [("authentication", 4), ("utility", 17), ("marketing", 242)] {
        with_claimed(&json!({"category": category}), Purpose::Deliver, |candidate| {
            let attempt = candidate.stored.progress.last().unwrap();
            let at = resolvable_at(&candidate.job, &candidate.stored, attempt);
            assert_eq!(at, now() + SignedDuration::from_mins(minutes), "{category}");
        });
    }
}

#[test]
fn callbacks_are_looked_at_until_the_list_is_certain() {
    with_claimed(&json!({}), Purpose::Deliver, |candidate| {
        let attempt = candidate.stored.progress.last().unwrap();
        let certain_at = now() + SignedDuration::from_mins(17);
        let pause_at = |seconds| look_again_in(attempt, certain_at, now() + SignedDuration::from_secs(seconds));
        for _ in 0..100 {
            assert!((30..=60).contains(&pause_at(61).as_secs()));
            assert!((150..=300).contains(&pause_at(600).as_secs()));
        }
        assert_eq!(pause_at(17 * 60 - 5), Duration::from_secs(5), "not later than the list is certain");
    });
}
