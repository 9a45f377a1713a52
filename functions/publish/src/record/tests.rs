use domain::preference::Preference;
use serde_json::{Value, json};

use super::*;

fn record(name: &str, new: &Value, old: &Value) -> EventRecord {
    let record = json!({
        "awsRegion": "eu-west-1", "eventID": "1", "eventName": name,
        "dynamodb": {"Keys": {}, "NewImage": new, "OldImage": old, "SequenceNumber": "1", "SizeBytes": 1}
    });
    serde_json::from_value(record).unwrap()
}

fn message() -> Value {
    json!({
        "subject": {"S": "AC00000000000000000000000000000001#SM00000000000000000000000000000001"},
        "message_sid": {"S": "SM00000000000000000000000000000001"}, "event": {"S": "inbound"},
        "account_sid": {"S": "AC00000000000000000000000000000001"}, "received_at": {"S": "2026-11-20T09:00:00Z"},
        "expires_at": {"N": "1795000000"}, "raw": {"M": {"Body": {"S": "Hi"}, "A": {"L": [{"S": "1"}, {"S": "2"}]}}}
    })
}

fn notification(state: &str, outcome: Option<&str>) -> Value {
    let mut item = json!({
        "notification": {"S": "AC00000000000000000000000000000001#order-1"}, "id": {"S": "order-1"},
        "account_sid": {"S": "AC00000000000000000000000000000001"}, "state": {"S": state}, "digest": {"S": "d"},
        "recipient": {"NULL": true}, "category": {"NULL": true}, "metadata": {"M": {"order": {"S": "1"}}},
        "enqueued_at": {"S": "2026-11-20T08:59:00Z"}, "version": {"N": "3"},
        "updated_at": {"S": "2026-11-20T09:00:00Z"}, "expires_at": {"N": "1795000000"}, "code": {"N": "21211"},
        "attempts": {"L": [{"M": {
            "route": {"N": "0"}, "claimed_at": {"S": "2026-11-20T09:00:00Z"}, "at": {"S": "2026-11-20T09:00:00Z"},
            "channel": {"S": "whatsapp"}, "outcome": {"S": "rejected"}
        }}]}
    });
    if let Some(outcome) = outcome {
        item["outcome"] = json!({"S": outcome});
    }
    item
}

fn person(last_change: &str) -> Value {
    json!({
        "contact": {"S": "AC00000000000000000000000000000001#+14155550123"}, "facet": {"S": "person"},
        "version": {"N": "7"}, "last_change": {"S": last_change},
        "preference_change": {"M": {
            "event_id": {"S": "SM00000000000000000000000000000001.contact_opted_out"}, "preference": {"S": "opted_out"},
            "channel": {"S": "whatsapp"}, "identity": {"S": "US.13491208655302741918"}, "scopes": {"L": [{"S": "all"}]},
            "message_sid": {"S": "SM00000000000000000000000000000001"}, "at": {"S": "2026-11-20T09:00:00Z"}
        }}
    })
}

fn read(name: &str, new: &Value, old: &Value) -> Change {
    Change::read(record(name, new, old)).unwrap()
}

#[test]
fn a_file_of_a_message_is_read_as_such() {
    let stored = json!({"M": {"stored": {"M": {
        "key": {"S": "inbound/AC1/SM1/0"}, "content_type": {"S": "image/png"}, "bytes": {"N": "62"}, "sha256": {"S": "00"}
    }}}});
    let mut item = json!({
        "event": {"S": "media#0"}, "index": {"N": "0"}, "person": {"S": "AC1#+14155550123"}, "from": {"S": "+14155550123"},
        "to": {"S": "+14155238886"}, "decided_at": {"S": "2026-11-20T09:00:03Z"}, "outcome": stored
    });
    for field in ["subject", "message_sid", "account_sid", "expires_at"] {
        item[field] = message()[field].clone();
    }
    let Change::Media(media) = read("INSERT", &item, &json!({})) else { panic!() };
    assert_eq!((media.index, media.contact().as_str()), (0, "AC1#+14155550123"));
    assert!(matches!(read("MODIFY", &item, &json!({})), Change::Nothing), "it is published once");
}

