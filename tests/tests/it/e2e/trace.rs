//! One trace id leads from a notification, or from a message of a person, through the logs of all functions to its events.

use std::collections::{BTreeMap, BTreeSet};

use domain::{notification::NotificationId, trace_id::TraceId};
use serde_json::{Value, json};
use stack::{deploy::STACK_NAME, run::ACCOUNT_SID};

use crate::world::{Person, World, is, new_id, of_notification, template_notification};

/// The JSON lines of a function's log that contain a text.
pub(super) async fn lines_with(world: &World, function: &str, text: &str) -> Vec<Value> {
    let group = format!("/aws/cloudformation/{STACK_NAME}/{function}LogGroup");
    json_lines(world, &group, &format!("\"{text}\"")).await
}

/// The JSON lines of a log group that match a filter pattern.
pub(super) async fn json_lines(world: &World, group: &str, pattern: &str) -> Vec<Value> {
    let body = json!({"logGroupName": group, "filterPattern": pattern}).to_string();
    let request = world.signed("logs", "POST", &world.stack.aws_endpoint, &body);
    let request = request.header("Content-Type", "application/x-amz-json-1.1");
    let answer = request.header("X-Amz-Target", "Logs_20140328.FilterLogEvents").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    events.iter().map(|event| serde_json::from_str(event["message"].as_str().unwrap()).unwrap()).collect()
}

/// The lines of these functions with a text, as soon as each has one.
async fn lines_of(world: &World, functions: &[&str], text: &str) -> BTreeMap<String, Vec<Value>> {
    let mut found = BTreeMap::new();
    for function in functions {
        let lines = world
            .until(&format!("a line of {function} with {text}"), async || {
                Some(lines_with(world, function, text).await).filter(|lines| !lines.is_empty())
            })
            .await;
        found.insert((*function).to_owned(), lines);
    }
    found
}

fn trace_of_notification(id: &str) -> String {
    let id = NotificationId::try_from(id.to_owned()).unwrap();
    TraceId::of_notification(&ACCOUNT_SID.parse().unwrap(), &id).to_string()
}

#[tokio::test]
async fn all_lines_and_events_of_a_notification_share_its_trace() {
    let (world, person, id) = (World::new(), Person::new(), new_id("traced"));
    let trace_id = trace_of_notification(&id);
    // It is refused as too fast first, so that it waits and comes again by a message that only names it.
    world.plan(&person, 1, json!({"kind": "refuse", "status": 429, "code": 20429})).await;
    world.notify(&template_notification(&id, &person)).await;
    world.until_outcome(&id, "read").await;
    for event in world.events("the statuses", of_notification("twilio_status", &id), 2).await {
        assert_eq!(event["trace_id"], trace_id.as_str(), "{event}");
    }
    let lines = lines_of(&world, &["Send", "Status", "Publish"], &id).await;
    for line in lines.values().flatten() {
        assert_eq!(line["trace_id"], trace_id.as_str(), "{line}");
    }
    // The other way round: a search for the trace id finds each step.
    let lines = lines_of(&world, &["Send", "Status", "Publish"], &trace_id).await;
    let of = |function: &str, field: &str| -> BTreeSet<String> {
        lines[function].iter().filter_map(|line| line["fields"][field].as_str().map(str::to_owned)).collect()
    };
    assert!(of("Send", "answer").is_superset(&["throttled", "accepted"].map(str::to_owned).into()), "{lines:?}");
    assert!(of("Send", "waits_for").contains("retry") || of("Send", "state").contains("waiting"), "{lines:?}");
    assert!(of("Status", "status").contains("delivered"), "{lines:?}");
    assert!(of("Publish", "outcome").contains("delivered"), "{lines:?}");
    let delivery = lines["Publish"].iter().find(|line| line["fields"]["delivery_ms"].is_u64());
    assert!(delivery.is_some_and(|line| line["fields"]["delivery_ms"].as_u64() < Some(600_000)), "{lines:?}");
}

#[tokio::test]
async fn refused_notification_and_its_event_share_its_trace() {
    let (world, person, id) = (World::new(), Person::new(), new_id("traced"));
    let mut notification = template_notification(&id, &person);
    notification["colour"] = json!("red");
    world.notify(&notification).await;
    world.notification_in(&id, "rejected").await;
    let event = world.event("the failure", of_notification("notification_failed", &id)).await;
    assert_eq!(event["trace_id"], trace_of_notification(&id).as_str());
    for line in lines_of(&world, &["Send", "Publish"], &id).await.values().flatten() {
        assert_eq!(line["trace_id"], trace_of_notification(&id).as_str(), "{line}");
    }
}

#[tokio::test]
async fn stop_of_a_person_and_its_events_share_a_trace() {
    let (world, person) = (World::new(), Person::new());
    let sid = world.write(&person, "STOP").await["message_sid"].as_str().unwrap().to_owned();
    let trace_id = TraceId::of_message(&ACCOUNT_SID.parse().unwrap(), &sid.parse().unwrap()).to_string();
    for event_id in [sid.clone(), format!("{sid}.contact_opted_out")] {
        let event = world.event("the message and the opt-out", is("event_id", &event_id)).await;
        assert_eq!(event["trace_id"], trace_id.as_str(), "{event}");
    }
    let lines = lines_of(&world, &["Inbound", "Publish"], &trace_id).await;
    assert_eq!(lines["Inbound"][0]["fields"]["webhook"], "inbound");
    assert!(lines["Publish"].iter().any(|line| line["fields"]["preference"] == "contact_opted_out"), "{lines:?}");
    for line in lines.values().flatten() {
        assert!(!line.to_string().contains(&person.identity), "{line}");
    }
}
