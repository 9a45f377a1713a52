use serde_json::{Value, json};

use super::*;

const HOME: &str = "AC00000000000000000000000000000001#+14155550123";

fn overview(of: &str, items: &[Value]) -> Value {
    let items: Vec<Item> = items
        .iter()
        .map(|item| {
            let mut item = item.clone();
            if item.get("contact").is_none() {
                item["contact"] = json!(HOME);
            }
            serde_dynamo::to_item(item).unwrap()
        })
        .collect();
    let people = items.iter().filter(|item| text_in(item, "facet") == Some("person"));
    let stored = people.map(|item| PersonItem::read(item.clone()).unwrap()).find_map(|item| item.person().cloned());
    let stored = stored.unwrap_or_else(|| StoredPerson::new(ContactKey::stored(HOME)));
    let contact = ContactKey::stored(HOME).beside(of);
    serde_json::to_value(read(&contact, &stored, items).unwrap()).unwrap()
}

fn person(at: &str) -> Value {
    json!({
        "facet": "person", "version": 1, "aliases": ["US.1"], "last_stop_at": at,
        "window#whatsapp:+14155238886": at, "marketing_sent": {"a": at}, "pair#whatsapp:+14155238886": 5,
        "consent#marketing": {"category": "marketing", "state": "given", "at": "2026-11-19T09:00:00Z", "evidence": "x"},
        "stop#whatsapp": {"preference": "opted_out", "changed_at": at, "message_sid": "SM00000000000000000000000000000001"},
        "stop#whatsapp#marketing": {"preference": "opted_out", "changed_at": at, "message_sid": null},
        "stop#whatsapp#whatsapp:+14155238886": {"preference": "opted_in", "changed_at": at},
    })
}

/// The Contacts table holds a set of strings, which JSON has not.
fn with_aliases(mut item: Value) -> Value {
    item.as_object_mut().unwrap().remove("aliases");
    item
}

#[test]
fn person_is_shown_in_its_lists() {
    let at = "2026-11-20T09:00:00Z";
    let shown = overview("+14155550123", &[with_aliases(person(at))]);
    let sid = "SM00000000000000000000000000000001";
    assert_eq!(
        shown["suppressions"],
        json!([
            {"channel": "whatsapp", "scope": "all", "preference": "opted_out", "changed_at": at, "message_sid": sid},
            {"channel": "whatsapp", "scope": "marketing", "preference": "opted_out", "changed_at": at},
            {"channel": "whatsapp", "scope": {"sender": "whatsapp:+14155238886"}, "preference": "opted_in", "changed_at": at},
        ])
    );
    let window =
        json!({"sender": "whatsapp:+14155238886", "last_inbound_at": at, "open_until": "2026-11-21T09:00:00Z"});
    assert_eq!(shown["windows"], json!([window]));
    let current = &shown["consents"][0]["current"];
    assert_eq!((&current["state"], &current["at"]), (&json!("withdrawn"), &json!(at)), "ended by the STOP");
}

#[test]
fn evidence_of_all_identities_is_shown_with_the_stops() {
    let evidence = |contact: &str, at: &str, source: &str| {
        json!({"contact": contact, "facet": format!("consent#marketing#{at}#1"), "category": "marketing",
               "state": "given", "at": at, "source": source, "recorded_at": at})
    };
    let stop = json!({
        "facet": "history#SM00000000000000000000000000000001", "event_id": "e", "preference": "opted_out",
        "channel": "whatsapp", "identity": "+14155550123", "scopes": ["all"],
        "message_sid": "SM00000000000000000000000000000001", "at": "2026-11-20T09:00:00Z",
    });
    let by_id = "AC00000000000000000000000000000001#US.1";
    let shown = overview(
        "+14155550123",
        &[
            with_aliases(person("2026-11-20T09:00:00Z")),
            evidence(HOME, "2026-11-18T09:00:00.000Z", "form"),
            evidence(by_id, "2026-11-19T09:00:00.000Z", "chat"),
            stop,
        ],
    );
    let sources = shown["consents"][0]["evidence"].as_array().unwrap().iter().map(|one| one["source"].clone());
    let expected = ["opt-out by SM00000000000000000000000000000001", "chat", "form"];
    assert_eq!(sources.collect::<Vec<_>>(), expected, "the newest first");
    assert_eq!(shown["history"][0]["preference"], "opted_out");
}

#[test]
fn linked_identities_are_the_others() {
    let alias = json!({"contact": "AC00000000000000000000000000000001#US.1", "facet": "person", "version": 1,
                       "home": "+14155550123", "linked_at": "2026-11-20T09:00:00.000Z"});
    let item: Item = serde_dynamo::to_item(with_aliases(person("2026-11-20T09:00:00Z"))).unwrap();
    let mut item = item;
    item.insert("contact".to_owned(), crate::attribute::text(HOME));
    item.insert("aliases".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Ss(vec!["US.1".to_owned()]));
    let PersonItem::Person(stored) = PersonItem::read(item.clone()).unwrap() else { panic!("a person") };
    let items = vec![item, serde_dynamo::to_item(alias).unwrap()];
    for (of, other) in [("+14155550123", "US.1"), ("US.1", "+14155550123")] {
        let shown = read(&ContactKey::stored(HOME).beside(of), &stored, items.clone()).unwrap().linked;
        let linked_at = "2026-11-20T09:00:00Z".parse().unwrap();
        assert_eq!(shown, [LinkedIdentity { address: other.to_owned(), linked_at }], "{of}");
    }
}

#[test]
fn unknown_contact_has_empty_lists() {
    let empty = json!({"suppressions": [], "consents": [], "windows": [], "linked": [], "history": []});
    assert_eq!(overview("+14155550123", &[]), empty);
}
