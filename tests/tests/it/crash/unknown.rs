//! Unknown outcomes that only the send function's own steps resolve: no status callback arrives.

use serde_json::{Value, json};
use tests::harness::sender::{Record, Sender};

use crate::{
    support::{queue_of_the_test, stranger},
    world::{World, new_id, of_notification, text},
};

/// A notification with an unknown outcome: Twilio created the message but answered with 500, the status callbacks do not
/// arrive, and Twilio's list of messages fails.
struct UnknownOutcome {
    world: World,
    person: crate::world::Person,
    id: String,
    records: Vec<Record>,
    sender: Sender,
}

impl UnknownOutcome {
    async fn arrange(name: &str, category: &str, content: Value) -> Self {
        let (world, person, id) = (World::new(), stranger(), new_id(name));
        world.plan(&person, 1, json!({"kind": "accept_then_refuse", "status": 500, "code": 20500})).await;
        crate::support::break_list(&world, &person).await;
        let body = json!({"id": id, "to": person.identity, "category": category, "content": content}).to_string();
        let queue_url = queue_of_the_test(&world).await;
        let nowhere = ("PUBLIC_BASE_URL", "http://127.0.0.1:9");
        let sender = Sender::start(&world.stack, &queue_url, &[nowhere]).await.unwrap();
        let records = vec![Record { message_id: id.clone(), body }];
        Self { world, person, id, records, sender }
    }

    /// Delivers until the notification neither is looked for nor waits.
    async fn deliver(&mut self) {
        let Self { world, id, records, sender, .. } = self;
        world
            .until("the end of the redeliveries", async || {
                crate::support::end_waiting(world, id).await;
                let returned = sender.deliver(records).await.unwrap();
                (returned.is_empty() && !crate::support::waits(world, id).await).then_some(())
            })
            .await;
    }

    /// Delivers to a function that must look for the message again later.
    async fn deliver_unresolved(&mut self, why: &str) {
        let returned = self.sender.deliver(&self.records).await.unwrap();
        assert!(!returned.is_empty() || crate::support::waits(&self.world, &self.id).await, "{why}");
    }

    /// Delivers while Twilio may still send the message, and while Twilio's list is still tried: the function must look
    /// for the message each time.
    async fn deliver_too_early(&mut self) {
        for _ in 0..2 {
            self.deliver_unresolved("only callbacks decide").await;
            crate::support::end_lease(&self.world, &self.id).await;
        }
        for _ in 0..2 {
            crate::support::end_waiting(&self.world, &self.id).await;
            self.deliver_unresolved("still looked for").await;
        }
        assert_eq!(self.world.sent_to(&self.person).await.len(), 1, "not sent again while the message may be found");
        crate::support::claim_was_long_ago(&self.world, &self.id).await;
    }
}

#[tokio::test]
async fn unresolvable_outcome_is_held_with_a_dead_letter() {
    let content =
        json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "1"}});
    let mut unknown = UnknownOutcome::arrange("held", "utility", content).await;
    unknown.deliver_too_early().await;
    unknown.deliver().await;
    let UnknownOutcome { world, person, id, .. } = &unknown;
    world.notification_in(id, "unknown").await;
    let event = world.event("the failure", of_notification("notification_failed", id)).await;
    assert_eq!(event["state"], "unknown");
    let letter = world.dead_letter(|letter| letter.body.contains(id.as_str())).await;
    assert!(letter.reason.is_some());
    assert_eq!(world.sent_to(person).await.len(), 1, "not sent again");
}

#[tokio::test]
async fn authentication_with_an_unresolvable_outcome_is_sent_again() {
    let content =
        json!({"type": "template", "content_sid": sandbox::VERIFICATION_CODE_SID, "variables": {"1": "4711"}});
    let mut unknown = UnknownOutcome::arrange("again", "authentication", content).await;
    unknown.deliver().await;
    let UnknownOutcome { world, person, id, .. } = &unknown;
    let accepted = world.notification_in(id, "accepted").await;
    let sent = world.sent_to(person).await;
    assert_eq!(sent.len(), 2, "twice does less harm than not at all");
    assert_eq!(text(&accepted, "message_sid"), sent[1]["sid"].as_str());
}

#[tokio::test]
async fn identical_notifications_get_two_messages_when_one_was_lost() {
    let lost = json!({"kind": "refuse", "status": 500, "code": 20500});
    identical_notifications_are_resolved(
        [json!({"kind": "accept_then_refuse", "status": 500, "code": 20500}), lost],
        ["second", "first"],
        true,
    )
    .await;
}

#[tokio::test]
async fn identical_notifications_each_get_their_own_message() {
    let made = json!({"kind": "accept_then_refuse", "status": 500, "code": 20500});
    identical_notifications_are_resolved([made.clone(), made], ["first", "second"], false).await;
}

/// Two identical notifications with unknown outcomes. Twilio lists one message at least, and `owner` is the notification of
/// the first one. Where `reported`, a status callback says so before Twilio's list is read: `finder`, which is resolved by the
/// list, must not be resolved as that message. No third message may be created.
async fn identical_notifications_are_resolved(faults: [Value; 2], [finder, owner]: [&str; 2], reported: bool) {
    let (world, person) = (World::new(), stranger());
    for fault in faults {
        world.plan(&person, 1, fault).await;
    }
    let queue_url = queue_of_the_test(&world).await;
    let nowhere = ("PUBLIC_BASE_URL", "http://127.0.0.1:9");
    let mut sender = Sender::start(&world.stack, &queue_url, &[nowhere]).await.unwrap();
    let record = |id: &str| {
        let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
        let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
        vec![Record { message_id: id.to_owned(), body }]
    };
    let ids = std::collections::BTreeMap::from([("first", new_id("first")), ("second", new_id("second"))]);
    for id in ids.values() {
        assert!(!sender.deliver(&record(id)).await.unwrap().is_empty(), "unknown outcome");
        crate::support::end_waiting(&world, id).await;
    }
    let (finder, owner) = (&ids[finder], &ids[owner]);
    let first = world.sent_to(&person).await[0]["sid"].as_str().unwrap().to_owned();
    if reported {
        let address = person.address();
        let parameters = [
            ("MessageSid", first.as_str()),
            ("AccountSid", stack::run::ACCOUNT_SID),
            ("MessageStatus", "sent"),
            ("To", &address),
        ];
        let answer = world.post_signed(&format!("/twilio/status?notification={owner}"), &parameters).await;
        assert!(answer.status().is_success());
        assert!(sender.deliver(&record(owner)).await.unwrap().is_empty(), "resolved by the callback");
        assert_eq!(text(&world.notification_in(owner, "accepted").await, "message_sid"), Some(first.as_str()));
    }
    assert!(sender.deliver(&record(finder)).await.unwrap().is_empty(), "resolved by Twilio's list, or sent");
    assert!(sender.deliver(&record(owner)).await.unwrap().is_empty(), "resolved");
    let [one, other] =
        [world.notification_in(finder, "accepted").await, world.notification_in(owner, "accepted").await];
    assert_eq!(world.sent_to(&person).await.len(), 2, "one message for each");
    assert_ne!(text(&one, "message_sid"), text(&other, "message_sid"), "different messages");
}
