//! Messages and statuses whose webhooks were lost are recovered from Twilio.

use std::collections::BTreeMap;

use domain::preference::Preference;
use futures::future::join_all;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, AUTH_TOKEN, MESSAGING_SERVICE_SID};
use stores::dynamodb::Item;

use crate::world::{Person, World, events_so_far, is, new_id, new_sid, of_notification, template_notification, text};

/// Drops a fraction of the webhooks about people whose number has this prefix.
pub(crate) async fn lose(world: &World, prefix: &str, fraction: f64, seed: u64) {
    lose_from(world, &format!("whatsapp:{prefix}"), fraction, seed).await;
}

/// Drops a fraction of the webhooks about people whose address has this prefix.
async fn lose_from(world: &World, prefix: &str, fraction: f64, seed: u64) {
    let loss = json!({"to_prefix": prefix, "fraction": fraction, "seed": seed});
    let url = format!("{}/sandbox/drops", world.stack.sandbox_url);
    assert!(world.http.put(url).json(&loss).send().await.unwrap().status().is_success());
}

/// Invokes the function and returns its report of the account.
async fn sweep_once(world: &World) -> Value {
    let name = &world.stack.outputs.reconcile_function_name;
    let url = format!("{}/2015-03-31/functions/{name}/invocations?Qualifier=live", world.stack.aws_endpoint);
    let body = json!({"minimum_age_seconds": 0}).to_string();
    let request = world.signed("lambda", "POST", &url, &body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let accounts = answer["accounts"].as_array().unwrap_or_else(|| panic!("{answer}"));
    accounts.iter().find(|account| account["account_sid"] == ACCOUNT_SID).unwrap().clone()
}

/// One complete sweep, as soon as no other one runs.
pub(crate) async fn sweep(world: &World) -> Value {
    let swept = world
        .until("a sweep", async || Some(sweep_once(world).await).filter(|report| report["outcome"] != "busy"))
        .await;
    assert_eq!(swept["complete"], true, "{swept}");
    swept
}

/// Waits until Twilio has a person's messages as read, whether or not a status callback arrives.
async fn read_at_twilio(world: &World, person: &Person) {
    world
        .until("a message that is read", async || {
            let sent = world.sent_to(person).await;
            (!sent.is_empty() && sent.iter().all(|message| message["status"] == "read")).then_some(())
        })
        .await;
}

fn count_by_id(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event["event_id"].to_string()).or_default() += 1;
    }
    counts
}

/// Whether or not its callback arrived.
async fn assert_final_status_is_known(world: &World, person: &Person, id: &str) {
    let sid = world.sent_to(person).await[0]["sid"].as_str().unwrap().to_owned();
    let final_events = [format!("{sid}#delivered"), format!("{sid}#read")];
    let is_final = |item: &Item| final_events.iter().any(|event| text(item, "event") == Some(event));
    assert!(world.callbacks(id, 0).await.iter().any(is_final), "{id}");
    let is_final = |event: &Value| event["status"] == "read" || event["status"] == "delivered";
    let status = |event: &Value| {
        of_notification("twilio_status", id)(event) && event["message_sid"] == sid.as_str() && is_final(event)
    };
    assert_eq!(world.event("a final status", status).await["metadata"]["order"], id);
}

#[tokio::test]
async fn one_sweep_recovers_lost_webhooks_without_duplicates() {
    const PREFIX: &str = "+1999";
    const VALIDITY_SECONDS: u32 = 20;
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    println!("seed {seed}");
    let world = World::new();
    let people: Vec<Person> = (0..20)
        .map(|_| Person { identity: format!("{PREFIX}{:07}", uuid::Uuid::new_v4().as_u128() % 10_000_000) })
        .collect();
    lose(&world, PREFIX, 0.2, seed).await;
    let mut inbound = Vec::new();
    let mut notifications = Vec::new();
    for person in &people {
        for body in ["hello", "are you open?"] {
            inbound.push(world.write(person, body).await["message_sid"].as_str().unwrap().to_owned());
        }
        let id = new_id("reconciled");
        let mut notification = template_notification(&id, person);
        // A message is looked up once its validity period is over.
        notification["validity_period"] = json!(VALIDITY_SECONDS);
        world.notify(&notification).await;
        notifications.push(id);
    }
    join_all(notifications.iter().map(|id| world.notification_in(id, "accepted"))).await;
    join_all(people.iter().map(|person| read_at_twilio(&world, person))).await;
    lose(&world, PREFIX, 0.0, seed).await;

    let swept = sweep(&world).await;
    for sid in &inbound {
        assert_eq!(world.items(sid).await.len(), 1, "seed {seed}: {sid}");
        world.event("every inbound message", is("event_id", sid)).await;
    }
    let mut recovered = swept["inbound_recovered"].as_u64().unwrap();
    for (person, id) in people.iter().zip(&notifications) {
        let outcome = async || {
            let outcome = world.outcome(id).await;
            if outcome.is_none() {
                recovered += sweep(&world).await["statuses_recovered"].as_u64().unwrap();
            }
            outcome
        };
        let outcome = world.until("the outcome of every notification", outcome).await;
        assert!(["delivered", "read"].contains(&outcome.as_str()), "seed {seed}: {outcome}");
        assert_final_status_is_known(&world, person, id).await;
    }
    assert!(recovered > 0, "seed {seed}: {swept}");

    let again = sweep(&world).await;
    for person in &people {
        let last = world.write(person, "one more").await;
        world.event("the last event", is("event_id", last["message_sid"].as_str().unwrap())).await;
    }
    let ours = |event: &Value| {
        let about = |field: &str| event[field].as_str().is_some_and(|address| address.contains(PREFIX));
        about("from") || about("to")
    };
    let double: Vec<_> = count_by_id(&events_so_far(ours)).into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(double.is_empty(), "seed {seed}: {double:?} {again}");
}

