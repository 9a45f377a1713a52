//! Retries by an operator.

use super::*;

fn ended(outcome: Outcome) -> Progress {
    let mut progress = Progress::default();
    progress.end(outcome, "why".to_owned());
    progress
}

#[test]
fn what_was_rejected_is_decided_again() {
    let mut progress = ended(Outcome::Rejected);
    assert_eq!(progress.reopen(at(9)), Reopening::Reopened);
    assert_eq!((progress.phase, progress.outcome), (ready(CONTENT), None));
    assert_eq!((progress.reason, progress.reopened_at), (None, Some(at(9))));
}

#[test]
fn what_ended_for_good_is_not_reopened() {
    let notification = with_fallbacks();
    let mut delivered = accepted(CONTENT, &notification);
    delivered.report(&report(MessageStatus::Delivered, None), &on(&notification, 2));
    let plain = self::notification(&template(1), &json!({}));
    let mut failed = accepted(CONTENT, &plain);
    failed.report(&self::failed(63003), &on(&plain, 2));
    let ends = [Outcome::Suppressed, Outcome::Expired, Outcome::Cancelled].map(ended);
    for before in [delivered, failed].into_iter().chain(ends) {
        let mut after = before.clone();
        let reopening = after.reopen(at(9));
        assert_eq!(reopening, Reopening::Final(before.outcome));
        assert!(reopening.refusal().is_some(), "{:?}", before.outcome);
        assert_eq!(after, before);
    }
}

#[test]
fn what_has_not_ended_goes_on_by_itself() {
    let notification = waiting_for_reply();
    for before in [Progress::default(), claimed(CONTENT), accepted(ASK, &notification)] {
        let mut after = before.clone();
        assert_eq!(after.reopen(at(9)), Reopening::NotEnded, "{before:?}");
        assert_eq!(after, before);
    }
}

#[test]
fn message_on_its_way_is_not_retried() {
    let mut accepted = accepted(CONTENT, &notification(&template(1), &json!({})));
    assert_eq!(accepted.reopen(at(9)), Reopening::Final(None));
    assert_eq!(accepted.phase, Phase::Accepted);
}

#[test]
fn what_is_held_is_looked_up_again_and_not_sent_again() {
    let mut held = claimed(CONTENT);
    held.hold("no answer");
    assert_eq!(held.reopen(at(9)), Reopening::Reopened);
    assert_eq!((held.phase, held.outcome), (Phase::Claimed, None));
    assert!(held.is_spent(0), "its message may exist");
    held.record_not_sent("not listed", &on(&with_fallbacks(), 10));
    assert_eq!(held.phase, ready(CONTENT), "the list proved that it has none");
}

#[test]
fn late_message_of_a_rejected_one_prevents_a_second_one() {
    let notification = with_fallbacks();
    let mut progress = claimed(CONTENT);
    progress.record_not_sent("not listed", &on(&notification, 900));
    progress.end(Outcome::Rejected, "no sender".to_owned());
    progress.report(&report(MessageStatus::Sent, None), &on(&notification, 901));
    assert_eq!(progress.reopen(at(902)), Reopening::Final(None));
    assert_eq!(progress.outcome, Some(Outcome::Rejected));
}

#[test]
fn template_that_arrived_is_not_sent_again() {
    let notification = waiting_for_reply();
    let mut progress = accepted(ASK, &notification);
    progress.end(Outcome::Rejected, "no sender".to_owned());
    assert_eq!(progress.reopen(at(9)), Reopening::Reopened);
    assert_eq!(progress.phase, Phase::AwaitingReply, "only the content may follow");
}

#[test]
fn attempts_go_on_with_their_numbers_and_a_new_time_limit() {
    let notification = notification(&template(1), &json!({}));
    let failure = || CreateFailure { reason: None, code: "20429".parse().ok() };
    let pause = SignedDuration::from_mins(15);
    let day = GIVE_UP_AFTER.as_secs();
    let mut progress = claimed(CONTENT);
    progress.answer(0, CreateAnswer::NotDone(failure(), pause), &on(&notification, day));
    assert_eq!(progress.outcome, Some(Outcome::Rejected), "given up");
    progress.reopen(at(2 * day));
    let number = progress.claim(CONTENT, FallbackChannel::WhatsApp, at(2 * day + 1));
    assert_eq!(number, 1);
    let answered = progress.answer(number, CreateAnswer::NotDone(failure(), pause), &on(&notification, 2 * day + 2));
    assert_eq!(answered, Change::Ready(pause), "its day begins with the retry");
    let number = progress.claim(CONTENT, FallbackChannel::WhatsApp, at(3 * day));
    progress.answer(number, CreateAnswer::NotDone(failure(), pause), &on(&notification, 3 * day));
    assert_eq!(progress.outcome, Some(Outcome::Rejected), "and ends a day later");
}

#[test]
fn pause_after_a_retry_is_that_of_a_first_attempt() {
    let notification = with_fallbacks();
    let mut progress = Progress::default();
    for number in 0..5 {
        progress.claim(CONTENT, FallbackChannel::WhatsApp, at(60));
        progress.answer(
            number,
            CreateAnswer::NotDone(CreateFailure { reason: None, code: None }, SignedDuration::ZERO),
            &on(&notification, 61),
        );
    }
    progress.end(Outcome::Rejected, "given up".to_owned());
    progress.reopen(at(100));
    let number = progress.claim(CONTENT, FallbackChannel::WhatsApp, at(101));
    progress.answer(number, CreateAnswer::Accepted(sid(1)), &on(&notification, 102));
    let failed = MessageReport { attempt: number, ..failed(63010) };
    assert_eq!(progress.report(&failed, &on(&notification, 103)), Change::Ready(SignedDuration::from_mins(1)));
}
