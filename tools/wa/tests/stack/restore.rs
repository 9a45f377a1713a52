//! `wa restore`, as docs/restore.md has it

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    operator::{new_id, new_number, notification, until},
    restorable_stack::RestorableStack,
};

/// Longer than what waits in these tests.
const WAIT: SignedDuration = SignedDuration::from_hours(2);

/// The sandbox's people read what they get.
const ARRIVED: [&str; 2] = ["delivered", "read"];

/// A notification to a new person.
struct Sending {
    id: String,
    to: String,
}

impl Sending {
    fn new(name: &str) -> Self {
        Self { id: new_id(name), to: new_number() }
    }

    fn now(&self) -> Value {
        notification(&self.id, &self.to)
    }

    fn at(&self, at: Timestamp) -> Value {
        let mut notification = self.now();
        notification["send_at"] = json!(at);
        notification
    }

    fn is_delivered(&self, event: &Value) -> bool {
        event["notification_id"] == self.id.as_str() && event["status"] == "delivered"
    }
}

/// The people of the test: what is stored of them when the tables are copied, and what happens afterwards.
struct Story {
    stopped: String,
    /// Waits, and is sent afterwards.
    sent: Sending,
    /// Is queued and sent afterwards.
    lost: Sending,
    /// Waits, and is cancelled afterwards.
    cancelled: Sending,
    /// Waits, and still waits.
    waiting: Sending,
    /// Waits, and its person gets a message that no status names.
    unknown: Sending,
}

impl Story {
    fn begin(stack: &RestorableStack) -> Self {
        let story = Self {
            stopped: new_number(),
            sent: Sending::new("sent"),
            lost: Sending::new("lost"),
            cancelled: Sending::new("cancelled"),
            waiting: Sending::new("waiting"),
            unknown: Sending::new("unknown"),
        };
        let later = Timestamp::now() + WAIT / 2;
        stack.wa(&["pause", "utility"]).done();
        stack.notify(&story.sent.now());
        for waiting in [&story.cancelled, &story.waiting, &story.unknown] {
            stack.notify(&waiting.at(later));
        }
        for waiting in [&story.sent, &story.cancelled, &story.waiting, &story.unknown] {
            stack.until_state(&waiting.id, "waiting");
        }
        story
    }

