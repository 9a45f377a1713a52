use jiff::SignedDuration;
use serde_json::{Value, json};
use twilio_types::{
    message_status::{MessageStatus, Stage},
    sid::MessageSid,
};

use super::*;
use crate::{limits::GIVE_UP_AFTER, notification::Notification};

mod cancel;
mod reopen;
mod schedules;
mod undelivered;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn sid(number: u8) -> MessageSid {
    format!("SM{number:032}").parse().unwrap()
}

fn text() -> Value {
    json!({"type": "text", "body": "Hello"})
}

fn template(number: u8) -> Value {
    json!({"type": "template", "content_sid": format!("HX{number:032}")})
}

fn notification(content: &Value, more: &Value) -> Notification {
    let mut notification = json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": content});
    for (name, value) in more.as_object().unwrap() {
        notification[name] = value.clone();
    }
    Notification::parse(&notification.to_string()).unwrap()
}

/// A text, a template, and an SMS.
fn with_fallbacks() -> Notification {
    let fallback = [("whatsapp", template(1)), ("sms", text())];
    let fallback = fallback.map(|(channel, content)| json!({"channel": channel, "content": content}));
    notification(&text(), &json!({"fallback": fallback}))
}

fn waiting_for_reply() -> Notification {
    let fallback = [("whatsapp", template(1)), ("sms", text())];
    let fallback = fallback.map(|(channel, content)| json!({"channel": channel, "content": content}));
    notification(&text(), &json!({"fallback": fallback, "wait_for_reply": true}))
}

fn on(notification: &Notification, second: i64) -> Transition<'_> {
    Transition { notification, expires_at: None, now: at(second) }
}

const CONTENT: Step = Step { option: 0, purpose: Purpose::Deliver };
const TEMPLATE: Step = Step { option: 1, purpose: Purpose::Deliver };
const ASK: Step = Step { option: 1, purpose: Purpose::AskForReply };
const SMS: Step = Step { option: 2, purpose: Purpose::Deliver };

fn claimed(step: Step) -> Progress {
    let mut progress = Progress::default();
    progress.claim(step, FallbackChannel::WhatsApp, at(0));
    progress
}

fn accepted(step: Step, notification: &Notification) -> Progress {
    let mut progress = claimed(step);
    progress.answer(0, CreateAnswer::Accepted(sid(1)), &on(notification, 1));
    progress
}

fn report(status: MessageStatus, code: Option<u32>) -> MessageReport {
    let code = code.map(|code| code.to_string().parse().unwrap());
    MessageReport { attempt: 0, message_sid: Some(sid(1)), status: status.into(), code, reason: None }
}

fn failed(code: u32) -> MessageReport {
    report(MessageStatus::Failed, Some(code))
}

fn refused(code: u32) -> CreateAnswer {
    CreateAnswer::Refused(CreateFailure { reason: Some("refused".to_owned()), code: code.to_string().parse().ok() })
}

fn ready(step: Step) -> Phase {
    Phase::Ready { step, not_before: None }
}

/// Twilio created the message, a callback says that it was delivered, and the repeated request is refused.
#[test]
fn refusal_after_a_report_of_the_message_changes_nothing() {
    let notification = with_fallbacks();
    let mut progress = claimed(CONTENT);
    progress.report(&report(MessageStatus::Delivered, None), &on(&notification, 1));
    let before = progress.clone();
    assert_eq!(progress.answer(0, refused(63016), &on(&notification, 2)), Change::Nothing);
    assert_eq!(progress, before);
}

/// A failure leads to the same next step, whether Twilio's answer or a callback tells it, before or after the answer.
#[test]
fn failure_leads_to_the_same_step_however_it_is_known() {
    let notification = with_fallbacks();
    for (code, expected) in [(63016, TEMPLATE), (63003, SMS)] {
        let by_answer = {
            let mut progress = claimed(CONTENT);
            progress.answer(0, refused(code), &on(&notification, 2));
            progress
        };
        let by_late_callback = {
            let mut progress = accepted(CONTENT, &notification);
            assert_eq!(progress.report(&failed(code), &on(&notification, 2)), Change::Ready(SignedDuration::ZERO));
            progress
        };
        let by_early_callback = {
            let mut progress = claimed(CONTENT);
            assert_eq!(progress.report(&failed(code), &on(&notification, 1)), Change::Ready(SignedDuration::ZERO));
            assert_eq!(progress.answer(0, CreateAnswer::Accepted(sid(1)), &on(&notification, 2)), Change::Nothing);
            progress
        };
        let after_a_hold = {
            let mut progress = claimed(CONTENT);
            progress.hold("no answer");
            progress.report(&failed(code), &on(&notification, 2));
            progress
        };
        for progress in [by_answer, by_late_callback, by_early_callback, after_a_hold] {
            assert_eq!((progress.phase, progress.outcome), (ready(expected), None), "{code}: {progress:?}");
            assert_eq!(progress.attempts.len(), 1, "{code}: one attempt, once");
        }
    }
}

