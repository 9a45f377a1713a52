//! Cancelling a notification.

use super::*;

#[test]
fn notification_of_which_no_message_is_on_its_way_is_cancelled() {
    let notification = waiting_for_reply();
    let mut retried = claimed(CONTENT);
    let failure = CreateFailure { reason: Some("busy".to_owned()), code: "20429".parse().ok() };
    retried.answer(0, CreateAnswer::NotDone(failure, SignedDuration::from_secs(30)), &on(&notification, 1));
    let mut not_sent = claimed(CONTENT);
    not_sent.record_not_sent("not listed", at(1_000));
    let awaiting_reply = accepted(ASK, &notification);
    assert_eq!(awaiting_reply.phase, Phase::AwaitingReply);
    for mut progress in [Progress::default(), retried, not_sent, awaiting_reply] {
        let before = progress.phase;
        assert_eq!(
            progress.cancel(Some("arn:aws:iam::123456789012:user/shop")),
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
        assert_eq!(progress.cancel(None), CancelOutcome::Refused(refusal));
        assert_eq!(progress, before, "nothing changes");
    }
}

#[test]
fn cancelling_twice_changes_nothing_the_second_time() {
    let mut progress = Progress::default();
    progress.cancel(None);
    let cancelled = progress.clone();
    assert_eq!(progress.cancel(Some("someone else")), CancelOutcome::AlreadyCancelled);
    assert_eq!((progress.reason.as_deref(), &progress), (Some("cancelled"), &cancelled));
}

#[test]
fn nothing_follows_a_cancelled_notification() {
    let notification = waiting_for_reply();
    for report in [failed(63016), failed(63024), report(MessageStatus::Delivered, None)] {
        let mut progress = accepted(ASK, &notification);
        progress.cancel(None);
        progress.report(&report, &on(&notification, 5));
        assert_eq!((progress.phase, progress.outcome), (Phase::Ended, Some(Outcome::Cancelled)), "{report:?}");
        assert_eq!(progress.attempts[0].status, report.status.known(), "what became of the template is recorded");
    }
}