    /// What happens after the tables were copied, until all of it is archived.
    fn go_on(&self, stack: &RestorableStack) {
        stack.wa(&["resume", "utility"]).done();
        stack.write(&self.stopped, "STOP");
        stack.notify(&self.lost.now());
        stack.wa(&["notifications", "cancel", &self.cancelled.id, "--yes"]).done();
        let to = format!("whatsapp:{}", self.unknown.to);
        let template = ["--content-sid", sandbox::ORDER_UPDATE_SID, "--content-variables", r#"{"1": "Ava", "2": "1"}"#];
        let create = ["messages", "create", "--to", &to, "--from", "whatsapp:+14155238886", "--yes"];
        stack.wa(&[&create[..], &template].concat()).done();
        for sending in [&self.sent, &self.lost] {
            stack.until_archived("a delivery", |event| sending.is_delivered(event));
        }
        stack.until_archived("the opt-out", |event| self.is_opt_out(event));
        stack.until_archived("the cancellation", |event| {
            event["notification_id"] == self.cancelled.id.as_str() && event["outcome"] == "cancelled"
        });
    }

    fn is_opt_out(&self, event: &Value) -> bool {
        event["event_type"] == "contact_opted_out" && event["contact"] == self.stopped.as_str()
    }
}

/// A consent record is an item that a copy over the table leaves where it is.
#[test]
fn withdrawal_since_the_restored_time_counts_again() {
    let stack = RestorableStack::new();
    let person = new_number();
    let consent = |more: &[&str]| {
        let options = ["consent", "add", &person, "--category", "marketing", "--source", "form"];
        stack.wa(&[&options[..], more].concat()).done();
    };
    let current = || {
        let shown = stack.wa(&["contacts", "show", &person, "--output", "json"]).json();
        shown["consents"][0]["current"]["state"].clone()
    };
    consent(&["--text", "Offers?"]);
    let copies = stack.copy_tables();
    let to = Timestamp::now().to_string();
    consent(&["--withdraw"]);
    stack.wa(&["restore", "begin", "--to", &to]).done();
    let (table, copy) = &copies[1];
    stack.wa(&["restore", "copy", "--table", table, "--from", copy, "--yes"]).done();
    assert_eq!(current(), "given", "the withdrawal is forgotten");
    assert_eq!(stack.wa(&["restore", "check"]).code, 1);
    stack.wa(&["restore", "apply"]).done();
    assert_eq!(current(), "withdrawn");
    stack.wa(&["restore", "end", "--yes"]).done();
}

/// A consent record that was lost with its table comes back from its event.
#[test]
fn lost_withdrawal_comes_back_from_the_archive() {
    let stack = RestorableStack::new();
    let (withdrawn, given) = (new_number(), new_number());
    let consent = |person: &str, more: &[&str]| {
        let options = ["consent", "add", person, "--category", "marketing", "--source", "form"];
        stack.wa(&[&options[..], more].concat()).done();
    };
    let shown = |person: &str| stack.wa(&["contacts", "show", person, "--output", "json"]).json();
    let state = |person: &str| shown(person)["consents"][0]["current"]["state"].clone();
    consent(&withdrawn, &["--text", "Offers?"]);
    let copies = stack.copy_tables();
    let to = Timestamp::now().to_string();
    consent(&withdrawn, &["--withdraw"]);
    consent(&given, &["--text", "Offers?"]);
    for person in [&withdrawn, &given] {
        let state = state(person);
        stack.until_archived("the consent", |event| {
            event["event_type"] == "contact_consent" && event["contact"] == person.as_str() && event["state"] == state
        });
    }
    stack.wa(&["restore", "begin", "--to", &to]).done();
    stack.lose_tables();
    for (table, copy) in &copies {
        stack.wa(&["restore", "copy", "--table", table, "--from", copy, "--yes"]).done();
    }
    assert_eq!(state(&withdrawn), "given", "the withdrawal is forgotten");
    assert_eq!(stack.wa(&["restore", "check"]).code, 1);
    stack.wa(&["restore", "apply"]).done();
    assert_eq!((state(&withdrawn), state(&given)), (json!("withdrawn"), json!("given")));
    let evidence = shown(&given)["consents"][0]["evidence"].clone();
    let digest = domain::digest::sha256_hex(b"Offers?");
    assert_eq!((&evidence[0]["text"], &evidence[0]["text_sha256"]), (&Value::Null, &json!(digest)), "{evidence}");
    // Once more: the evidence is at the same place.
    stack.wa(&["restore", "apply"]).done();
    assert_eq!(shown(&given)["consents"][0]["evidence"], evidence);
    stack.wa(&["restore", "check"]).done();
    stack.wa(&["restore", "end", "--yes"]).done();
}

/// The history of a STOP says that it was recorded, so that its message is not stored again.
#[test]
fn restore_is_complete_without_the_message_of_a_known_stop() {
    let stack = RestorableStack::new();
    let person = new_number();
    let to = Timestamp::now().to_string();
    stack.write(&person, "STOP");
    let from = format!("whatsapp:{person}");
    let is_message = |event: &Value| event["event_type"] == "twilio_inbound" && event["from"] == from.as_str();
    stack.until_archived("the message", is_message);
    stack.wa(&["restore", "begin", "--to", &to]).done();
    let message = stack.archived(is_message).remove(0);
    let of = |name: &str| message[name].as_str().unwrap().to_owned();
    stack.forget_message(&format!("{}#{}", of("account_sid"), of("message_sid")));
    stack.wa(&["restore", "apply"]).done();
    stack.wa(&["restore", "check"]).done();
    assert!(is_stopped(&stack, &person));
    stack.wa(&["restore", "end", "--yes"]).done();
}

fn is_stopped(stack: &RestorableStack, number: &str) -> bool {
    let shown = stack.wa(&["contacts", "show", number, "--output", "json"]);
    shown.code == 0 && shown.stdout.contains("opted_out")
}

#[test]
fn restored_tables_send_nothing_twice_and_nothing_after_a_stop() {
    let stack = RestorableStack::new();
    let story = Story::begin(&stack);
    let copies = stack.copy_tables();
    let to = Timestamp::now().to_string();
    story.go_on(&stack);
    assert_eq!((stack.sent_to(&story.sent.to), stack.sent_to(&story.lost.to)), (1, 1));

    // The runbook.
    assert!(stack.wa(&["restore", "check"]).failed(3).contains("no restore has begun"));
    stack.wa(&["restore", "begin", "--to", &to]).done();
    assert!(stack.wa(&["resume", "all"]).failed(4).contains("wa restore end"));
    stack.lose_tables();
    for (table, copy) in &copies {
        stack.wa(&["restore", "copy", "--table", table, "--from", copy, "--yes"]).done();
    }
    assert!(!is_stopped(&stack, &story.stopped), "the STOP is forgotten");
    let missing = stack.wa(&["restore", "check", "--output", "json"]);
    let report: Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!((&report["notifications"], &report["held"]), (&json!(3), &json!(1)), "{report}");
    stack.wa(&["restore", "end", "--yes"]).failed(1);

    // Other systems repeat what they are not sure of, and write to the person who stopped.
    let unwanted = Sending { id: new_id("unwanted"), to: story.stopped.clone() };
    for repeated in [&story.sent, &story.lost, &unwanted] {
        stack.notify(&repeated.now());
    }
    stack.until_state(&unwanted.id, "waiting");
    stack.wa(&["restore", "apply"]).done();
    assert!(is_stopped(&stack, &story.stopped));
    let complete = stack.wa(&["restore", "check", "--output", "json"]).json();
    assert_eq!((&complete["facts"], &complete["notifications"]), (&json!(0), &json!(0)), "{complete}");
    stack.wa(&["restore", "end", "--yes"]).done();
    assert_eq!(stack.wa(&["pause", "list"]).done(), "nothing is paused\n");

    stack.until_outcome(&unwanted.id, &["suppressed"]);
    stack.advance(WAIT.try_into().unwrap());
    stack.until_outcome(&story.waiting.id, &ARRIVED);
    stack.advance(Duration::from_mins(30));
    for (person, messages) in [
        (&story.stopped, 0),
        (&story.sent.to, 1),
        (&story.lost.to, 1),
        (&story.cancelled.to, 0),
        (&story.waiting.to, 1),
        (&story.unknown.to, 1),
    ] {
        assert_eq!(stack.sent_to(person), messages);
    }
    for (id, outcomes) in [
        (&story.sent.id, &ARRIVED[..]),
        (&story.lost.id, &ARRIVED),
        (&story.cancelled.id, &["cancelled"]),
        (&story.unknown.id, &["unknown"]),
    ] {
        stack.until_outcome(id, outcomes);
    }
    // What was recorded again was published again, under the same id.
    let opt_outs = until("the opt-out, published twice", || {
        let opt_outs = stack.archived(|event| story.is_opt_out(event));
        (opt_outs.len() > 1).then_some(opt_outs)
    });
    assert!(opt_outs.iter().all(|event| event["event_id"] == opt_outs[0]["event_id"]), "{opt_outs:?}");
    stack.set_clock_back();
}
