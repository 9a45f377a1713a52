//! Options that follow a message without a delivery.

use super::*;

/// A text, and an SMS if it is not delivered within ten minutes.
fn with_sms_after() -> Notification {
    notification(&text(), &json!({"fallback": [{"channel": "sms", "content": text(), "after": "10m"}]}))
}

const SMS_NEXT: Step = Step { option: 1, purpose: Purpose::Deliver };

/// Both messages are accepted, the text first.
fn with_both_messages(notification: &Notification) -> Progress {
    let mut progress = accepted(CONTENT, notification);
    let number = progress.claim(SMS_NEXT, FallbackChannel::Sms, at(600));
    progress.answer(number, CreateAnswer::Accepted(sid(2)), &on(notification, 601));
    progress
}

fn of_sms(status: MessageStatus, code: Option<u32>) -> MessageReport {
    MessageReport { attempt: 1, message_sid: Some(sid(2)), ..report(status, code) }
}

#[test]
fn option_follows_a_message_without_a_delivery() {
    let notification = with_sms_after();
    let mut progress = accepted(CONTENT, &notification);
    assert_eq!(progress.delivery_due_at(&notification), Some(at(600)));
    progress.report(&report(MessageStatus::Sent, None), &on(&notification, 2));
    assert_eq!(progress.delivery_due_at(&notification), Some(at(600)), "sent is not delivered");
    let both = with_both_messages(&notification);
    assert_eq!(
        both.attempts[0].reason.as_deref(),
        Some("no delivery was reported in time, so the next option was sent")
    );
    assert_eq!(both.delivery_due_at(&notification), None, "each option follows once");
    for status in [MessageStatus::Delivered, MessageStatus::Read] {
        let mut progress = accepted(CONTENT, &notification);
        progress.report(&report(status, None), &on(&notification, 2));
        assert_eq!(progress.delivery_due_at(&notification), None, "{status}");
    }
}

#[test]
fn either_message_can_be_the_delivery() {
    let notification = with_sms_after();
    let mut by_first = with_both_messages(&notification);
    by_first.report(&report(MessageStatus::Read, None), &on(&notification, 700));
    by_first.report(&of_sms(MessageStatus::Delivered, None), &on(&notification, 701));
    assert_eq!(by_first.outcome, Some(Outcome::Read), "the furthest of both");
    let mut by_second = with_both_messages(&notification);
    by_second.report(&of_sms(MessageStatus::Delivered, None), &on(&notification, 701));
    by_second.report(&failed(63024), &on(&notification, 702));
    assert_eq!(by_second.outcome, Some(Outcome::Delivered));
}

#[test]
fn outcome_is_known_when_no_message_can_arrive() {
    let notification = with_sms_after();
    for first_fails_first in [true, false] {
        let mut progress = with_both_messages(&notification);
        let reports = [failed(63024), of_sms(MessageStatus::Undelivered, Some(30003))];
        let order = if first_fails_first { [0, 1] } else { [1, 0] };
        progress.report(&reports[order[0]], &on(&notification, 700));
        assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, None), "the other one may arrive");
        progress.report(&reports[order[1]], &on(&notification, 701));
        assert!(matches!(progress.outcome, Some(Outcome::Failed | Outcome::Undelivered)), "{progress:?}");
    }
}

#[test]
fn refused_option_leaves_the_message_before_it_to_decide() {
    let notification = with_sms_after();
    for code in [21610, 21211] {
        let mut progress = accepted(CONTENT, &notification);
        let number = progress.claim(SMS_NEXT, FallbackChannel::Sms, at(600));
        progress.answer(number, refused(code), &on(&notification, 601));
        assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, None), "{code}");
        assert!(progress.code.is_some(), "the refusal is shown");
        progress.report(&report(MessageStatus::Delivered, None), &on(&notification, 900));
        assert_eq!(progress.outcome, Some(Outcome::Delivered), "{code}");
    }
    let mut progress = accepted(CONTENT, &notification);
    progress.end(Outcome::Suppressed, "the recipient has opted out".to_owned());
    assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, None));
}

#[test]
fn delivery_stops_an_option_that_was_to_be_repeated() {
    let notification = with_sms_after();
    let mut progress = accepted(CONTENT, &notification);
    let number = progress.claim(SMS_NEXT, FallbackChannel::Sms, at(600));
    let failure = CreateFailure { reason: None, code: "20429".parse().ok() };
    progress.answer(number, CreateAnswer::NotDone(failure, SignedDuration::from_secs(30)), &on(&notification, 601));
    assert_eq!(progress.ready_step(), Some(SMS_NEXT));
    progress.report(&report(MessageStatus::Delivered, None), &on(&notification, 610));
    assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, Some(Outcome::Delivered)));
}

