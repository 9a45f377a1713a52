//! The notifications of other systems.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use tests::harness::emulator::{RefusalReason, RefusedRequests};

use super::super::canaries;
use super::{Traffic, list_templates};
use crate::{
    e2e::{
        reconcile::lose,
        templates::{add_sink, approved, delete_template, known_template, new_name},
    },
    support::{batch::Batch, stranger},
    world::{Person, World, new_id, new_sid, password_notification, template_notification},
};

/// What was put on the queues.
pub(super) struct Notified {
    pub(super) notifications: Vec<(String, &'static str, Option<Person>)>,
    /// The ids of one that cannot be read, and of a one-time password that cannot be sent.
    pub(super) dead_letters: Vec<String>,
    pub(super) emails: Vec<String>,
    /// A person of whom Twilio says that the person opted out.
    pub(super) opted_out: Person,
}

/// Puts notifications on the queues, and changes templates.
pub(super) async fn notify(world: &World, batches: &[Batch], buyer: &Person, template: &str) -> Notified {
    for (record, lane) in batches.iter().flat_map(Batch::records).zip(lanes(world).into_iter().cycle()) {
        world.sqs.send_message().queue_url(lane).message_body(record.body).send().await.unwrap();
    }
    let mut delivered = vec![with_texts(world).await, lose_statuses(world).await, refuse_as_too_fast(world).await];
    delivered.push(send_password(world).await);
    for category in ["utility", "service", "marketing"] {
        delivered.push(wait(world, category, buyer).await);
        delivered.push(fail_late(world, category, buyer).await);
        delivered.push(refuse(world, category, buyer).await);
    }
    let (id, address) = (new_id("email"), canaries::EMAIL_ADDRESS.replace("ava", &new_id("ava")));
    email(world, &id, &address).await;
    delivered.push(id);
    let invalid = new_id("invalid");
    world.enqueue(&json!({"id": invalid, "to": "nowhere", "text": canaries::TEXT}).to_string()).await;
    put_unreadable_item(world).await;
    delivered.push(change_templates(world).await);
    delete_template(world, template).await;
    let (opted_out, id) = (stranger(), new_id("opted-out"));
    world.plan(&opted_out, 1, json!({"kind": "fail", "code": 63014})).await;
    world.notify(&template_notification(&id, &opted_out)).await;
    let delivered = delivered.into_iter().map(|id| (id, "delivered", None));
    let (refused, without_number) = (new_id("refused-password"), Person::without_number());
    world.notify(&password_notification(&refused, &without_number, canaries::CODE)).await;
    let dead_letters = vec![invalid, refused.clone()];
    let notifications = delivered.chain([(refused, "rejected", Some(without_number))]).collect();
    Notified { notifications, dead_letters, emails: vec![address], opted_out }
}

fn lanes(world: &World) -> [&String; 3] {
    let outputs = &world.stack.outputs;
    [&outputs.outbound_queue_url, &outputs.urgent_queue_url, &outputs.marketing_queue_url]
}

/// A notification of a category. Marketing is for who agreed to it.
fn of_category(id: &str, category: &str, buyer: &Person) -> (Person, Value) {
    let person = if category == "marketing" { Person { identity: buyer.identity.clone() } } else { stranger() };
    let mut notification = template_notification(id, &person);
    notification["category"] = json!(category);
    (person, notification)
}

/// A notification for later.
async fn wait(world: &World, category: &str, buyer: &Person) -> String {
    let id = new_id("later");
    let (_, mut notification) = of_category(&id, category, buyer);
    notification["send_at"] = soon(world);
    world.notify(&notification).await;
    id
}

/// A notification whose message fails after it was accepted, so that an SMS follows.
async fn fail_late(world: &World, category: &str, buyer: &Person) -> String {
    let id = new_id("late");
    let (_, mut notification) = of_category(&id, category, buyer);
    // Twilio: 63003, "Channel could not find To address".
    notification["content"]["variables"]["2"] = json!(id);
    let text = json!({"type": "text", "body": "Your order is on its way."});
    notification["fallback"] = json!([{"channel": "sms", "content": text}]);
    let fails = json!({"kind": "fail", "code": 63003});
    let to = format!("whatsapp:{}", notification["to"].as_str().unwrap());
    world.plan_at(&to, 1, fails).await;
    world.notify(&notification).await;
    id
}

/// A notification that cannot be read or written at first, so that its queue message comes again.
async fn refuse(world: &World, category: &str, buyer: &Person) -> String {
    let id = new_id("refused");
    let (_, notification) = of_category(&id, category, buyer);
    let refused = RefusedRequests::containing(&id, RefusalReason::ProvisionedThroughputExceeded, 12);
    // By which a batch's notifications are read.
    let refused = RefusedRequests { operation: Some("BatchGetItem"), ..refused };
    refused.begin(&world.stack).await.unwrap();
    world.notify(&notification).await;
    id
}

/// A notification that Twilio refuses once, because messages come too fast: the rate of the sender is halved.
async fn refuse_as_too_fast(world: &World) -> String {
    let (id, person) = (new_id("too-fast"), stranger());
    world.plan(&person, 1, json!({"kind": "refuse", "status": 429, "code": 20429})).await;
    world.notify(&template_notification(&id, &person)).await;
    id
}

/// A notification of whose message no callback arrives.
async fn lose_statuses(world: &World) -> String {
    let (id, person) = (new_id("lost"), stranger());
    lose(world, &person.identity, 1.0, 1).await;
    world.notify(&template_notification(&id, &person)).await;
    id
}

/// A template is approved, which Twilio reports, and used for the first time.
async fn change_templates(world: &World) -> String {
    add_sink(world).await;
    let template = approved(world, &new_name("faults"), "en", "Hello {{1}}, your order has arrived today.").await;
    let id = new_id("new-template");
    let mut notification = template_notification(&id, &stranger());
    notification["content"] = json!({"type": "template", "content_sid": template, "variables": {"1": "Ava"}});
    world.notify(&notification).await;
    id
}

/// A template that the registry has.
pub(super) async fn know_template(world: &World) -> String {
    let list = async {
        loop {
            list_templates(world).await;
        }
    };
    tokio::select! {
        sid = known_template(world) => sid,
        sid = list => sid,
    }
}

/// Sends a notification, and gives the SID of its message when it was read.
pub(super) async fn send(world: &World) -> String {
    let (id, person) = (new_id("shown"), stranger());
    world.notify(&template_notification(&id, &person)).await;
    world.until_outcome(&id, "read").await;
    world.sent_to(&person).await[0]["sid"].as_str().unwrap().to_owned()
}

/// A notification whose texts must not be seen.
async fn with_texts(world: &World) -> String {
    let id = new_id("texts");
    let mut notification = template_notification(&id, &stranger());
    notification["content"]["variables"] = json!({"1": canaries::VARIABLE, "2": "18473"});
    notification["metadata"] = json!({"order": canaries::METADATA});
    notification["send_at"] = soon(world);
    let text = json!({"type": "text", "body": canaries::TEXT});
    notification["fallback"] = json!([{"channel": "sms", "content": text}]);
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    id
}

/// A one-time password that is stored for some minutes.
async fn send_password(world: &World) -> String {
    let id = new_id("password");
    let mut notification = password_notification(&id, &stranger(), canaries::CODE);
    notification["send_at"] = after(world, SignedDuration::from_mins(3));
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    id
}

/// A time to wait for, until which the content of a notification is stored.
fn soon(world: &World) -> Value {
    after(world, SignedDuration::from_mins(20))
}

/// The time of the stack after a pause.
pub(super) fn after(world: &World, pause: SignedDuration) -> Value {
    let now: Timestamp = world.stack.clock.now().try_into().unwrap();
    json!((now + pause).to_string())
}

/// An e-mail that follows a message which fails.
async fn email(world: &World, id: &str, address: &str) {
    let person = stranger();
    world.plan(&person, 1, json!({"kind": "fail", "code": 63003})).await;
    let variables = json!({"order": {"number": canaries::VARIABLE}});
    let content =
        json!({"type": "email_template", "template_id": "d-00000000000000000000000000000001", "variables": variables});
    let mut notification = template_notification(id, &person);
    notification["fallback"] = json!([{"channel": "email", "to": address, "content": content}]);
    notification["send_at"] = soon(world);
    world.notify(&notification).await;
    world.notification_in(id, "waiting").await;
}

/// An item that `publish` cannot read.
async fn put_unreadable_item(world: &World) {
    let item = [("subject", format!("{ACCOUNT_SID}#{}", new_sid())), ("event", "inbound".to_owned())];
    let item = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    let put = world.dynamodb.put_item().table_name(&world.stack.outputs.messages_table_name);
    put.set_item(Some(item.into())).send().await.unwrap();
}

/// The ids of the further notifications that have no outcome yet.
pub(crate) async fn notifications_without_outcome(world: &World, traffic: &Traffic) -> Vec<String> {
    let mut open = Vec::new();
    for (id, outcome, _) in &traffic.notifications {
        let item = world.notification(id).await;
        let found: Option<Value> = item.and_then(|item| Some(json!(item.get("outcome")?.as_s().ok()?)));
        // Read receipts come after the delivery.
        let is_over = found.is_some_and(|found| found == *outcome || (*outcome == "delivered" && found == "read"));
        if !is_over {
            open.push(id.clone());
        }
    }
    open
}
