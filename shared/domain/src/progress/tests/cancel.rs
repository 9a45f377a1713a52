//! Cancelling a notification.

use super::*;

#[test]
fn notification_of_which_no_message_is_on_its_way_is_cancelled() {
    let notification = waiting_for_reply();
    let mut retried = claimed(CONTENT);
    let failure = CreateFailure { reason: Some("busy".to_owned()), code: "20429".parse().ok() };
    retried.answer(0, CreateAnswer::NotDone(failure, SignedDuration::from_secs(30)), &on(&notification, 1));
    let mut not_sent = claimed(CONTENT);
    not_sent.record_not_sent("not listed", &on(&notification, 1_000));
    let awaiting_reply = accepted(ASK, &notification);
    assert_eq!(awaiting_reply.phase, Phase::AwaitingReply);
    for mut progress in [Progress::default(), retried, not_sent, awaiting_reply] {
        let before = progress.phase;
        assert_eq!(
            progress.cancel(Some("arn:aws:iam::123456789012:user/shop"), Some(&notification), at(2_000)),
            CancelOutcome::Cancelled,
            "{before:?}"
        );
        assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Cancelled)));
        assert_eq!(progress.reason.as_deref(), Some("cancelled by arn:aws:iam::123456789012:user/shop"));
        assert_eq!((progress.code, progress.ready_step()), (None, None));
    }
}

#[test]
fn notification_that_may_have_been_sent_is_not_cancelled() {
    let notification = with_fallbacks();
    let mut delivered = accepted(CONTENT, &notification);
    delivered.report(&report(MessageStatus::Delivered, None), &on(&notification, 2));
    let mut held = claimed(CONTENT);
    held.hold("the list is unreadable");
    let mut expired = Progress::default();
    expired.end(Outcome::Expired, "expired".to_owned());
    for (mut progress, refusal) in [
        (claimed(CONTENT), CancelRefusal::BeingSent),
        (accepted(CONTENT, &notification), CancelRefusal::Accepted),
        (delivered, CancelRefusal::Accepted),
        (held, CancelRefusal::OutcomeUnknown),
        (expired, CancelRefusal::Ended),
    ] {
        let before = progress.clone();
        assert_eq!(progress.cancel(None, Some(&notification), at(3)), CancelOutcome::Refused(refusal));
        assert_eq!(progress, before, "nothing changes");
    }
}

#[test]
fn cancelling_twice_changes_nothing_the_second_time() {
    let mut progress = Progress::default();
    progress.cancel(None, None, at(1));
    let cancelled = progress.clone();
    assert_eq!(progress.cancel(Some("someone else"), None, at(2)), CancelOutcome::AlreadyCancelled);
    assert_eq!((progress.reason.as_deref(), &progress), (Some("cancelled"), &cancelled));
}

#[test]
fn nothing_follows_a_cancelled_notification() {
    let notification = waiting_for_reply();
    for report in [failed(63016), failed(63024), report(MessageStatus::Delivered, None)] {
        let mut progress = accepted(ASK, &notification);
        progress.cancel(None, Some(&notification), at(4));
        progress.report(&report, &on(&notification, 5));
        assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Cancelled)), "{report:?}");
        assert_eq!(progress.attempts[0].status, report.status.known(), "what became of the template is recorded");
    }
}

/// A text, and an SMS if it is not delivered within ten minutes.
fn with_sms_after() -> Notification {
    notification(&text(), &json!({"fallback": [{"channel": "sms", "content": text(), "after": "10m"}]}))
}

#[test]
fn option_that_may_follow_an_accepted_message_is_cancelled() {
    let notification = with_sms_after();
    let cancelled = || {
        let mut progress = accepted(CONTENT, &notification);
        assert_eq!(progress.cancel(Some("shop"), Some(&notification), at(60)), CancelOutcome::Cancelled);
        assert_eq!((progress.phase, progress.outcome), (Phase::Accepted, None), "its message may arrive");
        assert_eq!((progress.reason.as_deref(), progress.cancelled_at), (Some("cancelled by shop"), Some(at(60))));
        assert_eq!(progress.delivery_due_at(&notification), None);
        progress
    };
    let again = cancelled().cancel(None, Some(&notification), at(61));
    assert_eq!(again, CancelOutcome::AlreadyCancelled);
    for (report, outcome) in [
        (report(MessageStatus::Delivered, None), Outcome::Delivered),
        (failed(63024), Outcome::Failed),
        (failed(63010), Outcome::Failed),
        (failed(30008), Outcome::Failed),
        (failed(63014), Outcome::Suppressed),
    ] {
        let mut progress = cancelled();
        progress.report(&report, &on(&notification, 90));
        assert_eq!((progress.outcome, progress.ready_step()), (Some(outcome), None), "{report:?}");
    }
}

#[test]
fn message_before_a_cancelled_retry_is_the_outcome() {
    let notification = with_sms_after();
    let mut progress = accepted(CONTENT, &notification);
    let sms = Step { option: 1, purpose: Purpose::Deliver };
    let number = progress.claim(sms, FallbackChannel::Sms, at(600));
    let failure = CreateFailure { reason: None, code: "20429".parse().ok() };
    progress.answer(number, CreateAnswer::NotDone(failure, SignedDuration::from_secs(30)), &on(&notification, 601));
    assert_eq!(progress.cancel(None, Some(&notification), at(610)), CancelOutcome::Cancelled);
    assert_eq!((progress.phase, progress.outcome, progress.cancelled_at), (Phase::Accepted, None, Some(at(610))));
    let open: Vec<_> = progress.open_messages().map(|(number, _)| number).collect();
    assert_eq!(open, [0], "its status is looked up");
    progress.report(&failed(63024), &on(&notification, 700));
    assert_eq!(progress.outcome, Some(Outcome::Failed), "nothing follows it");
}
