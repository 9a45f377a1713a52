use domain::templates::{RegisteredTemplate, UpdatedField};
use serde_json::json;

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn template(number: u8) -> RegisteredTemplate {
    let at = at(0).to_string();
    let template = json!({"sid": format!("HX{number:032}"), "status": "approved", "status_at": at, "registered_at": at,
                          "shape": {}});
    serde_json::from_value(template).unwrap()
}

fn stored(number: u8) -> KnownTemplate {
    KnownTemplate::Stored(Box::new(StoredTemplate { template: template(number), revision: 7 }))
}

fn update(number: u8, status: &str, seconds: i64) -> TemplateUpdate {
    let sid = format!("HX{number:032}").parse().unwrap();
    TemplateUpdate { sid, field: UpdatedField::Status, value: status.to_owned(), at: at(seconds) }
}

/// The status after these updates, with the revision that the write expects.
fn written(known: &KnownTemplate, updates: &[TemplateUpdate], synced_at: Option<i64>) -> Option<(String, Option<i64>)> {
    let updates: Vec<_> = updates.iter().collect();
    match change(known, &updates, synced_at.map(at))? {
        TemplateChange::Put { template, seen } => Some((template.status.to_string(), seen)),
        TemplateChange::Remove { .. } => panic!("an update removes nothing"),
    }
}

#[test]
fn updates_of_a_template_are_written_together() {
    let updates =
        [update(1, "paused", 10), update(2, "disabled", 15), update(1, "approved", 20), update(1, "paused", 30)];
    assert_eq!(written(&stored(1), &updates, None), Some(("paused".to_owned(), Some(7))));
    assert_eq!(written(&stored(2), &updates, None), Some(("disabled".to_owned(), Some(7))));
    let reversed: Vec<_> = updates.into_iter().rev().collect();
    assert_eq!(written(&stored(1), &reversed, None), Some(("paused".to_owned(), Some(7))), "their times count");
}

#[test]
fn update_that_says_nothing_new_writes_nothing() {
    assert_eq!(written(&stored(1), &[update(1, "paused", -10)], None), None, "older than what is stored");
    assert_eq!(written(&stored(1), &[update(1, "paused", 10)], Some(100)), None, "a later list knows better");
    assert_eq!(written(&stored(3), &[update(1, "paused", 10)], None), None, "another template");
}

#[test]
fn template_that_was_not_known_is_written_as_twilio_has_it() {
    let new = || KnownTemplate::New { template: Box::new(template(1)), seen: None };
    assert_eq!(written(&new(), &[update(1, "paused", 10)], Some(1_000)), Some(("paused".to_owned(), None)));
    assert_eq!(written(&new(), &[update(1, "paused", -10)], None), Some(("approved".to_owned(), None)));
    let unreadable = KnownTemplate::New { template: Box::new(template(1)), seen: Some(3) };
    assert_eq!(written(&unreadable, &[update(1, "paused", 10)], Some(1_000)), Some(("paused".to_owned(), Some(3))));
}

#[test]
fn event_that_is_no_update_is_in_the_log() {
    let account_sid: AccountSid = ACCOUNT.parse().unwrap();
    let updated = StreamedEvent::Update(update(1, "paused", 0));
    assert!(update_in(&account_sid, &updated).is_some());
    for event in [
        StreamedEvent::Notice { sid: None, kind: "direct_send_category_notice".to_owned() },
        StreamedEvent::Unreadable { field: "data.type" },
        StreamedEvent::Other,
    ] {
        assert!(update_in(&account_sid, &event).is_none());
    }
}
