use domain::{
    notification::FallbackChannel,
    progress::{Purpose, Step},
};
use jiff::SignedDuration;
use serde_json::json;
use twilio_client::{MessageSender, NewContent, NewMessage};

use super::*;
use crate::{
    job::tests::{body, candidate},
    queue_message::{QueueMessage, tests::message},
    template_plan::TemplatePlan,
};

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn draft<'a>(message: &'a QueueMessage<'a>) -> Draft<'a> {
    let candidate = candidate(message, "{}");
    let notification = &candidate.job.notification;
    let route = candidate.job.route(FallbackChannel::WhatsApp).unwrap();
    let step = Step { option: 0, purpose: Purpose::Deliver };
    let plan = Plan { step, route, recipient: notification.to.clone(), template: TemplatePlan::default() };
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    let message = NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()));
    let message = Outgoing::Message(message);
    Draft { candidate, plan, message, decided_at: now(), counted: Vec::new() }
}

#[test]
fn planned_message_keeps_its_lane_and_its_plan() {
    for (category, lane) in
        [("authentication", Lane::Urgent), ("utility", Lane::Standard), ("marketing", Lane::Marketing)]
    {
        let body = body(&json!({"category": category}));
        let message = message(&body, now());
        let mut draft = draft(&message);
        let (_, found, arrival) = draft.slot_group();
        assert_eq!((found, arrival), (lane, Arrival::Unplanned));
        draft.candidate.stored.wait_until(now(), WaitReason::Slot, Vec::new(), now());
        let _ = draft.candidate.stored.hand_over(0, now());
        assert_eq!(draft.slot_group().2, Arrival::Planned);
        draft.decided_at = now() + SignedDuration::from_secs(60);
        assert_eq!(draft.slot_group().2, Arrival::Unplanned, "it comes late");
        draft.candidate.stored.wait_until(now(), WaitReason::QuietHours, Vec::new(), now());
        assert_eq!(draft.slot_group().2, Arrival::Unplanned, "it had no plan");
    }
}

#[test]
fn planned_message_is_covered_by_pauses_of_its_sender() {
    let body = body(&json!({}));
    let message = message(&body, now());
    let Scheduled::Planned(_, wait) = draft(&message).planned(now(), WaitReason::Slot) else {
        panic!("expected a wait")
    };
    let scopes: Vec<_> = wait.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["category#service", "sender#whatsapp:+14155238886"]);
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
