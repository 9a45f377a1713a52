//! `wa events`

use serde_json::Value;

use crate::operator::{RunningCommand, new_id, new_number, notification, until, wa, wa_reading, write};

#[test]
fn events_are_printed_as_they_happen_and_since_a_time() {
    let to = new_number();
    let following =
        RunningCommand::start(&["events", "tail", "--since", "1m", "--contact", &to, "--body", "--output", "json"]);
    write(&to, "Where is my order?");
    let line = following.line(|line| line.contains("twilio_inbound"));
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["body"], "Where is my order?");
    let id = new_id("followed");
    wa_reading(&["send", "--file", "-"], &notification(&id, &to).to_string()).done();
    let delivered = following.line(|line| line.contains(r#""status":"delivered""#));
    assert_eq!(serde_json::from_str::<Value>(&delivered).unwrap()["notification_id"], id.as_str());
    assert_eq!(following.interrupt(), 130);

    let tail = ["events", "tail", "--since", "1h", "--no-follow", "--contact", &to];
    let inbound = wa(&[&tail[..], &["--type", "twilio_inbound", "--body"]].concat()).done();
    assert_eq!(inbound.lines().count(), 1, "{inbound}");
    assert!(inbound.contains("Where is my order?"), "{inbound}");
    for format in ["table", "json", "csv", "tsv"] {
        let unasked = wa(&[&tail[..], &["--output", format]].concat()).done();
        assert!(unasked.contains("twilio_inbound") && !unasked.contains("order?"), "{unasked}");
    }
    let all = until("all statuses", || {
        let all = wa(&[&tail[..], &["--output", "tsv"]].concat()).done();
        all.contains("\tdelivered ").then_some(all)
    });
    assert!(all.starts_with("time\tevent_type\tcontact\twhat\n"), "{all}");
}
