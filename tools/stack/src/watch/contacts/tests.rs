use sandbox::EntryCause;
use serde_json::{Value, json};

use super::*;
use crate::watch::tests::change;

const SID: &str = "SM0000000000000000000000000000beef";
const AT: &str = "2026-11-20T09:00:00.000Z";

fn contact(address: &str, facet: &str, fields: &Value) -> Value {
    let mut item = json!({"contact": format!("AC00000000000000000000000000000001#{address}"), "facet": facet});
    item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    item
}

fn person(fields: &Value) -> Value {
    contact("+14155550123", "person", fields)
}

fn said(preference: &str, channel: &str, scopes: &Value, message_sid: Option<&str>) -> Value {
    let change = json!({
        "event_id": "e", "preference": preference, "channel": channel, "identity": "+14155550123",
        "scopes": scopes, "message_sid": message_sid, "at": AT,
    });
    json!({"version": 1, "last_change": "preference", "preference_change": change})
}

fn events_of(change: &ItemChange) -> Vec<TimelineEvent> {
    timeline_events(change, &ReceivedMessages::default())
}

fn check(cases: Vec<(&str, Value, TimelineOutcome, &str)>) {
    for (facet, fields, outcome, summary) in cases {
        let entries = events_of(&change(None, &contact("+14155550123", facet, &fields)));
        let [entry] = entries.try_into().unwrap_or_else(|entries| panic!("{summary}: {entries:?}"));
        assert_eq!(entry.summary, format!("Contacts: {summary}"));
        assert_eq!(entry.outcome, outcome, "{facet}");
        assert_eq!(entry.details["change"], "appeared");
        let sms = summary.ends_with("on sms");
        assert_eq!(entry.person.unwrap(), if sms { "+14155550123" } else { "whatsapp:+14155550123" }, "{facet}");
    }
}

#[test]
fn changed_preference_has_a_summary() {
    let sender = json!([{"sender": "whatsapp:+14155238886"}]);
    let stop = said("opted_out", "whatsapp", &json!(["all"]), Some(SID));
    let history = stop["preference_change"].clone();
    check(vec![
        ("person", stop, TimelineOutcome::Refused, "+14155550123 opted out by SM...00beef: all messages on whatsapp"),
        (
            "person",
            said("opted_in", "whatsapp", &json!(["all"]), None),
            TimelineOutcome::Good,
            "+14155550123 opted in: all messages on whatsapp",
        ),
        (
            "person",
            said("opted_in", "sms", &json!(["marketing"]), None),
            TimelineOutcome::Good,
            "+14155550123 opted in: marketing on sms",
        ),
        (
            "person",
            said("opted_out", "whatsapp", &sender, Some(SID)),
            TimelineOutcome::Refused,
            "+14155550123 opted out by SM...00beef: messages of whatsapp:+14155238886 on whatsapp",
        ),
        (
            "history#SM0000000000000000000000000000beef",
            history,
            TimelineOutcome::Neutral,
            "STOP SM...00beef stored in the history of +14155550123",
        ),
    ]);
}

#[test]
fn window_consent_and_count_have_a_summary() {
    let given = json!({"category": "marketing", "state": "given", "at": AT, "evidence": "x"});
    let evidence = json!({"category": "marketing", "state": "given", "at": AT, "source": "form", "recorded_at": AT});
    check(vec![
        (
            "person",
            json!({"window#whatsapp:+14155238886": AT}),
            TimelineOutcome::Good,
            "service window of +14155550123 opened, until 2026-11-21 09:00 UTC",
        ),
        (
            "person",
            json!({"consent#marketing": given}),
            TimelineOutcome::Neutral,
            "consent of +14155550123 for marketing is given",
        ),
        (
            "consent#marketing#2026#a",
            evidence,
            TimelineOutcome::Neutral,
            "evidence stored that consent of +14155550123 for marketing was given (form)",
        ),
        (
            "person",
            json!({"marketing_sent": {"order-1": AT}}),
            TimelineOutcome::Neutral,
            "a marketing message to +14155550123 counted",
        ),
    ]);
}

fn summaries(before: Option<&Value>, now: &Value) -> Vec<String> {
    events_of(&change(before, now)).into_iter().map(|entry| entry.summary).collect()
}

#[test]
fn unchanged_contact_state_is_shown_as_a_repetition() {
    let wrote = |at: &str| person(&json!({"version": 1, "window#whatsapp:+14155238886": at}));
    for (before, verb) in [("2026-11-20T08:00:00Z", "extended"), ("2026-11-18T08:00:00Z", "opened")] {
        let expected = format!("Contacts: service window of +14155550123 {verb}, until 2026-11-21 09:00 UTC");
        assert_eq!(summaries(Some(&wrote(before)), &wrote(AT)), [expected]);
    }
    let mut stopped = said("opted_out", "whatsapp", &json!(["all"]), None);
    stopped["stop#whatsapp"] = json!({"preference": "opted_out", "changed_at": AT});
    let stopped = person(&stopped);
    let expected = "Contacts: +14155550123 opted out again: all messages on whatsapp";
    assert_eq!(summaries(Some(&stopped), &stopped), [expected]);
}

