//! `wa notifications`

use crate::operator::{new_id, new_number, notification, wa, wa_reading};

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
fn an_unknown_notification_is_not_found() {
    let stderr = wa(&["notifications", "show", &new_id("unknown")]).failed(3);
    assert!(stderr.contains("there is no notification unknown-"), "{stderr}");
}
