use domain::{
    notification::FallbackChannel,
    progress::{Purpose, Step},
};
use serde_json::json;
use twilio_client::{MessageSender, NewContent};

use super::*;
use crate::{
    job::tests::{body, candidate},
    judge::Judge,
    queue_message::{QueueMessage, tests::message},
};

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn draft<'a>(message: &'a QueueMessage<'a>) -> Draft<'a> {
    let candidate = candidate(message, "{}");
    let notification = &candidate.job.notification;
    let route = Judge { configured_service: None }.route(notification, FallbackChannel::WhatsApp).unwrap();
    let step = Step { option: 0, purpose: Purpose::Deliver };
    let plan = Plan { step, route, recipient: notification.to.clone() };
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    let message = NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()));
    Draft { candidate, plan, message, decided_at: now() }
}

#[test]
fn message_without_a_slot_comes_again_when_there_is_one() {
    let micros = now().as_microsecond();
    assert_eq!(wait_for(micros + 3_000_000, now()), Duration::from_secs(3));
    assert_eq!(wait_for(micros - 1, now()), Duration::from_secs(1), "SQS counts in seconds");
    assert!(spread() < SPREAD);
}

#[test]
fn flood_to_one_person_takes_no_slots_of_others() {
    let (one, other) = (body(&json!({})), body(&json!({"to": "+14155550199"})));
    let (one, other) = (message(&one, now()), message(&other, now()));
    let mut recipients = Recipients::default();
    let mut flood = draft(&one);
    while flood.candidate.person.person.reserve("whatsapp:+14155238886", now()).is_ok() {}
    let from = recipients.reserve(&flood, now()).unwrap_err();
    assert!(from > now());
    assert_eq!(recipients.reserve(&draft(&other), now()), Ok(()));
}

#[test]
fn messages_of_one_batch_to_one_person_count_together() {
    let body = body(&json!({}));
    let message = message(&body, now());
    let mut recipients = Recipients::default();
    let reserved = (0..100).filter(|_| recipients.reserve(&draft(&message), now()).is_ok()).count();
    assert_eq!(reserved, 45, "the burst that WhatsApp allows");
}

#[test]
fn only_marketing_leaves_the_later_slots_to_others() {
    for (category, expected) in [("marketing", MARKETING_AHEAD), ("utility", URGENT_AHEAD)] {
        let body = body(&json!({"category": category}));
        let message = message(&body, now());
        assert_eq!(draft(&message).max_ahead(), expected, "{category}");
    }
}
