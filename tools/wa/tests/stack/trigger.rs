//! `wa trigger`

use serde_json::{Value, json};

use crate::operator::{new_id, new_number, notification, sandbox, until, wa, wa_reading};

/// The events of a type about a person.
fn events(person: &str, event_type: &str) -> Vec<Value> {
    let tail = ["events", "tail", "--since", "1h", "--no-follow", "--body", "--contact", person, "--type", event_type];
    let lines = wa(&[&tail[..], &["--output", "json"]].concat()).done();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(person: &str, event_type: &str) -> Value {
    until(event_type, || events(person, event_type).pop())
}

#[test]
fn a_message_is_stored_once_however_often_it_is_posted() {
    let from = new_number();
    let flags = ["trigger", "inbound", "--from", &from, "--body", "Where is my order?", "--times", "2"];
    let posted = wa(&[&flags[..], &["--output", "json"]].concat()).json();
    let answers: Vec<_> = posted.as_array().unwrap().iter().map(|webhook| &webhook["http"]).collect();
    assert_eq!(answers, [200, 200], "{posted}");
    let stored = event(&from, "twilio_inbound");
    assert_eq!((&stored["body"], &stored["message_sid"]), (&json!("Where is my order?"), &posted[0]["message_sid"]));
    assert_eq!(events(&from, "twilio_inbound").len(), 1);
}

#[test]
fn stop_and_start_change_what_may_be_sent() {
    let from = new_number();
    wa(&["trigger", "stop", "--from", &from]).done();
    event(&from, "contact_opted_out");
    let send = ["send", "--to", &from, "--category", "service", "--text", "Hello", "--dry-run"];
    let refused = wa(&send);
    assert!(refused.code == 1 && refused.stdout.contains("opted out"), "{refused:?}");
    wa(&["trigger", "start", "--from", &from]).done();
    event(&from, "contact_opted_in");
    wa(&send).done();
}

#[test]
fn a_file_a_button_and_a_place_are_read_as_twilios() {
    let from = new_number();
    wa(&["trigger", "media", "--from", &from, "--content-type", "application/pdf"]).done();
    wa(&["trigger", "button", "--from", &from, "--text", "Yes", "--payload", "yes"]).done();
    wa(&["trigger", "location", "--from", &from, "--latitude", "52.5", "--longitude", "-13.4"]).done();
    let stored = until("three events", || Some(events(&from, "twilio_inbound")).filter(|events| events.len() == 3));
    let all = |name: &str| stored.iter().filter(|event| event.get(name).is_some_and(|value| !value.is_null())).count();
    assert_eq!(stored.iter().filter(|event| event["media"][0]["content_type"] == "application/pdf").count(), 1);
    assert_eq!((all("button"), all("location")), (1, 1), "{stored:#?}");
}

#[test]
fn an_invalid_signature_is_refused() {
    for signature in ["wrong", "none"] {
        let refused = wa(&["trigger", "inbound", "--signature", signature, "--output", "json"]).json();
        assert_eq!(refused["http"], 403, "{refused}");
    }
}

#[test]
fn a_status_is_one_of_the_notifications_message() {
    let (to, id) = (new_number(), new_id("triggered"));
    let plan = json!({"to": format!("whatsapp:{to}"), "times": 1, "fault": {"kind": "silent"}});
    sandbox(reqwest::Method::POST, "/sandbox/faults", &plan);
    wa_reading(&["send", "--file", "-"], &notification(&id, &to).to_string()).done();
    let shown = || wa(&["notifications", "show", &id, "--output", "json"]);
    until("an accepted message", || {
        let shown = shown();
        (shown.code == 0 && shown.json()["state"] == "accepted").then_some(())
    });
    let status = ["trigger", "status", "failed", "--notification", &id, "--error-code", "63024"];
    assert_eq!(wa(&[&status[..], &["--output", "json"]].concat()).json()["http"], 204);
    let end = until("the outcome", || Some(shown().json()).filter(|shown| !shown["outcome"].is_null()));
    assert_eq!((&end["outcome"], &end["code"]), (&json!("failed"), &json!(63024)), "{end}");
}