#[test]
fn each_change_of_one_write_has_an_entry() {
    let given = json!({"category": "marketing", "state": "given", "at": "2026-11-20T08:00:00Z", "evidence": "x"});
    let before = person(&json!({"version": 1, "consent#marketing": given}));
    let mut now = said("opted_out", "whatsapp", &json!(["all"]), Some(SID));
    now["stop#whatsapp"] = json!({"preference": "opted_out", "changed_at": AT, "message_sid": SID});
    now["last_stop_at"] = json!(AT);
    now["consent#marketing"] = given;
    now["window#whatsapp:+14155238886"] = json!(AT);
    now["window#whatsapp:MG00000000000000000000000000000001"] = json!(AT);
    let expected = [
        "Contacts: +14155550123 opted out by SM...00beef: all messages on whatsapp",
        "Contacts: service window of +14155550123 opened, until 2026-11-21 09:00 UTC",
        "Contacts: consent of +14155550123 for marketing is withdrawn",
    ];
    assert_eq!(summaries(Some(&before), &person(&now)), expected);
}

/// A message of Ava that the Messages table got at `AT`.
fn received(from: &str, fields: &Value) -> ReceivedMessages {
    let mut item = json!({
        "message_sid": SID, "event": "inbound", "expires_at": 1, "received_at": AT,
        "account_sid": "AC00000000000000000000000000000001",
        "raw": {"From": from, "To": "whatsapp:+14155238886", "ExternalUserId": "whatsapp:US.1"},
    });
    item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut received = ReceivedMessages::default();
    received.note(&change(None, &item));
    received
}

#[test]
fn window_belongs_to_the_message_that_opened_it() {
    let window = |at: &str| person(&json!({"version": 1, "window#whatsapp:+14155238886": at}));
    let of = |now: &Value, received: &ReceivedMessages| {
        let [entry] = timeline_events(&change(None, now), received).try_into().unwrap();
        (entry.message_sid, entry.cause, entry.at)
    };
    let by_number = received("whatsapp:+14155550123", &json!({}));
    let caused = (Some(SID.to_owned()), Some(EntryCause::webhook(SID)), AT.parse().ok());
    assert_eq!(of(&window(AT), &by_number), caused);
    let found = received("whatsapp:+14155550123", &json!({"source": "reconcile"}));
    assert_eq!(of(&window(AT), &found), (caused.0, caused.1, None));
    let nothing = (None, None, None);
    assert_eq!(of(&window("2026-11-20T09:00:00.001Z"), &by_number), nothing);
    assert_eq!(of(&window(AT), &received("whatsapp:+14155550124", &json!({}))), nothing);
}

#[test]
fn stop_is_the_cause_of_all_that_its_write_changes() {
    let given = json!({"category": "marketing", "state": "given", "at": "2026-11-20T08:00:00Z", "evidence": "x"});
    let before = person(&json!({"version": 1, "consent#marketing": given}));
    let mut now = said("opted_out", "whatsapp", &json!(["all"]), Some(SID));
    now["last_stop_at"] = json!(AT);
    now["consent#marketing"] = given;
    now["window#whatsapp:+14155238886"] = json!(AT);
    let history = contact("+14155550123", "history#1", &now["preference_change"]);
    let mut entries = events_of(&change(Some(&before), &person(&now)));
    entries.extend(events_of(&change(None, &history)));
    assert_eq!(entries.len(), 4);
    for entry in entries {
        let of = (entry.message_sid.as_deref(), entry.cause, entry.at);
        assert_eq!(of, (Some(SID), Some(EntryCause::webhook(SID)), AT.parse().ok()), "{}", entry.summary);
    }
}

#[test]
fn change_without_a_message_has_a_cause_of_its_own() {
    let cause = |facet: &str, fields: &Value| {
        let [entry] = events_of(&change(None, &contact("+14155550123", facet, fields))).try_into().unwrap();
        entry.cause.unwrap()
    };
    let asked = said("opted_out", "whatsapp", &json!(["all"]), None);
    let history = asked["preference_change"].clone();
    assert_eq!(cause("person", &asked), EntryCause::contact_change("e"));
    assert_eq!(cause("history#1", &history), EntryCause::contact_change("e"));
    let facet = "consent#marketing#2026#a";
    let given = json!({"category": "marketing", "state": "given", "at": AT, "evidence": facet});
    let evidence = json!({"category": "marketing", "state": "given", "at": AT, "source": "form", "recorded_at": AT});
    assert_eq!(cause("person", &json!({"consent#marketing": given})), EntryCause::contact_change(facet));
    assert_eq!(cause(facet, &evidence), EntryCause::contact_change(facet));
    let counted = json!({"marketing_sent": {"order-1": AT}});
    assert_eq!(cause("person", &counted), EntryCause::notification("order-1"));
}

#[test]
fn only_a_new_link_of_the_home_has_an_entry() {
    // A set of strings is a list in the JSON of the tests.
    let linked = |aliases: &[&str]| {
        let mut change = change(None, &person(&json!({"version": 1})));
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        change.new.insert("aliases".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Ss(aliases));
        change.new
    };
    let mut both = ItemChange { old: None, new: linked(&["US.1"]), sequence_number: String::new() };
    let entries = events_of(&both);
    let summaries: Vec<_> = entries.iter().map(|entry| entry.summary.as_str()).collect();
    assert_eq!(summaries, ["Contacts: +14155550123 and US.1 are one person"]);
    both.old = Some(linked(&["US.1"]));
    assert_eq!(events_of(&both), []);
    let alias = contact("US.1", "person", &json!({"home": "+14155550123", "version": 1, "linked_at": AT}));
    assert_eq!(events_of(&change(None, &alias)), []);
    assert_eq!(events_of(&change(None, &contact("US.1", "something#new", &json!({})))), []);
}
