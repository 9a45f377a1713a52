use std::collections::{BTreeMap, BTreeSet};

use domain::preference::Preference;
use proptest::{prelude::*, sample::select};
use schemas::Schemas;
use serde_json::{Value, json};
use shared::queues::MessageBody;
use stores::contacts::RecordedConsent;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::TrustedForm};

use super::*;
use crate::{record::ChangedConsent, test_data::stored_notification};

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
            "outcome": "rejected", "reason": text, "external_id": text,
            "content_sid": "HX00000000000000000000000000000001", "passed_over": [{"route": 0, "reason": text}]
        }]
    }))
}

fn media(outcome: &Value) -> Event {
    let media = json!({
        "event": "media#0", "account_sid": ACCOUNT_SID, "message_sid": MESSAGE_SID, "index": 0, "person": "AC1#+14155550123",
        "from": "whatsapp:+14155550123", "to": "whatsapp:+14155238886", "decided_at": "2026-11-20T09:00:03Z",
        "expires_at": 1_795_000_000, "claimed_content_type": "text/vcard", "outcome": outcome,
    });
    Event::media(serde_json::from_value(media).unwrap())
}

/// What became of two files of a message.
fn media_events(text: &str) -> [Event; 2] {
    let card = json!({"name": text, "organization": null, "phones": [{"number": text, "kind": null, "wa_id": text}], "emails": [text]});
    let stored = json!({
        "key": format!("inbound/{ACCOUNT_SID}/{MESSAGE_SID}/0"), "content_type": "text/vcard", "bytes": 62,
        "sha256": "0".repeat(64), "contacts": [card],
    });
    let failed = json!({"reason": "type_mismatch", "detail": text, "content_type": text});
    [media(&json!({ "stored": stored })), media(&json!({ "failed": failed }))]
}

fn email(text: &str, notification: Option<StoredNotification>) -> Event {
    let of = (ACCOUNT_SID.parse().unwrap(), "order-1".to_owned().try_into().unwrap(), 1);
    let (occurred_at, received_at) = ("2026-11-20T09:00:00Z".parse().unwrap(), "2026-11-20T09:00:05Z".parse().unwrap());
    let retention = domain::limits::Retention::default();
    let mut reported = StoredEmailEvent::new(of, EmailStatus::Bounced, occurred_at, received_at, retention);
    let text = Some(text.to_owned());
    (reported.email_id, reported.reason, reported.server_answer) = (text.clone(), text.clone(), text);
    Event::email(reported, notification)
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

fn consent(text: &str) -> Event {
    let evidence = json!({
        "category": "marketing", "state": "given", "at": "2026-11-20T09:00:00Z", "source": text, "text": text,
        "text_version": text, "locale": text, "user_agent": text, "recorded_at": "2026-11-20T09:00:00Z", "recorded_by": text,
    });
    let recorded = RecordedConsent {
        contact: ContactKey::stored(&format!("{ACCOUNT_SID}#+14155550123")),
        facet: "consent#marketing#2026-11-20T09:00:00.000Z#1".to_owned(),
        evidence: serde_json::from_value(evidence).unwrap(),
    };
    Event::consent(ChangedConsent { account_sid: ACCOUNT_SID.parse().unwrap(), recorded })
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
    events.push(consent(text));
    events.extend(media_events(text));
    events.extend([email(text, None), email(text, Some(notification("failed", text)))]);
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
        prop_assert_eq!(types.len(), 11);
        let inbound = &types["twilio_inbound"];
        prop_assert_eq!(&inbound["body"], &json!(text));
        prop_assert_eq!(&inbound["profile_name"], &json!(text));
        prop_assert_eq!(&types["notification_failed"]["reason"], &json!(text));
        prop_assert_eq!(&types["media_stored"]["contacts"][0]["name"], &json!(text));
        prop_assert_eq!(&types["email_status"]["server_answer"], &json!(text));
        let raw = &types["twilio_unknown"]["raw"];
        prop_assert_eq!(&raw["Body"], &json!(text));
        prop_assert_eq!(raw, &inbound["raw"]);
    }
}

/// Whatever a person or another system writes, and whichever of the optional fields an event has.
#[test]
fn every_event_is_valid_by_its_schema() {
    let schemas = Schemas::read();
    let mut seen = BTreeSet::new();
    for text in ["order-1", "größe 👋", "\u{ffff}\0"] {
        let mut events = events(text);
        let mut written = changed_preference(Preference::OptedIn, text);
        let change = &mut written.change;
        (change.code, change.reason, change.recorded_by, change.scope) = (None, None, None, None);
        change.message_sid = MESSAGE_SID.parse().ok();
        events.push(Event::preference(written));
        for event in events {
            let mut event = json_of(&event);
            if event["scope"] == text {
                // The domain has three scopes, and the test any text.
                event["scope"] = json!("marketing");
            }
            assert_eq!(schemas.problems_of_event(&event), [""; 0], "{event}");
            seen.insert(event["schema"].as_str().unwrap().to_owned());
        }
    }
    let known: BTreeSet<_> = schemas.names().filter(|name| *name != schemas::NOTIFICATION).map(str::to_owned).collect();
    assert_eq!(seen, known, "each schema of an event is that of an event");
}