#[test]
fn a_new_item_of_the_messages_table_is_a_message() {
    let Change::Message(message) = read("INSERT", &message(), &json!({})) else { panic!() };
    assert_eq!(message.raw.len(), 2);
}

#[test]
fn a_form_that_is_neither_message_nor_status_is_read() {
    let form = json!({
        "subject": {"S": "AC00000000000000000000000000000001#form#00"}, "event": {"S": "unknown"},
        "account_sid": {"S": "AC00000000000000000000000000000001"}, "received_at": {"S": "2026-11-20T09:00:00Z"},
        "expires_at": {"N": "1795000000"}, "path": {"S": "/twilio/status"},
        "raw": {"M": {"EventType": {"S": "x"}}}, "raw_more": {"L": [{"M": {"name": {"S": ""}, "value": {"S": "1"}}}]},
        "unreadable_parameters": {"L": [{"S": "MessageSid"}]}
    });
    let Change::UnknownForm(stored) = read("INSERT", &form, &json!({})) else { panic!() };
    assert_eq!((stored.path.as_str(), stored.raw.len()), ("/twilio/status", 2));
}

#[test]
fn a_notification_counts_when_its_outcome_has_changed() {
    let claimed = notification("claimed", None);
    let Change::Notification(found) = read("MODIFY", &notification("rejected", Some("rejected")), &claimed) else {
        panic!()
    };
    assert_eq!((found.subject.metadata["order"].as_str(), found.progress.attempts.len()), ("1", 1));
    let read = |new: Value, old: Value| read("MODIFY", &new, &old);
    assert!(matches!(read(notification("claimed", None), claimed.clone()), Change::Nothing));
    assert!(matches!(read(notification("suppressed", Some("suppressed")), json!({})), Change::Notification(_)));
    let rejected = || notification("rejected", Some("rejected"));
    assert!(matches!(read(rejected(), rejected()), Change::Nothing), "the same outcome, written again");
    let mut retried = rejected();
    retried["reopened_at"] = json!({"S": "2026-11-20T10:00:00Z"});
    assert!(matches!(read(retried.clone(), rejected()), Change::Notification(_)), "rejected again after a retry");
    assert!(matches!(read(retried.clone(), retried), Change::Nothing));
    let mut republished = rejected();
    republished["republished_at"] = json!({"S": "2026-11-20T10:00:00Z"});
    assert!(matches!(read(republished.clone(), rejected()), Change::Notification(_)), "published again");
    assert!(matches!(read(rejected(), republished), Change::Nothing), "the next write removes the mark");
}

#[test]
fn a_message_is_read_again_when_it_is_marked() {
    assert!(matches!(read("MODIFY", &message(), &json!({})), Change::Nothing), "another change");
    let mut marked = message();
    marked["republished_at"] = json!({"S": "2026-11-20T10:00:00Z"});
    assert!(matches!(read("MODIFY", &marked, &json!({})), Change::Message(_)));
}

#[test]
fn a_failure_after_acceptance_is_an_outcome_that_counts() {
    let accepted = notification("accepted", None);
    for outcome in ["failed", "undelivered"] {
        let failed = notification("accepted", Some(outcome));
        assert!(matches!(read("MODIFY", &failed, &accepted), Change::Notification(_)), "{outcome}");
    }
    for outcome in ["delivered", "read"] {
        let arrived = notification("accepted", Some(outcome));
        assert!(matches!(read("MODIFY", &arrived, &accepted), Change::Nothing), "{outcome}");
    }
}

#[test]
fn the_owner_of_a_message_is_nothing_to_publish() {
    let owner = json!({
        "notification": {"S": "message#AC00000000000000000000000000000001#SM00000000000000000000000000000001"},
        "owner": {"S": "order-1"}, "expires_at": {"N": "1795000000"}
    });
    assert!(matches!(read("INSERT", &owner, &json!({})), Change::Nothing));
}

