//! `wa notifications`

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::operator::{new_id, new_number, notification, sandbox, sent_to, until, wa, wa_reading};

/// Puts notifications for tomorrow on the queue, and waits until they are stored.
fn send_tomorrow(ids: &[String], to: &str, category: &str) {
    for id in ids {
        let mut notification = notification(id, to);
        notification["category"] = json!(category);
        notification["send_at"] = json!((Timestamp::now() + SignedDuration::from_hours(24)).to_string());
        wa_reading(&["send", "--file", "-"], &notification.to_string()).done();
    }
    for id in ids {
        until("a stored notification", || (wa(&["notifications", "show", id]).code == 0).then_some(()));
    }
}

/// What a list shows of each notification.
fn listed(options: &[&str]) -> Vec<Value> {
    let listed = wa(&[&["notifications", "list", "--output", "json"], options].concat()).json();
    listed.as_array().unwrap().clone()
}

#[test]
fn a_notification_is_found_by_its_id_and_by_its_message() {
    let (to, id) = (new_number(), new_id("shown"));
    wa_reading(&["send", "--file", "-", "--wait"], &notification(&id, &to).to_string()).done();
    let by_id = wa(&["notifications", "show", &id, "--output", "json"]).json();
    assert_eq!((&by_id["state"], &by_id["recipient"]), (&"accepted".into(), &to.clone().into()));
    let sid = by_id["attempts"][0]["message_sid"].as_str().unwrap();
    let by_message = wa(&["notifications", "show", sid, "--output", "json"]).json();
    assert_eq!(by_message["id"], id.as_str());
    let table = wa(&["notifications", "show", &id]).done();
    assert!(table.starts_with("outcome"), "{table}");
    for word in [&id, &to, "accepted", "delivered", sid] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let csv = wa(&["notifications", "show", &id, "--output", "csv"]).done();
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

#[test]
fn a_lost_answer_is_shown_with_the_attempt() {
    let (to, id) = (new_number(), new_id("unanswered"));
    let refused = json!({"kind": "refuse", "status": 503, "code": 20503});
    let plan = json!({"to": format!("whatsapp:{to}"), "times": 1, "fault": refused});
    sandbox(reqwest::Method::POST, "/sandbox/faults", &plan);
    wa_reading(&["send", "--file", "-"], &notification(&id, &to).to_string()).done();
    let show = || wa(&["notifications", "show", &id, "--output", "json"]);
    let shown = until("what Twilio answered", || {
        let shown = show();
        (shown.code == 0).then(|| shown.json()).filter(|shown| shown["attempts"][0]["reason"].is_string())
    });
    let reason = shown["attempts"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("HTTP 503") && reason.contains("20503"), "{reason}");
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("claimed"), &json!(reason)));
}

#[test]
fn an_unknown_notification_is_not_found() {
    let stderr = wa(&["notifications", "show", &new_id("unknown")]).failed(3);
    assert!(stderr.contains("there is no notification unknown-"), "{stderr}");
}

#[test]
fn waiting_notifications_are_listed_until_they_are_cancelled() {
    let to = new_number();
    let ids = [new_id("first"), new_id("second")];
    send_tomorrow(&ids, &to, "utility");
    let waiting = ["--state", "waiting", "--to", to.as_str()];
    // The index is updated after the table.
    let rows = until("two listed notifications", || Some(listed(&waiting)).filter(|rows| rows.len() == 2));
    for row in &rows {
        assert!(ids.iter().any(|id| row["id"] == id.as_str()), "{row}");
        assert_eq!(
            (&row["state"], &row["waits_for"], &row["recipient"]),
            (&json!("waiting"), &json!("send_at"), &json!(to))
        );
        assert!(row["due_at"].as_str().unwrap().parse::<Timestamp>().unwrap() > Timestamp::now(), "{row}");
    }
    assert!(listed(&[&waiting[..], &["--category", "marketing"]].concat()).is_empty());
    assert_eq!(listed(&[&waiting[..], &["--category", "utility", "--since", "1h"]].concat()).len(), 2);

    let unanswered = wa(&["notifications", "cancel", "--to", &to]).failed(2);
    assert!(unanswered.contains("Cancel 2 notifications of AC"), "{unanswered}");
    assert_eq!(listed(&waiting).len(), 2, "nothing was cancelled without an answer");

    let cancelled = wa(&["notifications", "cancel", "--to", &to, "--yes", "--output", "json"]).json();
    let results: Vec<_> = cancelled.as_array().unwrap().iter().map(|row| &row["result"]).collect();
    assert_eq!(results, ["cancelled", "cancelled"], "{cancelled}");
    until("an empty list", || listed(&waiting).is_empty().then_some(()));
    let shown = wa(&["notifications", "show", &ids[0], "--output", "json"]).json();
    assert_eq!((&shown["state"], &shown["outcome"]), (&json!("cancelled"), &json!("cancelled")), "{shown}");
    let again = wa(&["notifications", "cancel", &ids[0]]).done();
    assert!(again.starts_with(&format!("{}: was cancelled before", ids[0])), "{again}");
    wa(&["notifications", "cancel", "--to", &to, "--yes"]).failed(3);
    assert!(sent_to(&to).is_empty());
}

#[test]
fn sent_and_unknown_notifications_are_not_cancelled() {
    let (to, id, unknown) = (new_number(), new_id("sent"), new_id("unknown"));
    wa_reading(&["send", "--file", "-", "--wait"], &notification(&id, &to).to_string()).done();
    let ran = wa(&["notifications", "cancel", &id, &unknown]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains(&format!("{id}: not cancelled: the notification is ")), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("{unknown}: not found: ")), "{}", ran.stdout);
    assert!(ran.stderr.contains("0 of 2 notifications were cancelled"), "{}", ran.stderr);
}

#[test]
fn list_without_an_index_says_how_much_it_read() {
    let (to, id) = (new_number(), new_id("listed"));
    wa_reading(&["send", "--file", "-", "--wait"], &notification(&id, &to).to_string()).done();
    let all = wa(&["notifications", "list", "--to", &to, "--max-read", "1000000"]);
    assert!(all.stderr.contains(" items of the table") && all.stderr.contains("that is all"), "{}", all.stderr);
    assert!(all.done().contains(&id));
    let accepted = listed(&["--state", "accepted", "--to", &to, "--since", "1h", "--max-read", "1000000"]);
    assert_eq!((accepted.len(), &accepted[0]["id"]), (1, &json!(id)));
    let bounded = wa(&["notifications", "list", "--to", &new_number(), "--max-read", "1"]);
    assert!(
        bounded.stderr.contains("--max-read reads on") || bounded.stderr.contains("that is all"),
        "{}",
        bounded.stderr
    );
}