#[test]
fn delivery_that_comes_during_the_next_request_is_the_outcome() {
    let notification = with_sms_after();
    let during = || {
        let mut progress = accepted(CONTENT, &notification);
        progress.claim(SMS_NEXT, FallbackChannel::Sms, at(600));
        progress.report(&report(MessageStatus::Delivered, None), &on(&notification, 600));
        progress
    };
    let mut accepted_too = during();
    accepted_too.answer(1, CreateAnswer::Accepted(sid(2)), &on(&notification, 601));
    let mut not_accepted = during();
    assert_eq!(not_accepted.answer(1, refused(63018), &on(&notification, 601)), Change::Recorded);
    let mut lost = during();
    lost.record_not_sent("not listed", &on(&notification, 1_500));
    for progress in [accepted_too, not_accepted, lost] {
        assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, Some(Outcome::Delivered)));
    }
}

/// A retry that would come later than the next option is none.
#[test]
fn option_is_sent_at_its_time_after_failures_that_are_retried() {
    let notification = with_sms_after();
    for code in [63018, 30036] {
        let mut progress = accepted(CONTENT, &notification);
        progress.report(&failed(code), &on(&notification, 590));
        let not_before = Some(at(600));
        assert_eq!(progress.phase, Phase::Ready { step: SMS_NEXT, not_before }, "{code}");
    }
    let mut early = accepted(CONTENT, &notification);
    early.report(&failed(63010), &on(&notification, 5));
    assert_eq!(early.ready_step(), Some(CONTENT), "there is time for a retry");
    let mut by_now = accepted(CONTENT, &notification);
    assert_eq!(by_now.report(&failed(63018), &on(&notification, 900)), Change::Ready(SignedDuration::ZERO));
    let mut lost = claimed(CONTENT);
    lost.record_not_sent("not listed", &on(&notification, 705));
    assert_eq!(lost.phase, ready(SMS_NEXT));
}

/// 30008 says that the message may have arrived, so that the same channel is not used again.
#[test]
fn unclear_failure_is_followed_by_another_channel_at_its_time() {
    let notification = with_sms_after();
    let mut progress = accepted(CONTENT, &notification);
    progress.report(&failed(30008), &on(&notification, 60));
    assert_eq!(progress.phase, Phase::Ready { step: SMS_NEXT, not_before: Some(at(600)) });
    let same = json!({"fallback": [{"channel": "whatsapp", "content": template(1), "after": "10m"}]});
    let same = super::notification(&text(), &same);
    let mut progress = accepted(CONTENT, &same);
    progress.report(&failed(30008), &on(&same, 60));
    assert_eq!(progress.outcome, Some(Outcome::Failed));
}

#[test]
fn template_that_asks_for_a_reply_is_followed_too() {
    let fallback = json!([{"channel": "whatsapp", "content": template(1)},
                          {"channel": "sms", "content": text(), "after": "10m"}]);
    let notification = notification(&text(), &json!({"fallback": fallback, "wait_for_reply": true}));
    let mut progress = accepted(ASK, &notification);
    assert_eq!(progress.delivery_due_at(&notification), Some(at(600)));
    progress.report(&report(MessageStatus::Delivered, None), &on(&notification, 9));
    assert_eq!(progress.delivery_due_at(&notification), None, "it asks, and the reply is awaited");
}

/// Twilio's answer was lost, and its list cannot be read.
#[test]
fn option_follows_an_unknown_attempt_at_its_time() {
    let notification = with_sms_after();
    let mut progress = claimed(CONTENT);
    assert_eq!(progress.go_on_after_silence("lost", &on(&notification, 599)), Change::Nothing);
    assert_eq!(progress, claimed(CONTENT));
    assert_eq!(progress.go_on_after_silence("lost", &on(&notification, 705)), Change::Ready(SignedDuration::ZERO));
    assert_eq!(progress.phase, ready(SMS_NEXT));
    assert!(progress.is_spent(0), "it may exist, and is not sent again");
    let without = super::notification(&text(), &json!({"fallback": [{"channel": "sms", "content": text()}]}));
    assert_eq!(claimed(CONTENT).go_on_after_silence("lost", &on(&without, 9_000)), Change::Nothing);
}

#[test]
fn option_does_not_overtake_an_earlier_one() {
    let options = json!([{"channel": "sms", "content": text(), "after": "30m"},
                         {"channel": "email", "to": "ava@example.com", "after": "10m",
                          "content": {"type": "email_template", "template_id": "d-00000000000000000000000000000001"}}]);
    let notification = notification(&text(), &json!({"fallback": options}));
    let mut progress = accepted(CONTENT, &notification);
    assert_eq!(progress.delivery_due_at(&notification), Some(at(1_800)), "first the SMS");
    let number = progress.claim(SMS_NEXT, FallbackChannel::Sms, at(1_800));
    progress.answer(number, CreateAnswer::Accepted(sid(2)), &on(&notification, 1_801));
    assert_eq!(progress.delivery_due_at(&notification), Some(at(2_400)), "ten minutes after the SMS the e-mail");
}

