use domain::{
    progress::{Phase, Purpose, Step, Transition},
    waiting::WaitReason,
};
use serde_json::{Value, json};
use twilio_client::{MessageSender, NewContent, NewMessage};
use twilio_types::sid::MessageSid;

use super::*;
use crate::{
    job::tests::{body, candidate},
    judge::Plan,
    queue_message::tests::message,
    template_plan::TemplatePlan,
};

const SID: &str = "SM00000000000000000000000000000001";
const USER_ID: &str = "US.13491208655302741918";

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn accepted() -> CreateAnswer {
    CreateAnswer::Accepted(SID.parse::<MessageSid>().unwrap())
}

fn failure(code: &str) -> CreateFailure {
    CreateFailure { reason: Some(format!("HTTP 400, code {code}")), code: code.parse().ok() }
}

fn refused(code: &str) -> CreateAnswer {
    CreateAnswer::Refused(failure(code))
}

/// Claims a notification with these fields, and lets the test answer it.
fn with_claimed(fields: &Value, test: impl FnOnce(Claimed<'_>)) {
    let body = body(fields);
    let message = message(&body, now());
    let mut candidate = candidate(&message, "{}");
    let notification = &candidate.job.notification;
    let route = candidate.job.route(FallbackChannel::WhatsApp).unwrap();
    let step = Step { option: 0, purpose: Purpose::Deliver };
    let plan = Plan { step, route, recipient: notification.to.clone(), template: TemplatePlan::default() };
    candidate.stored.progress.claim(step, FallbackChannel::WhatsApp, now());
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    let message = NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()));
    let message = crate::outgoing::Outgoing::Message(message);
    let crate::job::Candidate { job, stored, person, .. } = candidate;
    test(Claimed { job, stored, person, plan, message, slot: now(), decided_at: now() });
}

/// The notification after an answer at this many seconds after the claim.
fn answered(fields: &Value, answer: CreateAnswer, seconds: i64) -> (StoredNotification, Change) {
    let mut result = None;
    with_claimed(fields, |claimed| {
        let mut stored = claimed.stored.clone();
        let at = now() + SignedDuration::from_secs(seconds);
        let change = apply(&mut stored, &claimed.job.notification, claimed.attempt(), answer, at);
        result = Some((stored, change));
    });
    result.unwrap()
}

#[test]
fn accepted_notification_is_open_until_its_outcome_should_be_known() {
    let (stored, change) = answered(&json!({"category": "utility"}), accepted(), 1);
    assert_eq!((stored.progress.phase, change), (Phase::Accepted, Change::Recorded));
    assert_eq!(stored.open_until, Some(now() + SignedDuration::from_mins(15)));
    assert_eq!((&stored.lease, stored.message_sid().map(MessageSid::as_str)), (&None, Some(SID)));
}

#[test]
fn refused_notification_goes_on_with_its_fallback_at_once() {
    let fallback = json!([{"channel": "sms", "content": {"type": "text", "body": "Hello"}}]);
    let (stored, change) = answered(&json!({"fallback": fallback}), refused("63003"), 1);
    assert_eq!(change, Change::Ready(SignedDuration::ZERO));
    assert_eq!(stored.progress.ready_step().map(|step| step.option), Some(1));
    assert_eq!(stored.open_until, None);
    let due = stored.due.unwrap();
    assert_eq!((due.at, due.reason), (now() + SignedDuration::from_secs(1), WaitReason::Retry), "at once");
}

#[test]
fn opt_out_in_twilios_answer_suppresses_the_notification() {
    for code in ["21610", "63014", "63033"] {
        let (stored, _) = answered(&json!({}), refused(code), 1);
        assert_eq!(stored.progress.outcome, Some(Outcome::Suppressed), "{code}");
        assert!(!is_given_up(&stored.progress));
    }
}

#[test]
fn notification_is_given_up_by_time_and_not_by_refusal() {
    let pause = SignedDuration::from_secs(10);
    let not_done = || CreateAnswer::NotDone(CreateFailure { reason: None, code: None }, pause);
    let (retried, change) = answered(&json!({}), not_done(), 60);
    assert_eq!((change, is_given_up(&retried.progress)), (Change::Ready(pause), false));
    let (given_up, _) = answered(&json!({}), not_done(), 25 * 3_600);
    assert!(is_given_up(&given_up.progress));
    let (rejected, _) = answered(&json!({}), refused("21211"), 60);
    assert_eq!(rejected.progress.outcome, Some(Outcome::Rejected));
    assert!(!is_given_up(&rejected.progress));
}

#[test]
fn invalid_user_id_goes_to_the_known_number_and_suppresses_nobody() {
    with_claimed(&json!({"to": USER_ID}), |mut claimed| {
        assert_eq!(to_number_after_invalid_user_id(refused("21211"), &claimed), refused("21211"), "no number is known");
        claimed.person.person.aliases.insert("+14155550123".to_owned());
        let answer = to_number_after_invalid_user_id(refused("21211"), &claimed);
        assert_eq!(answer, CreateAnswer::NotDone(failure("21211"), SignedDuration::ZERO));
        let mut stored = claimed.stored.clone();
        let change = apply(&mut stored, &claimed.job.notification, 0, answer, now());
        assert_eq!(change, Change::Ready(SignedDuration::ZERO));
        assert_eq!(stored.progress.attempts[0].code, "21211".parse().ok(), "the next attempt goes by it");
        assert_eq!(to_number_after_invalid_user_id(refused("63016"), &claimed), refused("63016"));
    });
}

#[test]
fn answer_after_a_faster_callback_changes_nothing() {
    with_claimed(&json!({}), |claimed| {
        let mut stored = claimed.stored.clone();
        let notification = &claimed.job.notification;
        let on = Transition { notification, expires_at: None, now: now() };
        let report = domain::progress::MessageReport {
            attempt: 0,
            message_sid: SID.parse().ok(),
            reason: None,
            status: twilio_types::message_status::MessageStatus::Delivered.into(),
            code: None,
        };
        stored.progress.report(&report, &on);
        let before = stored.clone();
        assert_eq!(apply(&mut stored, notification, 0, accepted(), now()), Change::Nothing);
        assert_eq!(stored.progress, before.progress);
        let other = CreateAnswer::Accepted("SM00000000000000000000000000000002".parse().unwrap());
        assert_eq!(apply(&mut stored, notification, 0, other, now()), Change::Duplicate);
    });
}