#[test]
fn failure_that_nothing_cures_is_the_outcome() {
    let plain = notification(&template(1), &json!({}));
    let mut progress = accepted(CONTENT, &plain);
    assert_eq!(progress.report(&failed(63003), &on(&plain, 9)), Change::Recorded);
    assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, Some(Outcome::Failed)));
    assert_eq!(progress.code, "63003".parse().ok());
    let mut progress = accepted(CONTENT, &plain);
    progress.report(&report(MessageStatus::Undelivered, Some(63003)), &on(&plain, 9));
    assert_eq!(progress.outcome, Some(Outcome::Undelivered));
    let mut progress = claimed(CONTENT);
    progress.answer(0, refused(63003), &on(&plain, 9));
    assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Rejected)));
}

#[test]
fn content_follows_the_answer_and_then_its_own_fallback() {
    let notification = waiting_for_reply();
    let mut progress = accepted(ASK, &notification);
    assert_eq!((progress.phase, progress.outcome), (Phase::AwaitingReply, None));
    let number = progress.claim(CONTENT, FallbackChannel::WhatsApp, at(60));
    progress.answer(number, CreateAnswer::Accepted(sid(2)), &on(&notification, 61));
    assert_eq!(progress.phase, Phase::Accepted);
    let lost = MessageReport { attempt: 1, message_sid: Some(sid(2)), ..failed(63005) };
    progress.report(&lost, &on(&notification, 62));
    assert_eq!(progress.phase, ready(SMS), "the template was delivered already, and is not sent again");
}

#[test]
fn template_that_failed_is_cured_like_any_message() {
    let notification = waiting_for_reply();
    let mut progress = accepted(ASK, &notification);
    progress.report(&failed(63024), &on(&notification, 9));
    assert_eq!(progress.phase, ready(SMS), "an answer to it can never come");
    let mut progress = accepted(ASK, &notification);
    progress.report(&failed(63010), &on(&notification, 9));
    assert_eq!(progress.ready_step(), Some(ASK), "a temporary fault: the template again");
}

#[test]
fn lost_answer_is_shown_until_more_is_known() {
    let notification = with_fallbacks();
    let mut progress = claimed(CONTENT);
    progress.note_unanswered("HTTP 503");
    assert_eq!((progress.phase, progress.reason.as_deref()), (claimed(CONTENT).phase, Some("HTTP 503")));
    let mut found = progress.clone();
    found.report(&report(MessageStatus::Delivered, None), &on(&notification, 9));
    assert_eq!((&found.reason, &found.attempts[0].reason), (&None, &None));
    progress.record_not_sent("Twilio has no message", &on(&notification, 9));
    assert_eq!(progress.attempts[0].reason.as_deref(), Some("HTTP 503; Twilio has no message"));
    assert_eq!(progress.reason, None);
}

#[test]
fn lost_answer_of_a_template_still_awaits_the_reply() {
    let notification = waiting_for_reply();
    for status in [MessageStatus::Delivered, MessageStatus::Read] {
        let mut progress = claimed(ASK);
        progress.report(&report(status, None), &on(&notification, 70));
        assert_eq!((progress.phase, progress.outcome), (Phase::AwaitingReply, None), "{status}");
    }
}

#[test]
fn delivery_is_the_outcome_and_read_follows_it() {
    let notification = with_fallbacks();
    let mut progress = accepted(CONTENT, &notification);
    for (status, expected) in [
        (MessageStatus::Sent, None),
        (MessageStatus::Delivered, Some(Outcome::Delivered)),
        (MessageStatus::Sent, Some(Outcome::Delivered)),
        (MessageStatus::Read, Some(Outcome::Read)),
        (MessageStatus::Delivered, Some(Outcome::Read)),
    ] {
        progress.report(&report(status, None), &on(&notification, 9));
        assert_eq!(progress.outcome, expected, "{status}");
    }
    let mut progress = claimed(CONTENT);
    progress.report(&report(MessageStatus::Read, None), &on(&notification, 9));
    assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, Some(Outcome::Read)), "before the answer");
}

#[test]
fn report_says_that_a_message_taken_for_not_sent_exists() {
    let notification = with_fallbacks();
    let mut progress = claimed(CONTENT);
    progress.record_not_sent("not listed", &on(&notification, 900));
    assert_eq!(progress.phase, ready(CONTENT));
    assert_eq!(progress.report(&report(MessageStatus::Sent, None), &on(&notification, 901)), Change::Recorded);
    assert_eq!(progress.phase, Phase::Accepted, "no second message");
    let mut held = claimed(CONTENT);
    held.hold("no answer");
    held.report(&report(MessageStatus::Queued, None), &on(&notification, 901));
    assert_eq!((held.phase, held.outcome), (Phase::Accepted, None));
}

