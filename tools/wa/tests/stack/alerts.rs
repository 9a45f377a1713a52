//! `wa alerts`

use serde_json::Value;

use crate::isolated_stack::{IsolatedStack, TOKEN};

#[test]
fn a_failed_webhook_is_listed_and_shown_without_its_text() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    assert_eq!(isolated.wa(&["alerts", "--output", "json"]).json(), serde_json::json!([]));
    // The isolated stack has no such route.
    isolated.person_writes("Where is my order?");
    let listed = isolated.wa(&["alerts", "--own", "--code", "11200", "--output", "json"]).json();
    let alert = &listed[0];
    let expected: (Value, Value) = (11200.into(), 404.into());
    assert_eq!((&alert["code"], &alert["http"]), (&expected.0, &expected.1), "{listed}");
    assert_eq!(alert["request_url"], format!("{}/twilio/inbound", isolated.api_url));
    assert_eq!(isolated.wa(&["alerts", "--code", "11205", "--output", "json"]).json(), serde_json::json!([]));
    let table = isolated.wa(&["alerts"]).done();
    assert!(table.contains("HTTP retrieval failure"), "{table}");

    let sid = alert["sid"].as_str().unwrap();
    let shown = isolated.wa(&["alerts", sid]).done();
    assert!(shown.contains("request_variables") && shown.contains("MessageSid=SM"), "{shown}");
    assert!(!shown.contains("order"), "a text is shown where it is asked for: {shown}");
    let whole = isolated.wa(&["alerts", sid, "--bodies", "--output", "json"]).json();
    assert!(whole["request_variables"].as_str().unwrap().contains("Body=Where+is+my+order"), "{whole}");
    isolated.wa(&["alerts", "NO00000000000000000000000000000009"]).failed(3);
}

#[test]
fn alerts_older_than_twilio_keeps_are_refused() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let stderr = isolated.wa(&["alerts", "--since", "31d"]).failed(2);
    assert!(stderr.contains("Twilio keeps alerts for 30 days"), "{stderr}");
}