/// What a person answers with a message that has more than a text.
#[test]
fn every_answer_of_a_person_is_valid_by_the_schema() {
    let order = r#"{"order": {"catalog_id": "7", "text": "please", "product_items": [
        {"product_retailer_id": "mug", "quantity": 2, "item_price": 9.5, "currency": "EUR"}, {"product_retailer_id": "cup"}]}}"#;
    let card = "BEGIN:VCARD\nFN:Ava\nTEL;waid=14155550123;type=CELL:+1 415\nTEL:2\nEMAIL:ava@example.com\nEND:VCARD";
    let reaction = r#"{"data": {"reaction": {"message_id": "wamid.1", "emoji": ""}}}"#;
    for (field, parameters) in [
        ("flow", vec![("FlowData", r#"{"size": "L", "gift": true, "rows": [{"n": 1.5}]}"#)]),
        ("order", vec![("InteractiveData", order)]),
        ("reaction", vec![("MessageType", "reaction"), ("Body", "👍"), ("OriginalRepliedMessageSid", "SM1")]),
        ("reaction", vec![("MessageType", "reaction"), ("Body", "")]),
        ("reaction", vec![("ChannelMetadata", reaction)]),
        ("contacts", vec![("Body", card)]),
        ("contacts", vec![("Body", "BEGIN:VCARD\nORG:Acme\nEND:VCARD")]),
    ] {
        let names = ["MessageSid", "AccountSid", "From", "To"];
        let values = [MESSAGE_SID, ACCOUNT_SID, "whatsapp:+14155550123", "whatsapp:+14155238886"];
        let pairs = names.into_iter().zip(values).chain(parameters.iter().copied());
        let form: Form = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let message = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
        let event = json_of(&Event::inbound(message, stored_message("inbound", &form, "order-1")));
        assert!(event.get(field).is_some(), "{field} {event}");
        assert_eq!(Schemas::read().problems_of_event(&event), [""; 0], "{event}");
    }
}

/// EventBridge refuses an event with a larger integer, and the person's app has chosen the number.
#[test]
fn event_has_no_integer_beyond_64_bits() {
    let order = r#"{"order": {"product_items": [{"product_retailer_id": "mug", "quantity": 18446744073709551615}]}}"#;
    let pairs = [
        ("MessageSid", MESSAGE_SID),
        ("AccountSid", ACCOUNT_SID),
        ("From", "whatsapp:+14155550123"),
        ("To", "whatsapp:+14155238886"),
        ("FlowData", r#"{"size": [18446744073709551615]}"#),
        ("InteractiveData", order),
    ];
    let form: Form = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let message = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
    let event = json_of(&Event::inbound(message, stored_message("inbound", &form, "order-1")));
    assert_eq!(event["flow"].to_string(), r#"{"size":[1.8446744073709552e+19]}"#);
    assert_eq!(event["order"]["items"][0]["quantity"], Value::Null);
    assert_eq!(event["flow_data"], pairs[4].1);
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
fn number_in_an_event_id_is_not_shown() {
    let mut changed = changed_preference(Preference::OptedOut, "x");
    changed.change.event_id = format!("{ACCOUNT_SID}#+14155550123#whatsapp#2026-11-20T09:00:00Z.contact_opted_out");
    let shown = format!("{:?}", Event::preference(changed));
    assert!(!shown.contains("4155550123"), "{shown}");
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

#[test]
fn email_event_names_its_notification_and_attempt() {
    let of = ("AC00000000000000000000000000000001".parse().unwrap(), "order-1".to_owned().try_into().unwrap(), 1);
    let (occurred_at, received_at) = ("2026-11-20T09:00:00Z".parse().unwrap(), "2026-11-20T09:00:05Z".parse().unwrap());
    let retention = domain::limits::Retention::default();
    let mut reported = StoredEmailEvent::new(of, EmailStatus::Bounced, occurred_at, received_at, retention);
    reported.reason = Some("the e-mail bounced, status 5.1.1".to_owned());
    let event = Event::email(reported, None);
    let shown: serde_json::Value = serde_json::from_str(&event.to_json().unwrap()).unwrap();
    assert_eq!((&shown["event_type"], &shown["schema"]), (&json!("email_status"), &json!("email.status.v1")));
    assert_eq!(shown["event_id"], "AC00000000000000000000000000000001#order-1#1.email_bounced");
    assert_eq!((&shown["status"], &shown["attempt"], &shown["to"]), (&json!("bounced"), &json!(1), &json!(null)));
    assert_eq!(shown["reason"], "the e-mail bounced, status 5.1.1");
    assert_eq!(shown["occurred_at"], "2026-11-20T09:00:00Z");
}

#[test]
fn event_has_the_trace_of_its_notification_or_message() {
    let (account_sid, message_sid) = (ACCOUNT_SID.parse().unwrap(), MESSAGE_SID.parse().unwrap());
    let of_message = TraceId::of_message(&account_sid, &message_sid);
    let id = "order-1".to_owned().try_into().unwrap();
    let of_notification = TraceId::of_notification(&account_sid, &id);
    let status = |notification_id: &str| {
        let form = form("");
        let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
        let stored = stored_message("status#failed", &form, notification_id);
        Event::status(callback, stored, [], None).trace_id
    };
    assert_eq!(status("order-1"), Some(of_notification.clone()));
    assert_eq!(status(""), Some(of_message.clone()), "a message of another system");
    assert_eq!(email("", None).trace_id, Some(of_notification));

    let mut stop = changed_preference(Preference::OptedOut, "");
    stop.change.message_sid = Some(message_sid);
    assert_eq!(Event::preference(stop).trace_id, None, "its code is about a notification that it does not name");
    let mut stop = changed_preference(Preference::OptedOut, "");
    (stop.change.message_sid, stop.change.code) = (Some(MESSAGE_SID.parse().unwrap()), None);
    assert_eq!(Event::preference(stop).trace_id, Some(of_message));
    assert_eq!(Event::unknown(stored_form(&form(""))).trace_id, None);
}
