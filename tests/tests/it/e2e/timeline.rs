//! The stack reports the system's events, decisions and stored items to the sandbox, whose page shows them.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use tests::harness::emulator::{RefusalReason, RefusedRequests, end_refusal};

use super::clock::time;
use crate::world::{DEADLINE, Person, World, new_id, text_notification};

/// The event stream that the page reads.
struct Timeline {
    stream: reqwest::Response,
    unread: Vec<u8>,
}

impl Timeline {
    async fn watch(world: &World) -> Self {
        let stream = world.http.get(format!("{}/sandbox/stream", world.stack.sandbox_url)).send().await.unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Reads until the person has an entry of each kind with these words, and returns those entries.
    async fn until_reported(&mut self, person: &Person, wanted: &[(&str, &str)]) -> Vec<Value> {
        let mut found = vec![None; wanted.len()];
        let reading = async {
            while found.contains(&None) {
                for entry in self.next().await {
                    let is_it = |(kind, words): &(&str, &str)| {
                        let summary = entry["summary"].as_str().unwrap();
                        entry["person"] == person.address() && entry["kind"] == *kind && summary.contains(words)
                    };
                    if let Some(index) = wanted.iter().position(is_it) {
                        found[index] = Some(entry);
                    }
                }
            }
        };
        let read = tokio::time::timeout(DEADLINE, reading).await;
        assert!(read.is_ok(), "of {wanted:?} these entries came within {DEADLINE:?}: {found:?}");
        found.into_iter().flatten().collect()
    }

    /// Reads until the person's entries pass the check, and returns them by number, the newest version of each.
    async fn until_entries(&mut self, person: &Person, passes: impl Fn(&[&Value]) -> bool) -> Vec<Value> {
        let mut found = BTreeMap::new();
        let reading = async {
            while !passes(&found.values().collect::<Vec<_>>()) {
                let entries = self.next().await.into_iter().filter(|entry| entry["person"] == person.address());
                found.extend(entries.map(|entry| (entry["number"].as_u64().unwrap(), entry)));
            }
        };
        let read = tokio::time::timeout(DEADLINE, reading).await;
        assert!(read.is_ok(), "the entries did not come within {DEADLINE:?}: {found:?}");
        found.into_values().collect()
    }

    /// The timeline entries of the stream's next change; none where it is a change of something else.
    async fn next(&mut self) -> Vec<Value> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|end| end == b"\n\n") {
                let change: Vec<u8> = self.unread.drain(..end + 2).collect();
                return entries(&String::from_utf8(change).unwrap());
            }
            self.unread.extend(self.stream.chunk().await.unwrap().unwrap());
        }
    }
}