#[test]
fn underway_reports_of_a_claim_change_nothing() {
    let notification = with_fallbacks();
    let mut progress = claimed(CONTENT);
    assert_eq!(progress.report(&report(MessageStatus::Sent, None), &on(&notification, 1)), Change::Nothing);
    assert_eq!(progress, claimed(CONTENT), "the answer will say it, or the look after the lease");
}

#[test]
fn second_message_of_an_attempt_is_reported_as_duplicate() {
    let notification = with_fallbacks();
    let mut progress = accepted(CONTENT, &notification);
    let second = MessageReport { message_sid: Some(sid(2)), ..report(MessageStatus::Sent, None) };
    assert_eq!(progress.report(&second, &on(&notification, 9)), Change::Duplicate);
    assert_eq!(progress.answer(0, CreateAnswer::Accepted(sid(2)), &on(&notification, 9)), Change::Duplicate);
}

#[test]
fn opt_out_code_ends_a_notification_as_suppressed() {
    let notification = with_fallbacks();
    let mut by_answer = claimed(CONTENT);
    by_answer.answer(0, refused(21610), &on(&notification, 2));
    let mut by_callback = accepted(CONTENT, &notification);
    by_callback.report(&failed(63014), &on(&notification, 2));
    for progress in [by_answer, by_callback] {
        assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Suppressed)));
    }
}

#[test]
fn attempts_end_by_time_and_not_by_count() {
    let notification = notification(&template(1), &json!({}));
    let mut progress = Progress::default();
    let failure = || CreateFailure { reason: None, code: "20429".parse().ok() };
    let mut second = 0;
    let pause = SignedDuration::from_mins(15);
    let ended = loop {
        let number = progress.claim(CONTENT, FallbackChannel::WhatsApp, at(second));
        match progress.answer(number, CreateAnswer::NotDone(failure(), pause), &on(&notification, second)) {
            Change::Ready(pause) => second += pause.as_secs(),
            change => break change,
        }
    };
    assert_eq!(ended, Change::Recorded);
    assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Rejected)));
    let hours = SignedDuration::from_secs(second);
    assert!(hours > SignedDuration::from_hours(23) && hours <= GIVE_UP_AFTER, "{hours}");
    let soon = Transition { expires_at: Some(at(second + 60)), ..on(&notification, second) };
    let mut progress = claimed(CONTENT);
    progress.answer(0, CreateAnswer::NotDone(failure(), pause), &soon);
    assert_eq!(progress.outcome, Some(Outcome::Rejected), "a retry would come after its expiry");
}

#[test]
fn retry_is_not_claimable_before_its_time() {
    let notification = with_fallbacks();
    let mut progress = accepted(CONTENT, &notification);
    let Change::Ready(pause) = progress.report(&failed(63010), &on(&notification, 100)) else { panic!() };
    assert!(pause >= SignedDuration::from_mins(1));
    let not_before = at(100) + pause;
    assert_eq!(progress.phase, Phase::Ready { step: CONTENT, not_before: Some(not_before) });
}

#[test]
fn repeated_failure_changes_nothing() {
    let notification = with_fallbacks();
    let mut progress = accepted(CONTENT, &notification);
    progress.report(&failed(63016), &on(&notification, 2));
    let before = progress.clone();
    for status in [MessageStatus::Failed, MessageStatus::Undelivered, MessageStatus::Sent] {
        assert_eq!(progress.report(&report(status, Some(63003)), &on(&notification, 9)), Change::Nothing, "{status}");
    }
    assert_eq!(progress, before);
}

#[test]
fn second_template_asks_for_the_reply_too() {
    let fallback = [template(1), template(2)].map(|content| json!({"channel": "whatsapp", "content": content}));
    let notification = notification(&text(), &json!({"fallback": fallback, "wait_for_reply": true}));
    let mut progress = accepted(ASK, &notification);
    progress.report(&failed(63027), &on(&notification, 2));
    assert_eq!(progress.ready_step(), Some(Step { option: 2, purpose: Purpose::AskForReply }));
}

#[test]
fn message_that_was_found_leads_on_like_an_answered_one() {
    let notification = with_fallbacks();
    for (status, code, phase, outcome) in [
        (MessageStatus::Queued, None, Phase::Accepted, None),
        (MessageStatus::Delivered, None, Phase::Accepted, Some(Outcome::Delivered)),
        (MessageStatus::Failed, Some(63016), ready(TEMPLATE), None),
    ] {
        let mut progress = claimed(CONTENT);
        progress.record_found(&report(status, code), &on(&notification, 70));
        assert_eq!((progress.phase, progress.outcome), (phase, outcome), "{status}");
        assert_eq!(progress.attempts[0].message_sid, Some(sid(1)));
    }
}

#[test]
fn report_of_no_attempt_changes_nothing() {
    let notification = with_fallbacks();
    let mut progress = Progress::default();
    assert_eq!(progress.report(&failed(63016), &on(&notification, 1)), Change::Nothing);
    assert_eq!(progress.answer(0, CreateAnswer::Accepted(sid(1)), &on(&notification, 1)), Change::Nothing);
    assert_eq!(progress, Progress::default());
}
