//! `wa pause` and `wa resume`

use domain::route_health::RouteResults;
use serde_json::{Value, json};

use crate::{
    isolated_stack::{ACCOUNT_SID, IsolatedStack, TOKEN},
    operator::{new_id, new_number, notification, sandbox, sent_to, until, wa, wa_reading},
};

/// The scopes that are paused.
fn paused(isolated: &IsolatedStack) -> Vec<String> {
    let listed = isolated.wa(&["pause", "list", "--output", "json"]).json();
    listed.as_array().unwrap().iter().map(|pause| pause["scope"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pause_of_each_scope_is_listed_until_resumed() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    assert_eq!(isolated.wa(&["pause"]).done(), "nothing is paused\n");
    let scopes = ["all", ACCOUNT_SID, "marketing", "MG00000000000000000000000000000001", "whatsapp:+14155238886"];
    let ran = isolated.wa(&[&["pause"], &scopes[..], &["--reason", "wrong price"]].concat()).done();
    assert_eq!(ran.lines().count(), scopes.len(), "{ran}");
    assert!(ran.contains("marketing: paused.") && ran.contains("`wa resume marketing`"), "{ran}");
    let mut listed = paused(&isolated);
    listed.sort_unstable();
    let mut expected = scopes;
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let shown = isolated.wa(&["pause", "list"]).done();
    assert!(shown.contains("wrong price") && shown.contains("arn:aws:"), "{shown}");

    let resumed = isolated.wa(&["resume", "all", "marketing", "whatsapp:+14155238886"]);
    assert!(resumed.stderr.contains(&format!("still paused: the account {ACCOUNT_SID}")), "{resumed:?}");
    assert!(resumed.done().contains("marketing: resumed after"));
    assert_eq!(paused(&isolated).len(), 2);
}

#[test]
fn second_pause_keeps_who_and_why_of_the_first() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    isolated.wa(&["pause", "all", "--reason", "first"]).done();
    let again = isolated.wa(&["pause", "all", "--reason", "second"]).done();
    assert!(again.starts_with("unchanged: everything is paused since") && again.contains("first"), "{again}");
    let listed = isolated.wa(&["pause", "--output", "json"]).json();
    assert_eq!(listed[0]["reason"], "first");
}

#[test]
fn resume_of_what_is_not_paused_is_not_found() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    isolated.wa(&["pause", "utility"]).done();
    let failed = isolated.wa(&["resume", "marketing", "utility"]);
    assert!(failed.stdout.contains("utility: resumed"), "{failed:?}");
    assert!(failed.failed(3).contains("not paused: marketing"));
    assert_eq!(paused(&isolated), Vec::<String>::new());
}

#[test]
fn failures_of_a_resumed_sender_are_forgotten() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let sender = "whatsapp:+14155238886";
    let failed = RouteResults { attempts: 1, failures: 1 };
    isolated.route_results(sender, failed);
    assert_eq!(isolated.route_results(sender, failed).failures, 2);
    isolated.wa(&["pause", sender]).done();
    isolated.wa(&["resume", sender]).done();
    assert_eq!(isolated.route_results(sender, failed), failed, "the count begins again");
}

#[test]
fn text_that_is_no_scope_is_wrong_usage() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    assert!(isolated.wa(&["pause", "everything"]).failed(2).contains("expected all, an account (AC...)"));
    assert!(isolated.wa(&["resume"]).failed(2).contains("SCOPE"));
    isolated.wa(&["pause", "--reason", "no scope"]).failed(2);
    assert_eq!(paused(&isolated), Vec::<String>::new());
}

#[test]
fn doctor_shows_a_pause_and_how_to_end_it() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    isolated.wa(&["pause", "authentication", "--reason", "toll fraud"]).done();
    let ran = isolated.wa(&["doctor", "--output", "json"]);
    let findings: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = findings.as_array().unwrap().iter().find(|found| found["check"] == "pauses").unwrap();
    assert_eq!(found["finding"], "warning");
    assert!(found["what"].as_str().unwrap().contains("authentication is paused since"), "{found}");
    assert!(found["what"].as_str().unwrap().ends_with(": toll fraud"), "{found}");
    assert!(found["fix"].as_str().unwrap().contains("`wa resume authentication`"), "{found}");
}

/// On the stack that the tests share, so only a sender is paused that no other test uses.
#[test]
fn notification_of_a_paused_sender_is_sent_once_after_it() {
    let (sender, person, id) = (format!("whatsapp:{}", new_number()), new_number(), new_id("paused"));
    sandbox(reqwest::Method::POST, "/sandbox/senders", &json!({"address": sender}));
    wa(&["pause", &sender, "--reason", "a test"]).done();
    let mut order = notification(&id, &person);
    order["from"] = json!(sender);
    wa_reading(&["send", "--file", "-"], &order.to_string()).done();
    until("a notification that waits", || {
        let ran = wa(&["notifications", "show", &id, "--output", "json"]);
        let shown: Value = serde_json::from_str(&ran.stdout).ok()?;
        (shown["waits_for"] == "pause").then_some(())
    });
    assert_eq!(sent_to(&person), Vec::<Value>::new());
    wa(&["resume", &sender]).done();
    until("the message", || (sent_to(&person).len() == 1).then_some(()));
}
