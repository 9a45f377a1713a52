use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use axum::{Json, Router, http::HeaderMap};
use domain::{
    notification::FallbackChannel,
    progress::{CreateAnswer, Outcome, Phase, Step},
};
use serde_json::{Value, json};
use shared::deadline::Deadline;
use stores::messages::Messages;
use tokio::net::TcpListener;
use twilio_client::{MessageSender, NewContent, NewMessage};

use super::*;
use crate::{
    job::tests::{body, candidate},
    queue_message::{
        QueueMessage,
        tests::{message, queues},
    },
    template_plan::TemplatePlan,
    wait::Waiter,
};

const SID: &str = "SM00000000000000000000000000000001";

const CAP: &str = r#"{"default": {"consent": {}, "marketing_cap": {"messages": 2, "days": 7}}}"#;

fn now() -> Timestamp {
    Timestamp::now()
}

/// A stage whose tables cannot be reached: what it decides before a claim needs none.
fn claimer() -> Claimer {
    let config = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest());
    claimer_of(aws_sdk_dynamodb::Client::from_conf(config.region(Region::new("us-east-1")).build()))
}

fn claimer_of(client: aws_sdk_dynamodb::Client) -> Claimer {
    let notifications = Notifications::new(client.clone(), "Notifications".to_owned());
    let waiter = Waiter { notifications: notifications.clone(), queues: queues() };
    let messages = Messages::new(client.clone(), "Messages".to_owned());
    let delivery_check = DeliveryCheck::new(&notifications, &messages, &waiter);
    Claimer {
        notifications,
        contacts: Contacts::new(client, "Contacts".to_owned(), "k".repeat(64).try_into().unwrap()),
        delivery_check,
    }
}

/// A stage whose tables answer: the Messages table has these statuses of every attempt, and every transaction is written.
/// The requests are noted by their operation.
async fn claimer_with(statuses: &'static [&'static str]) -> (Claimer, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&requests);
    let answer = move |headers: HeaderMap| async move {
        let target = headers["x-amz-target"].to_str().unwrap();
        noted.lock().unwrap().push(target.rsplit('.').next().unwrap().to_owned());
        let item = |status: &&str| {
            json!({"message_sid": {"S": SID}, "event": {"S": format!("{SID}#{status}")},
                   "received_at": {"S": "2026-11-20T09:00:00Z"}})
        };
        Json(json!({"Items": statuses.iter().map(item).collect::<Vec<_>>()}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
    (claimer_of(aws_sdk_dynamodb::Client::from_conf(config.build())), requests)
}

/// A message was accepted eleven minutes ago, and a template follows after ten minutes without a delivery.
fn undelivered<'a>(message: &'a QueueMessage<'a>) -> Due<'a> {
    let mut candidate = candidate(message, "{}");
    let claimed_at = now() - SignedDuration::from_mins(11);
    let step = Step { option: 0, purpose: Purpose::Deliver };
    candidate.stored.progress.claim(step, FallbackChannel::WhatsApp, claimed_at);
    let accepted = CreateAnswer::Accepted(SID.parse().unwrap());
    let notification = candidate.job.notification.clone();
    candidate.stored.apply(&notification, claimed_at, |progress, on| progress.answer(0, accepted, on));
    candidate.seen = Some(1);
    let at = now();
    let Judgement::Send(plan) = judge(&candidate, at) else { panic!("the template follows") };
    assert_eq!(plan.step.option, 1);
    Due { draft: Draft { candidate, plan, message: message_to_send(), decided_at: at, counted: Vec::new() }, slot: at }
}

fn plan(candidate: &Candidate<'_>, purpose: Purpose) -> Plan {
    let notification = &candidate.job.notification;
    let route = candidate.job.route(domain::notification::FallbackChannel::WhatsApp).unwrap();
    let template = TemplatePlan::default();
    Plan { step: Step { option: 0, purpose }, route, recipient: notification.to.clone(), template }
}

fn message_to_send() -> Outgoing {
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    let content = NewContent::Text("Hello".to_owned());
    Outgoing::Message(NewMessage::new("whatsapp:+14155550123", sender, content))
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

/// The callback was stored after the batch was read, and is not applied to the notification yet.
#[tokio::test]
async fn delivery_reported_before_the_claim_prevents_it() {
    let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
    let fallback = json!([{"channel": "whatsapp", "content": template, "after": "10m"}]);
    let body = body(&json!({"content": template, "fallback": fallback}));
    let message = message(&body, now());
    let (claimer, requests) = claimer_with(&["sent", "delivered"]).await;
    let result = claimer.claim(undelivered(&message)).await;
    assert!(matches!(result, Err(Stop::Next(Next::SOON))));
    assert_eq!(*requests.lock().unwrap(), ["Query"], "nothing is claimed");
    let (claimer, requests) = claimer_with(&["sent"]).await;
    let result = claimer.claim(undelivered(&message)).await;
    assert!(matches!(result, Ok(ClaimResult::Claimed(_))));
    assert_eq!(*requests.lock().unwrap(), ["Query", "TransactWriteItems"]);
}

/// The option that followed the message is repeated, because Twilio asked to wait.
#[tokio::test]
async fn delivery_reported_before_a_repetition_prevents_it() {
    let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
    let fallback = json!([{"channel": "whatsapp", "content": template, "after": "10m"}]);
    let body = body(&json!({"content": template, "fallback": fallback}));
    let message = message(&body, now());
    let (claimer, requests) = claimer_with(&["delivered"]).await;
    let mut due = undelivered(&message);
    let claimed_at = now() - SignedDuration::from_secs(30);
    let candidate = &mut due.draft.candidate;
    let number = candidate.stored.progress.claim(due.draft.plan.step, FallbackChannel::WhatsApp, claimed_at);
    let failure = domain::progress::CreateFailure { reason: None, code: "20429".parse().ok() };
    let asked_to_wait = CreateAnswer::NotDone(failure, SignedDuration::ZERO);
    let notification = candidate.job.notification.clone();
    candidate.stored.apply(&notification, claimed_at, |progress, on| progress.answer(number, asked_to_wait, on));
    assert!(matches!(claimer.claim(due).await, Err(Stop::Next(Next::SOON))));
    assert!(requests.lock().unwrap().iter().all(|operation| operation == "Query"), "nothing is claimed");
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
        let Outgoing::Message(message) = message_to_send() else { panic!() };
        let message = Outgoing::Message(message.with_validity_period(3_000));
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