#[tokio::test]
async fn lost_stop_is_recorded_by_a_sweep() {
    let (world, person) = (World::new(), Person::new());
    lose(&world, &person.identity, 1.0, 1).await;
    let lost = world.write(&person, "STOP").await;
    assert_eq!(lost["status"], Value::Null);
    lose(&world, &person.identity, 0.0, 1).await;
    sweep(&world).await;
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    let sid = lost["message_sid"].as_str().unwrap();
    let event = world.event("the message", is("event_id", sid)).await;
    assert_eq!(event["recovered"], true);
    assert_eq!(event["body"], "STOP");
    world.event("the opt-out", is("event_id", &format!("{sid}.contact_opted_out"))).await;
    assert!(text(&world.items(sid).await[0], "answer").is_none(), "a recovered message gets no reply");
}

#[tokio::test]
async fn lost_stop_by_sms_or_rcs_is_recorded_by_a_sweep() {
    let world = World::new();
    // The sandbox gives messages by RCS to the SMS sender, too. It is ours once a webhook has arrived for it.
    let writing = json!({"from": Person::new().identity, "body": "hello"});
    let first = world.write_with(&Person::new(), writing).await;
    world.event("a message by SMS", is("event_id", first["message_sid"].as_str().unwrap())).await;
    for channel in ["", "rcs:"] {
        let (person, id) = (Person::new(), new_id("after-lost-stop"));
        let address = format!("{channel}{}", person.identity);
        lose_from(&world, &address, 1.0, 1).await;
        let hello = world.write_with(&person, json!({"from": address, "body": "hello"})).await;
        let stop = world.write_with(&person, json!({"from": address, "body": "STOP"})).await;
        lose_from(&world, &address, 0.0, 1).await;
        sweep(&world).await;
        for lost in [&hello, &stop] {
            assert_eq!(world.items(lost["message_sid"].as_str().unwrap()).await.len(), 1, "{channel}");
        }
        world.notify(&template_notification(&id, &person)).await;
        world.event("the suppression", of_notification("notification_suppressed", &id)).await;
    }
}

#[tokio::test]
async fn sender_is_ours_once_a_webhook_arrived_for_it() {
    let (world, person) = (World::new(), Person::new());
    // The sandbox posts no webhooks for a sender without a URL.
    let sender = format!("whatsapp:+1415555{:04}", fastrand::u32(..10_000));
    world.control("POST", "senders", &json!({"address": sender})).await;
    let lost = world.write_with(&person, json!({"to": sender, "body": "one"})).await;
    let lost = lost["message_sid"].as_str().unwrap();
    sweep(&world).await;
    assert_eq!(world.items(lost).await.len(), 0, "it may belong to another system");
    let (arrived, from) = (new_sid(), person.address());
    let webhook = [
        ("MessageSid", arrived.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("From", &from),
        ("To", &sender),
        ("Body", "two"),
        ("NumMedia", "0"),
    ];
    assert!(world.post_signed("/twilio/inbound", &webhook).await.status().is_success());
    world.event("the message that arrived", is("event_id", &arrived)).await;
    sweep(&world).await;
    assert_eq!(world.items(lost).await.len(), 1);
}

/// Creates a message that Twilio is to send in an hour.
pub(super) async fn schedule_at_twilio(world: &World, person: &Person) {
    let send_at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", world.stack.sandbox_url);
    let message = [
        ("To", person.address()),
        ("MessagingServiceSid", MESSAGING_SERVICE_SID.to_owned()),
        ("ContentSid", sandbox::ORDER_UPDATE_SID.to_owned()),
        ("ContentVariables", json!({"1": "Ava", "2": "1"}).to_string()),
        ("ScheduleType", "fixed".to_owned()),
        ("SendAt", send_at.to_string()),
    ];
    let created = world.http.post(url).basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN)).form(&message).send().await.unwrap();
    let created: Value = created.json().await.unwrap();
    assert_eq!(created["status"], "scheduled", "{created}");
}

#[tokio::test]
async fn stop_cancels_messages_scheduled_at_twilio() {
    let (world, person) = (World::new(), Person::new());
    schedule_at_twilio(&world, &person).await;
    world.write(&person, "STOP").await;
    world
        .until("the cancelled message", async || {
            let sent = world.sent_to(&person).await;
            sent.iter().any(|message| message["status"] == "canceled").then_some(())
        })
        .await;
}
