use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use domain::progress::{Outcome, Phase, Step};
use serde_json::{Value, json};
use shared::deadline::Deadline;
use twilio_client::{MessageSender, NewContent};

use super::*;
use crate::{
    job::tests::{body, candidate},
    queue_message::{QueueMessage, tests::message},
};

const CAP: &str = r#"{"default": {"consent": {}, "marketing_cap": {"messages": 2, "days": 7}}}"#;

fn now() -> Timestamp {
    Timestamp::now()
}

/// A stage whose tables cannot be reached: what it decides before a claim needs none.
fn claimer() -> Claimer {
    let config = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest());
    let client = aws_sdk_dynamodb::Client::from_conf(config.region(Region::new("us-east-1")).build());
    Claimer {
        notifications: Notifications::new(client.clone(), "Notifications".to_owned()),
        contacts: Contacts::new(client, "Contacts".to_owned()),
        judge: Judge { configured_service: None },
    }
}

fn plan(candidate: &Candidate<'_>, purpose: Purpose) -> Plan {
    let notification = &candidate.job.notification;
    let route = claimer().judge.route(notification, domain::notification::FallbackChannel::WhatsApp).unwrap();
    Plan { step: Step { option: 0, purpose }, route, recipient: notification.to.clone() }
}

fn message_to_send() -> NewMessage {
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()))
}

fn due(candidate: Candidate<'_>, slot: Timestamp) -> Due<'_> {
    let plan = plan(&candidate, Purpose::Deliver);
    Due { draft: Draft { candidate, plan, message: message_to_send(), decided_at: slot, counted: Vec::new() }, slot }
}

fn with_candidate(fields: &Value, policy: &str, test: impl FnOnce(Candidate<'_>)) {
    let body = body(fields);
    test(candidate(&message(&body, now()), policy));
}

#[tokio::test]
async fn message_that_missed_its_slot_needs_another_one() {
    let body = body(&json!({}));
    let message = message(&body, now());
    let late = due(candidate(&message, "{}"), now() - SignedDuration::from_millis(300));
    assert!(matches!(claimer().claim(late).await, Ok(ClaimResult::Late(_))));
}

#[tokio::test]
async fn nothing_is_claimed_when_too_little_time_is_left() {
    let body = body(&json!({}));
    let message = QueueMessage { deadline: Deadline::after(Duration::from_secs(14)), ..message(&body, now()) };
    let due = due(candidate(&message, "{}"), now());
    assert!(matches!(claimer().claim(due).await, Err(Stop::Next(Next::SOON))));
}

#[tokio::test]
async fn notification_that_expired_before_its_claim_is_not_sent() {
    let expires_at = now() - SignedDuration::from_millis(1);
    let body = body(&json!({"expires_at": expires_at.to_string()}));
    let message = message(&body, now());
    let Ok(ClaimResult::Judged(_, judgement)) = claimer().claim(due(candidate(&message, "{}"), now())).await else {
        panic!("expected a judgement");
    };
    assert!(matches!(judgement, Judgement::End { outcome: Outcome::Expired, .. }), "{judgement:?}");
}

#[tokio::test]
async fn message_of_another_plan_is_composed_again() {
    let body = body(&json!({}));
    let message = message(&body, now());
    let mut due = due(candidate(&message, "{}"), now());
    due.draft.plan.recipient = "+14155550199".parse().unwrap();
    assert!(matches!(claimer().claim(due).await, Err(Stop::Next(Next::SOON))));
}

#[test]
fn claim_counts_against_the_recipients_rate_and_cap() {
    with_candidate(&json!({"category": "marketing"}), CAP, |candidate| {
        let plan = plan(&candidate, Purpose::Deliver);
        let person = person_after(&candidate, &plan, now()).unwrap();
        assert!(person.buckets.contains_key("whatsapp:+14155238886"));
        assert!(person.marketing_sent.contains_key(&candidate.job.notification.id));
    });
    with_candidate(&json!({"category": "utility"}), CAP, |candidate| {
        let person = person_after(&candidate, &plan(&candidate, Purpose::Deliver), now()).unwrap();
        assert!(person.marketing_sent.is_empty());
    });
}

#[test]
fn recipient_who_was_sent_too_much_is_not_claimed() {
    with_candidate(&json!({}), "{}", |mut candidate| {
        let (at, plan) = (now(), plan(&candidate, Purpose::Deliver));
        while let Ok(person) = person_after(&candidate, &plan, at) {
            candidate.person.person = person;
        }
        assert!(person_after(&candidate, &plan, at).unwrap_err() > at);
    });
}

#[test]
fn claim_of_a_template_that_asks_for_a_reply_awaits_the_person() {
    with_candidate(&json!({}), "{}", |mut candidate| {
        let id = candidate.job.notification.id.clone();
        let asked = person_after(&candidate, &plan(&candidate, Purpose::AskForReply), now()).unwrap();
        assert!(asked.awaiting.contains(&id));
        candidate.person.person = asked;
        let delivered = person_after(&candidate, &plan(&candidate, Purpose::Deliver), now()).unwrap();
        assert!(delivered.awaiting.is_empty());
    });
}

#[test]
fn claimed_notification_has_a_new_attempt_and_a_lease() {
    for (category, validity) in [("authentication", 120), ("utility", 900), ("marketing", 14_400)] {
        with_candidate(&json!({"category": category}), CAP, |candidate| {
            let at = now();
            let plan = plan(&candidate, Purpose::Deliver);
            let claimed = notification_after(&candidate, &plan, &message_to_send(), at);
            assert_eq!((claimed.progress.phase, claimed.progress.attempts.len()), (Phase::Claimed, 1));
            let lease = claimed.lease.unwrap();
            assert_eq!(lease.until, at + SignedDuration::from_secs(60));
            assert_eq!(lease.resolvable_at, at + SignedDuration::from_secs(validity + 120), "{category}");
        });
    }
}

#[test]
fn lost_answer_can_be_resolved_when_its_own_message_is_over() {
    with_candidate(&json!({"category": "marketing"}), CAP, |candidate| {
        let (at, plan) = (now(), plan(&candidate, Purpose::Deliver));
        let message = message_to_send().with_validity_period(3_000);
        let lease = notification_after(&candidate, &plan, &message, at).lease.unwrap();
        assert_eq!(lease.resolvable_at, at + SignedDuration::from_secs(3_000 + 120));
    });
}

#[test]
fn loser_of_a_claim_comes_back_after_the_lease() {
    let at = now();
    let until = at + SignedDuration::from_secs(60);
    let after_lease = Next::Again(Duration::from_secs(61));
    assert_eq!(after_other_writer(&ClaimState::LeasedUntil(until), at), after_lease);
    let finished = ClaimState::Finished(stores::notifications::NotificationState::Accepted);
    assert_eq!(after_other_writer(&finished, at), Next::Done);
    assert_eq!(after_other_writer(&ClaimState::New, at), Next::SOON);
}