#[test]
fn every_message_without_a_final_status_is_open() {
    let notification = with_sms_after();
    let mut both = with_both_messages(&notification);
    let open = |progress: &Progress| progress.open_messages().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(open(&both), [0, 1]);
    both.report(&of_sms(MessageStatus::Undelivered, Some(30003)), &on(&notification, 700));
    assert_eq!(open(&both), [0]);
    let mut refused_sms = accepted(CONTENT, &notification);
    let number = refused_sms.claim(SMS_NEXT, FallbackChannel::Sms, at(600));
    refused_sms.answer(number, refused(21211), &on(&notification, 601));
    assert_eq!(open(&refused_sms), [0]);
    refused_sms.report(&failed(63024), &on(&notification, 700));
    assert_eq!((open(&refused_sms).len(), refused_sms.outcome), (0, Some(Outcome::Failed)));
    let waiting = waiting_for_reply();
    let mut asked = accepted(ASK, &waiting);
    assert_eq!(open(&asked), [0]);
    asked.claim(CONTENT, FallbackChannel::WhatsApp, at(60));
    assert!(open(&asked).is_empty(), "only the last one that asks");
}

/// An e-mail, and then an SMS.
fn with_email_and_sms() -> Notification {
    let email = json!({"type": "email_template", "template_id": "d-00000000000000000000000000000001"});
    let fallback = json!([{"channel": "email", "to": "ava@example.com", "content": email},
                          {"channel": "sms", "content": text()}]);
    notification(&text(), &json!({"fallback": fallback}))
}

const EMAIL: Step = Step { option: 1, purpose: Purpose::Deliver };

#[test]
fn failure_of_another_service_is_followed_by_the_next_option() {
    let notification = with_email_and_sms();
    let failure = || CreateFailure { reason: Some("HTTP 400".to_owned()), code: None };
    let claimed = || {
        let mut progress = Progress::default();
        progress.claim(EMAIL, FallbackChannel::Email, at(0));
        progress
    };
    for answer in [CreateAnswer::Refused(failure()), CreateAnswer::NotDone(failure(), SignedDuration::from_secs(30))] {
        let mut progress = claimed();
        assert_eq!(progress.answer(0, answer, &on(&notification, 1)), Change::Ready(SignedDuration::ZERO));
        assert_eq!(progress.phase, ready(SMS), "it is not tried again while another option is left");
    }
    let mut unknown = claimed();
    assert_eq!(unknown.go_on_after_unknown("lost", &on(&notification, 900)), Change::Ready(SignedDuration::ZERO));
    assert_eq!(unknown.phase, ready(SMS));
    assert!(unknown.is_spent(1), "it may exist, and is not sent again");
    unknown.claim(SMS, FallbackChannel::Sms, at(901));
    unknown.answer(1, refused(21211), &on(&notification, 902));
    assert_eq!((unknown.phase, unknown.outcome), (Phase::Accepted, Some(Outcome::Unknown)), "it may have arrived");
    let mut suppressed = Progress::default();
    suppressed.pass_over(EMAIL, FallbackChannel::Email, "suppressed".to_owned(), &on(&notification, 1));
    assert_eq!((suppressed.phase, suppressed.attempts[0].result), (ready(SMS), AttemptResult::Suppressed));
    let last = super::notification(&text(), &json!({}));
    let mut nothing_left = Progress::default();
    nothing_left.pass_over(CONTENT, FallbackChannel::WhatsApp, "suppressed".to_owned(), &on(&last, 1));
    assert_eq!((nothing_left.phase, nothing_left.outcome), (Phase::Ended, Some(Outcome::Suppressed)));
}

#[test]
fn email_is_accepted_and_reported_without_a_message_sid() {
    let notification = with_email_and_sms();
    let reported = |status: MessageStatus, reason: Option<&str>| MessageReport {
        attempt: 0,
        message_sid: None,
        status: status.into(),
        code: None,
        reason: reason.map(str::to_owned),
    };
    let accepted = || {
        let mut progress = Progress::default();
        progress.claim(EMAIL, FallbackChannel::Email, at(0));
        let id = Some(ExternalId::new("14c5d75ce93"));
        progress.answer(0, CreateAnswer::AcceptedElsewhere(id), &on(&notification, 1));
        progress
    };
    let mut delivered = accepted();
    delivered.report(&reported(MessageStatus::Delivered, None), &on(&notification, 2));
    assert_eq!((delivered.phase, delivered.outcome), (Phase::Accepted, Some(Outcome::Delivered)));
    delivered.report(&reported(MessageStatus::Undelivered, Some("the e-mail bounced")), &on(&notification, 3));
    assert_eq!(delivered.outcome, Some(Outcome::Delivered), "a late bounce");
    let mut bounced = accepted();
    bounced.report(&reported(MessageStatus::Undelivered, Some("the e-mail bounced")), &on(&notification, 2));
    assert_eq!(bounced.phase, ready(SMS));
    assert_eq!(bounced.attempts[0].reason.as_deref(), Some("the e-mail bounced"));
    let mut before_the_answer = Progress::default();
    before_the_answer.claim(EMAIL, FallbackChannel::Email, at(0));
    before_the_answer.report(&reported(MessageStatus::Delivered, None), &on(&notification, 1));
    let id = Some(ExternalId::new("14c5d75ce93"));
    before_the_answer.answer(0, CreateAnswer::AcceptedElsewhere(id.clone()), &on(&notification, 2));
    assert_eq!(
        (before_the_answer.outcome, &before_the_answer.attempts[0].external_id),
        (Some(Outcome::Delivered), &id)
    );
}
