//! `wa replay`

use serde_json::{Value, json};

use crate::{
    operator::{RunningCommand, new_number, until},
    restorable_stack::RestorableStack,
};

/// More than two chunks.
const MESSAGES: usize = 25;

fn texts(stack: &RestorableStack, from: &str) -> Vec<Value> {
    stack.archived(|event| event["from"] == format!("whatsapp:{from}"))
}

/// The events of the person that are on the queue, until there are `count`.
fn received(stack: &RestorableStack, from: &str, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    until("events on the queue", || {
        let of_person = |event: &Value| event["from"] == format!("whatsapp:{from}");
        events.extend(stack.receive_events().into_iter().filter(of_person));
        (events.len() >= count).then_some(())
    });
    events
}

fn sorted_ids(events: &[Value]) -> Vec<&str> {
    let mut ids: Vec<_> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn interrupted_replay_continues_and_repeats_no_event() {
    let stack = RestorableStack::new();
    let person = new_number();
    for number in 0..MESSAGES {
        stack.write(&person, &format!("number {number}"));
    }
    let archived = until("the archive", || Some(texts(&stack, &person)).filter(|texts| texts.len() >= MESSAGES));
    let published = received(&stack, &person, MESSAGES);
    let selected = ["replay", "--since", "1h", "--contact", &person];
    let to_queue = [&selected[..], &["--to", "queue"]].concat();
    let counted = stack.wa(&[&to_queue[..], &["--dry-run", "--output", "json"]].concat()).json();
    let counts: Vec<_> = counted.as_array().unwrap().iter().map(|row| row["events"].as_u64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), MESSAGES as u64, "{counted}");
    assert!(counted[0]["first"].is_string() && counted[0]["event_type"] == "twilio_inbound", "{counted}");

    let slowly = [&to_queue[..], &["--rate", "2", "--yes"]].concat();
    let running = RunningCommand::start_command(stack.command(&slowly));
    let mut replayed = received(&stack, &person, 1);
    let (code, lines) = running.interrupt_for_lines();
    let cursor = lines.iter().find_map(|line| line.split_once("--from-cursor ")).map(|(_, cursor)| cursor.to_owned());
    assert_eq!(code, 130, "{lines:?}");
    let rest = stack.wa(&[&to_queue[..], &["--yes", "--from-cursor", &cursor.unwrap()]].concat());
    rest.done();
    replayed.extend(received(&stack, &person, MESSAGES - replayed.len()));
    assert!(stack.receive_events().iter().all(|event| event["from"] != format!("whatsapp:{person}")));
    assert_eq!(sorted_ids(&replayed), sorted_ids(&published), "each once, with its id");
    assert_eq!(sorted_ids(&archived), sorted_ids(&published));
}

#[test]
fn lost_message_comes_back_into_the_tables_with_its_event() {
    let stack = RestorableStack::new();
    let person = new_number();
    stack.write(&person, "Where is my order?");
    let event = until("the event", || texts(&stack, &person).pop());
    let selected = ["replay", "--since", "1h", "--message", event["message_sid"].as_str().unwrap()];
    let to_tables = [&selected[..], &["--to", "tables", "--yes", "--output", "json"]].concat();
    let unchanged = stack.wa(&to_tables).json();
    assert_eq!((&unchanged["replayed"], &unchanged["unchanged"]), (&json!(0), &json!(1)), "{unchanged}");

    let of = |name: &str| event[name].as_str().unwrap().to_owned();
    stack.forget_message(&format!("{}#{}", of("account_sid"), of("message_sid")));
    let replayed = stack.wa(&to_tables).json();
    assert_eq!((&replayed["replayed"], &replayed["unchanged"]), (&json!(1), &json!(0)), "{replayed}");
    let again = until("the event, published again", || {
        let texts = texts(&stack, &person);
        (texts.len() > 1).then_some(texts)
    });
    for name in ["event_id", "sequence", "received_at", "raw", "body"] {
        assert_eq!(again[0][name], again[1][name]);
    }
}

#[test]
fn event_goes_to_the_bus_again() {
    let stack = RestorableStack::new();
    let person = new_number();
    stack.write(&person, "Where is my order?");
    let event = until("the event", || texts(&stack, &person).pop());
    let sid = event["message_sid"].as_str().unwrap();
    let replay = ["replay", "--since", "1h", "--message", sid, "--to", "bus", "--yes", "--output", "json"];
    let counts = stack.wa(&replay).json();
    assert_eq!((&counts["replayed"], &counts["refused"]), (&json!(1), &json!(0)), "{counts}");
}