#[test]
fn a_changed_preference_names_the_home_of_the_person() {
    let Change::Preference(changed) = read("MODIFY", &person("preference"), &person("preference")) else { panic!() };
    assert_eq!(changed.home.address(), "+14155550123");
    assert_eq!(changed.account_sid.as_str(), "AC00000000000000000000000000000001");
    assert_eq!(changed.change.identity, "US.13491208655302741918");
    assert_eq!(changed.change.preference, Preference::OptedOut);
}

#[test]
fn another_write_of_a_person_is_nothing_to_publish() {
    for last_change in ["message", "claim", "consent"] {
        let after = person(last_change);
        assert!(matches!(read("MODIFY", &after, &person("preference")), Change::Nothing), "{last_change}");
    }
}

#[test]
fn an_expired_item_is_no_event() {
    assert!(matches!(read("REMOVE", &json!({}), &message()), Change::Nothing));
}

#[test]
fn an_item_that_cannot_be_read_is_an_error_and_not_lost() {
    let mut broken = message();
    broken["event"] = json!({"S": "status#"});
    let mut nameless = person("preference");
    nameless["preference_change"] = json!({"M": {}});
    let mut unknown = notification("rejected", Some("rejected"));
    unknown["outcome"] = json!({"S": "lost"});
    for item in [broken, nameless, unknown] {
        assert!(Change::read(record("INSERT", &item, &json!({}))).is_err(), "{item}");
    }
}

#[test]
fn publish_is_invoked_for_every_outcome_that_is_an_event() {
    let template = include_str!("../../../../template.yaml");
    let pattern = template.lines().find(|line| line.contains(r#""outcome""#)).and_then(|line| line.split('\'').nth(1));
    let pattern: Value = serde_json::from_str(pattern.unwrap()).unwrap();
    let invoked: Vec<Outcome> =
        serde_json::from_value(pattern["dynamodb"]["NewImage"]["outcome"]["S"].clone()).unwrap();
    let all = "delivered read failed undelivered suppressed rejected expired cancelled unknown".split(' ');
    for outcome in all.map(|word| serde_json::from_value::<Outcome>(json!(word)).unwrap()) {
        let word = serde_json::to_value(outcome).unwrap();
        let image = notification("accepted", word.as_str());
        let is_event = !matches!(read("MODIFY", &image, &json!({})), Change::Nothing);
        assert_eq!(invoked.contains(&outcome), is_event, "{word}");
    }
}

#[test]
fn marker_of_an_erased_message_is_no_event() {
    let mut marker = message();
    marker["raw"] = json!({"M": {}});
    marker["erased_at"] = json!({"S": "2026-11-20T09:00:00Z"});
    assert!(matches!(read("INSERT", &marker, &json!({})), Change::Nothing));
}

fn evidence() -> Value {
    json!({
        "contact": {"S": "AC00000000000000000000000000000001#+14155550123"},
        "facet": {"S": "consent#marketing#2026-11-20T09:00:00.000Z#1"}, "category": {"S": "marketing"},
        "state": {"S": "withdrawn"}, "at": {"S": "2026-11-20T09:00:00Z"}, "source": {"S": "form"},
        "recorded_at": {"S": "2026-11-20T09:00:00Z"}
    })
}

#[test]
fn recorded_consent_is_read_once_and_when_it_is_marked() {
    let Change::Consent(changed) = read("INSERT", &evidence(), &json!({})) else { panic!() };
    assert_eq!(changed.recorded.contact.address(), "+14155550123");
    assert_eq!(changed.recorded.facet, "consent#marketing#2026-11-20T09:00:00.000Z#1");
    assert!(matches!(read("MODIFY", &evidence(), &json!({})), Change::Nothing));
    assert!(matches!(read("REMOVE", &json!({}), &evidence()), Change::Nothing), "an erasure is no event");
    let mut marked = evidence();
    marked["republished_at"] = json!({"S": "2026-11-20T10:00:00Z"});
    assert!(matches!(read("MODIFY", &marked, &evidence()), Change::Consent(_)));
}