fn entries(change: &str) -> Vec<Value> {
    let field = |name: &str| change.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let data = || serde_json::from_str::<Value>(field("data:").unwrap()).unwrap();
    match field("event:") {
        Some("entry") => vec![data()],
        // A reader that is too slow gets a new snapshot.
        Some("snapshot") => data()["timeline"].as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn timeline_shows_a_stop_and_the_suppression_it_causes() {
    let (world, person, id) = (World::new(), Person::new(), new_id("reported"));
    let mut timeline = Timeline::watch(&world).await;
    let sid = world.write(&person, "STOP").await["message_sid"].clone();
    world.notify(&text_notification(&id, &person)).await;
    let reported = timeline
        .until_reported(
            &person,
            &[
                ("item", "Messages: inbound of "),
                ("item", " opted out by SM"),
                ("item", "Contacts: service window "),
                ("event", "twilio_inbound: "),
                ("event", "contact_opted_out: "),
                ("decision", "suppressed, the recipient has opted out"),
                ("event", "notification_suppressed: "),
            ],
        )
        .await;
    for index in [0, 1, 3, 4] {
        assert_eq!(reported[index]["message_sid"], sid, "{}", reported[index]);
    }
    for index in [5, 6] {
        assert_eq!(reported[index]["notification_id"], id.as_str(), "{}", reported[index]);
    }
}

#[tokio::test]
async fn timeline_shows_a_failure_and_its_fallback() {
    let (world, person, id) = (World::new(), Person::new(), new_id("reported"));
    let mut timeline = Timeline::watch(&world).await;
    world.write(&person, "Hello").await;
    timeline.until_reported(&person, &[("item", "Contacts: service window ")]).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": 63016})).await;
    let mut notification = text_notification(&id, &person);
    notification["fallback"] = json!([{"channel": "sms", "content": {"type": "text", "body": "On its way."}}]);
    world.notify(&notification).await;
    let reported = timeline
        .until_reported(
            &person,
            &[
                ("decision", "claimed, goes out as text over whatsapp"),
                ("decision", "fallback 1, text over sms takes over"),
                ("decision", "claimed, goes out as fallback 1, text over sms"),
                ("decision", "accepted by Twilio as SM"),
            ],
        )
        .await;
    assert_eq!(reported[1]["details"]["code"], 63016);
    assert!(reported.iter().all(|entry| entry["notification_id"] == id.as_str()), "{reported:?}");
}

/// The entries of a cause with what each is, in the order in which things happened.
fn story(entries: &[Value], cause: &str) -> Vec<String> {
    let mut entries: Vec<_> = entries.iter().filter(|entry| entry["cause"] == cause).collect();
    let order =
        |entry: &Value| (entry["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap(), entry["number"].as_u64());
    entries.sort_by_key(|entry| order(entry));
    entries
        .iter()
        .map(|entry| format!("{} {}", entry["kind"].as_str().unwrap(), entry["summary"].as_str().unwrap()))
        .collect()
}

fn has_all(entries: &[&Value], wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(kind, words)| {
        entries.iter().any(|entry| entry["kind"] == *kind && entry["summary"].as_str().unwrap().contains(words))
    })
}

/// Whether the parts of a story are there, in this order.
fn tells(story: &[String], wanted: &[(&str, &str)]) -> bool {
    let mut lines = story.iter();
    wanted.iter().all(|(kind, words)| lines.any(|line| line.starts_with(&format!("{kind} ")) && line.contains(words)))
}

#[tokio::test]
async fn message_is_the_cause_of_all_that_follows() {
    let (world, person) = (World::new(), Person::new());
    let mut timeline = Timeline::watch(&world).await;
    let parts = [
        ("webhook", "Webhook of a message"),
        ("item", "Messages: inbound of "),
        ("item", "Contacts: service window "),
        ("event", "twilio_inbound: "),
    ];
    let stop = [("item", " opted out by SM"), ("item", "Contacts: STOP SM"), ("event", "contact_opted_out: ")];
    for (body, more) in [("Hello", &[][..]), ("Hello again", &[]), ("STOP", &stop)] {
        let sid = world.write(&person, body).await["message_sid"].as_str().unwrap().to_owned();
        let cause = format!("webhook:{sid}");
        let wanted = [&parts[..], more].concat();
        let of_cause = |entries: &[&Value]| -> Vec<Value> {
            entries.iter().filter(|entry| entry["cause"] == cause.as_str()).map(|entry| (*entry).clone()).collect()
        };
        let passes = |entries: &[&Value]| has_all(&of_cause(entries).iter().collect::<Vec<_>>(), &wanted);
        let entries = timeline.until_entries(&person, passes).await;
        let of_message: Vec<_> = entries.iter().filter(|entry| entry["cause"] == cause.as_str()).collect();
        assert!(of_message.iter().all(|entry| entry["message_sid"] == sid.as_str()), "{of_message:?}");
        let story = story(&entries, &cause);
        assert!(story[0].starts_with("webhook ") && tells(&story, &parts[..2]), "{story:?}");
    }
}

#[tokio::test]
async fn notification_is_the_cause_of_its_calls() {
    let (world, person, id) = (World::new(), Person::new(), new_id("caused"));
    world.write(&person, "Hello").await;
    world.open_window(&person).await;
    let mut timeline = Timeline::watch(&world).await;
    world.notify(&text_notification(&id, &person)).await;
    let parts =
        [("decision", "claimed, goes out"), ("api_call", "POST Messages.json: 201"), ("decision", "accepted by")];
    let entries = timeline
        .until_entries(&person, |entries| {
            has_all(entries, &parts)
                && has_all(entries, &[("decision", ": read"), ("event", "twilio_status: ")])
                && entries
                    .iter()
                    .filter(|entry| entry["kind"] == "event" && entry["details"]["status"] == "read")
                    .count()
                    > 0
        })
        .await;
    let cause = format!("notification:{id}");
    let shown = story(&entries, &cause);
    assert!(tells(&shown, &parts), "{shown:?}");
    let sid = entries.iter().find(|entry| entry["kind"] == "api_call").unwrap()["message_sid"].as_str().unwrap();
    let callback = story(&entries, &format!("callback:{sid}:read"));
    let parts =
        [("callback", "Webhook of the status read"), ("item", "Messages: status read"), ("event", "twilio_status")];
    assert!(tells(&callback, &parts[..2]) && has_all(&entries.iter().collect::<Vec<_>>(), &parts), "{callback:?}");
    let of_message = entries.iter().filter(|entry| !entry["cause"].as_str().unwrap().starts_with("webhook:"));
    for entry in of_message {
        assert_eq!(entry["notification_id"], id.as_str(), "{entry}");
        // The first decision comes before the message.
        let has_message = entry["message_sid"] == sid;
        assert!(has_message || entry["summary"].as_str().unwrap().contains("claimed"), "{entry}");
    }
}

#[tokio::test]
async fn webhook_shows_why_the_function_refused_it() {
    let (world, person) = (World::new(), Person::new());
    let mut timeline = Timeline::watch(&world).await;
    world.plan(&person, 1, json!({"kind": "wrong_signature"})).await;
    world.write(&person, "Is it me?").await;
    let is_webhook = |entry: &Value| entry["kind"] == "webhook";
    let entries = timeline.until_entries(&person, |entries| entries.iter().any(|entry| is_webhook(entry))).await;
    let refused = entries.iter().find(|entry| is_webhook(entry)).unwrap();
    let expected = "X-Twilio-Signature does not match";
    assert!(refused["reason"].as_str().unwrap().starts_with(expected), "{refused}");
    assert_eq!(refused["exchange"]["response"]["status"], 403, "{refused}");
    let (path, number) = (format!("timeline/{}/again", refused["number"]), refused["number"].clone());
    assert_eq!(world.control("POST", &path, &Value::Null).await["status"], 200);
    let sid = refused["message_sid"].clone();
    let again = timeline.until_entries(&person, |entries| has_all(entries, &[("event", "twilio_inbound: ")])).await;
    let second = again.iter().find(|entry| is_webhook(entry) && entry["number"] != number).unwrap();
    assert_eq!((&second["delivery"], &second["message_sid"], &second["problem"]), (&json!(2), &sid, &json!(false)));
}

/// Replaces the policy of the spool queue, and gives the one before.
async fn set_policy_of_spool(world: &World, policy: &str) -> String {
    let spool = &world.stack.outputs.spool_queue_url;
    let before = world.sqs.get_queue_attributes().queue_url(spool).attribute_names(QueueAttributeName::Policy);
    let before = before.send().await.unwrap().attributes.unwrap_or_default().remove(&QueueAttributeName::Policy);
    let set = world.sqs.set_queue_attributes().queue_url(spool).attributes(QueueAttributeName::Policy, policy);
    set.send().await.unwrap();
    before.unwrap_or_default()
}

/// Neither DynamoDB nor SQS stores the webhook, in a stack whose tests run one after another.
#[tokio::test]
async fn webhook_shows_the_error_of_the_functions_log() {
    let (time, person) = (time().await, Person::new());
    let world = &time.world;
    let mut timeline = Timeline::watch(world).await;
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"});
    let policy = set_policy_of_spool(world, &json!({"Version": "2012-10-17", "Statement": [deny]}).to_string()).await;
    let refused = RefusedRequests::containing(&person.identity, RefusalReason::ProvisionedThroughputExceeded, 10_000);
    let refusal = refused.begin(&world.stack).await.unwrap();
    assert_eq!(world.write(&person, "Hello").await["status"], 500);
    end_refusal(&world.stack, refusal).await.unwrap();
    set_policy_of_spool(world, &policy).await;
    let has_reason = |entry: &&Value| {
        entry["kind"] == "webhook" && entry["reason"].as_str().is_some_and(|reason| reason != "internal error")
    };
    let entries = timeline.until_entries(&person, |entries| entries.iter().any(&has_reason)).await;
    let failed = entries.iter().find(has_reason).unwrap();
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.starts_with("the webhook cannot be stored: ") && reason.contains("was not spooled"), "{failed}");
    assert_eq!(failed["exchange"]["response"]["body"], "internal error");
}
