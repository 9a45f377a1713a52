//! The order of events, through the shards and lanes of the streams, which keep the order of one item only.

use futures::future::join_all;
use serde_json::Value;

use crate::world::{Person, World, events_so_far};

const PEOPLE: usize = 30;
const WRITTEN: [&str; 8] = ["hello", "STOP", "are you there?", "START", "hello again", "STOP", "still here", "START"];

/// What a person's message is in the events: the message, and what it changed.
fn expected(sids: &[String]) -> Vec<(String, &'static str)> {
    let events = |(body, sid): (&&str, &String)| {
        let change = match *body {
            "STOP" => Some("contact_opted_out"),
            "START" => Some("contact_opted_in"),
            _ => None,
        };
        ["twilio_inbound"].into_iter().chain(change).map(|event_type| (sid.clone(), event_type)).collect::<Vec<_>>()
    };
    WRITTEN.iter().zip(sids).flat_map(events).collect()
}

/// A person writes one message after the other, each after the answer to the one before. Returns the SIDs.
async fn write_all(world: &World, person: &Person) -> Vec<String> {
    let mut sids = Vec::new();
    for body in WRITTEN {
        let answered = world.write(person, body).await;
        assert_eq!(answered["status"], 200, "{answered}");
        sids.push(answered["message_sid"].as_str().unwrap().to_owned());
    }
    sids
}

fn described(events: &[Value]) -> Vec<(String, &str)> {
    let described = |event: &Value| event["message_sid"].as_str().unwrap().to_owned();
    events.iter().map(|event| (described(event), event["event_type"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn events_sorted_by_sequence_are_in_the_webhooks_order() {
    let world = World::new();
    let people: Vec<_> = (0..PEOPLE).map(|_| Person::new()).collect();
    let written = join_all(people.iter().map(|person| write_all(&world, person))).await;
    let mut swapped = 0;
    for (person, sids) in people.iter().zip(&written) {
        let expected = expected(sids);
        let is_theirs = |event: &Value| sids.iter().any(|sid| event["message_sid"] == sid.as_str());
        let mut events = world.events("every event", is_theirs, expected.len()).await;
        swapped += usize::from(described(&events) != expected);
        let changes: Vec<_> = events.iter().filter(|event| event["event_type"] != "twilio_inbound").cloned().collect();
        let expected_changes: Vec<_> = expected.iter().filter(|(_, kind)| *kind != "twilio_inbound").cloned().collect();
        assert_eq!(described(&changes), expected_changes, "the opt-outs of {} without sorting", person.identity);
        events.sort_by_key(|event| event["sequence"].as_str().unwrap().to_owned());
        assert_eq!(described(&events), expected, "{}", person.identity);
        assert_eq!(events_so_far(is_theirs).len(), expected.len(), "no event twice");
    }
    println!("{swapped} of {PEOPLE} people have events that arrived in another order");
}
