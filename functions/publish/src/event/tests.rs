use std::collections::BTreeMap;

use domain::preference::Preference;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use shared::queues::MessageBody;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::TrustedForm};

use super::*;
use crate::test_data::stored_notification;

const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
const MESSAGE_SID: &str = "SM00000000000000000000000000000001";
/// The parameters whose values are any text.
const TEXT_PARAMETERS: &str = "Body ProfileName WaId ExternalUserId ParentExternalUserId MessageType ButtonText ButtonPayload ButtonType \
    ListId ListTitle InteractiveData FlowData ChannelMetadata Address Label ReferralBody ReferralHeadline \
    ReferralSourceId ReferralSourceType ReferralSourceUrl ReferralMediaUrl ReferralCtwaClid \
    OriginalRepliedMessageSid OriginalRepliedMessageSender MediaUrl0 MediaContentType0 ErrorMessage";

fn form(text: &str) -> Form {
    let known = [
        ("MessageSid", MESSAGE_SID),
        ("AccountSid", ACCOUNT_SID),
        ("From", "whatsapp:+14155550123"),
        ("To", "whatsapp:+14155238886"),
        ("NumMedia", "1"),
        ("Latitude", "37.78"),
        ("Longitude", "-122.39"),
        ("MessageStatus", "failed"),
        ("ErrorCode", "63016"),
    ];
    let texts = TEXT_PARAMETERS.split(' ').map(|name| (name, text));
    // A name that Twilio adds one day, twice, so that its value is a list.
    let unknown = [(text, text), (text, text)];
    let pairs = known.into_iter().chain(texts).chain(unknown);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn stored_message(happening: &str, form: &Form, text: &str) -> StoredMessage {
    let mut stored: StoredMessage = serde_json::from_value(json!({
        "message_sid": MESSAGE_SID, "event": happening, "account_sid": ACCOUNT_SID,
        "received_at": "2026-11-20T09:00:00Z", "expires_at": 1_795_000_000, "raw": {}
    }))
    .unwrap();
    stored.raw = form.to_raw();
    stored.notification_id = text.to_owned().try_into().ok();
    stored
}

pub(super) fn stored_form(form: &Form) -> StoredForm {
    let mut stored: StoredForm = serde_json::from_value(json!({
        "event": "unknown", "account_sid": ACCOUNT_SID, "received_at": "2026-11-20T09:00:00Z",
        "expires_at": 1_795_000_000, "path": "/twilio/inbound", "raw": {}, "unreadable_parameters": ["MessageSid"]
    }))
    .unwrap();
    stored.raw = form.to_raw();
    stored
}

pub(super) fn notification(outcome: &str, text: &str) -> StoredNotification {
    let id: String = text.chars().filter(|character| !character.is_control()).take(127).chain(['1']).collect();
    let state = if outcome == "failed" { "accepted" } else { outcome };
    stored_notification(&json!({
        "id": id, "state": state, "outcome": outcome, "metadata": {text: text}, "reason": text,
        "attempts": [{
            "route": 0, "claimed_at": "2026-11-20T09:00:00Z", "at": "2026-11-20T09:00:00Z", "channel": "whatsapp",
            "outcome": "rejected", "reason": text
        }]
    }))
}

pub(super) fn changed_preference(preference: Preference, text: &str) -> ChangedPreference {
    let change = json!({
        "event_id": text, "preference": preference, "channel": text, "identity": text, "scopes": ["all"],
        "at": "2026-11-20T09:00:00Z", "reason": text, "recorded_by": text, "scope": text, "code": 21610
    });
    ChangedPreference {
        account_sid: ACCOUNT_SID.parse().unwrap(),
        home: ContactKey::stored(&format!("{ACCOUNT_SID}#+14155550123")),
        change: serde_json::from_value(change).unwrap(),
    }
}

/// An event of each kind, with this text wherever an event has a text of others.
fn events(text: &str) -> Vec<Event> {
    let form = form(text);
    let inbound = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
    let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
    let preferences = [Preference::OptedOut, Preference::OptedIn];
    let mut events: Vec<_> =
        preferences.map(|preference| Event::preference(changed_preference(preference, text))).into();
    events.push(Event::inbound(inbound, stored_message("inbound", &form, text)));
    let status = stored_message("status#failed", &form, text);
    events.push(Event::status(callback, status, [MessageStatus::Failed], Some(notification("failed", text))));
    events.push(Event::unknown(stored_form(&form)));
    let outcomes = ["rejected", "suppressed", "expired", "cancelled", "unknown", "failed"];
    events.extend(outcomes.into_iter().filter_map(|outcome| Event::notification(notification(outcome, text))));
    events
}

fn any_text() -> impl Strategy<Value = String> {
    let odd = select(vec!['\u{fffe}', '\u{ffff}', '\0', '\u{1f}', '\u{7f}', '\\', '"', 'u', '\u{fffd}', '\u{1ffff}']);
    prop::collection::vec(prop_oneof![odd, any::<char>()], 1..12).prop_map(String::from_iter)
}

/// Source: Amazon SQS API Reference, "`SendMessage`".
pub(super) fn is_accepted_by_sqs(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

proptest! {
    #[test]
    fn every_event_with_any_text_is_accepted_and_reads_back_equal(text in any_text()) {
        let mut types = BTreeMap::new();
        for event in events(&text) {
            let json = event.to_json().unwrap();
            let body = MessageBody::json(json.as_str());
            prop_assert!(body.as_str().chars().all(is_accepted_by_sqs));
            let read: Value = serde_json::from_str(body.as_str()).unwrap();
            prop_assert_eq!(&read, &serde_json::from_str::<Value>(&json).unwrap());
            types.insert(read["event_type"].as_str().unwrap().to_owned(), read);
        }
        prop_assert_eq!(types.len(), 7);
        let inbound = &types["twilio_inbound"];
        prop_assert_eq!(&inbound["body"], &json!(text));
        prop_assert_eq!(&inbound["profile_name"], &json!(text));
        prop_assert_eq!(&types["notification_failed"]["reason"], &json!(text));
        let raw = &types["twilio_unknown"]["raw"];
        prop_assert_eq!(&raw["Body"], &json!(text));
        prop_assert_eq!(raw, &inbound["raw"]);
    }
}

fn json_of(event: &Event) -> Value {
    serde_json::from_str(&event.to_json().unwrap()).unwrap()
}

fn sequence_of(event: &Event) -> String {
    json_of(event)["sequence"].as_str().unwrap().to_owned()
}

#[test]
fn the_sequence_of_an_event_is_its_time_and_its_message() {
    let form = form("Hello");
    let inbound = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
    let event = Event::inbound(inbound, stored_message("inbound", &form, "order-1"));
    assert_eq!(sequence_of(&event), format!("2026-11-20T09:00:00.000000Z#{MESSAGE_SID}"));
}

#[test]
fn an_opt_out_sorts_after_the_message_that_it_follows_from() {
    let form = form("STOP");
    let inbound = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
    let message = Event::inbound(inbound, stored_message("inbound", &form, "order-1"));
    let mut changed = changed_preference(Preference::OptedOut, "x");
    changed.change.message_sid = Some(MESSAGE_SID.parse().unwrap());
    let opt_out = sequence_of(&Event::preference(changed));
    assert!(opt_out > sequence_of(&message), "{opt_out}");
    for status in ["canceled", "failed", "undelivered"] {
        let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
        let callback_of = |status: &str| {
            let mut callback = callback.clone();
            callback.status = status.parse().unwrap();
            callback
        };
        let reported = Event::status(callback_of(status), stored_message("status#failed", &form, "order-1"), [], None);
        assert!(opt_out > sequence_of(&reported), "{opt_out} {status}");
    }
}

#[test]
fn sequences_with_and_without_a_fraction_sort_by_time() {
    let at = |text: &str| sequence(text.parse().unwrap(), MESSAGE_SID);
    let times =
        ["2026-11-20T08:59:59.999999Z", "2026-11-20T09:00:00Z", "2026-11-20T09:00:00.5Z", "2026-11-20T09:00:01Z"];
    assert!(times.map(at).is_sorted());
}

#[test]
fn a_message_that_failed_late_is_a_failed_notification() {
    let failed = json_of(&Event::notification(notification("failed", "order-1")).unwrap());
    assert_eq!(
        (failed["event_type"].as_str(), failed["state"].as_str(), failed["outcome"].as_str()),
        (Some("notification_failed"), Some("accepted"), Some("failed"))
    );
}

#[test]
fn requested_opt_out_says_who_requested_it_and_why() {
    let arn = "arn:aws:iam::123456789012:user/shop";
    let mut changed = changed_preference(Preference::OptedOut, "asked by letter");
    (changed.change.code, changed.change.recorded_by) = (None, Some(arn.to_owned()));
    let event = json_of(&Event::preference(changed));
    assert_eq!(
        (&event["origin"], &event["reason"], &event["recorded_by"]),
        (&json!("request"), &json!("asked by letter"), &json!(arn))
    );
    let reported = json_of(&Event::preference(changed_preference(Preference::OptedOut, "x")));
    assert_eq!(reported["origin"], "error_code");
    let mut written = changed_preference(Preference::OptedOut, "x");
    (written.change.code, written.change.message_sid) = (None, MESSAGE_SID.parse().ok());
    assert_eq!(json_of(&Event::preference(written))["origin"], "message");
}

#[test]
fn changes_of_one_person_are_one_message_group() {
    let groups = ["+14155550123", "US.13491208655302741918"].map(|identity| {
        let mut changed = changed_preference(Preference::OptedOut, "x");
        changed.change.identity = identity.to_owned();
        let event = Event::preference(changed);
        assert_eq!(json_of(&event)["contact"], identity);
        event.group().to_owned()
    });
    assert_eq!(groups[0], groups[1]);
}

#[test]
fn unknown_status_is_published_and_changes_no_current_status() {
    let form = Form::parse(
        format!("MessageSid={MESSAGE_SID}&AccountSid={ACCOUNT_SID}&MessageStatus=expired&ErrorCode=x").as_bytes(),
    );
    let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
    for (reported, current) in [(vec![], Value::Null), (vec![MessageStatus::Sent], json!("sent"))] {
        let stored = stored_message("status#expired", &form, "order-1");
        let event = json_of(&Event::status(callback.clone(), stored, reported, None));
        assert_eq!((&event["status"], &event["current_status"]), (&json!("expired"), &current));
        assert_eq!(event["event_id"], format!("{MESSAGE_SID}.expired"));
        assert_eq!(event["unreadable_parameters"], json!(["MessageStatus", "ErrorCode"]));
    }
}

#[test]
fn status_without_a_recipient_is_in_a_group_of_its_account() {
    let group = |account: &str| {
        let form = Form::parse(format!("MessageSid={MESSAGE_SID}&AccountSid={account}&MessageStatus=sent").as_bytes());
        let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
        Event::status(callback, stored_message("status#sent", &form, "order-1"), [], None).group().to_owned()
    };
    // The queue drops a repetition within a group, and SIDs of two accounts may be the same.
    assert_ne!(group(ACCOUNT_SID), group("AC00000000000000000000000000000002"));
}

#[test]
fn form_that_is_not_understood_is_an_event_of_its_account() {
    let form = Form::parse(format!("AccountSid={ACCOUNT_SID}&EventType=x&=nameless").as_bytes());
    let event = Event::unknown(stored_form(&form));
    assert_eq!(event.group(), ACCOUNT_SID);
    let json = json_of(&event);
    assert_eq!((&json["event_type"], &json["schema"]), (&json!("twilio_unknown"), &json!("twilio.unknown.v1")));
    assert_eq!(json["raw"], json!({"": "nameless", "AccountSid": ACCOUNT_SID, "EventType": "x"}));
    assert_eq!((&json["path"], &json["unreadable_parameters"]), (&json!("/twilio/inbound"), &json!(["MessageSid"])));
    assert_eq!(json["event_id"].as_str().unwrap().len(), "form.".len() + 64);
}
