use std::collections::BTreeMap;

use domain::preference::Preference;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use shared::queues::MessageBody;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::TrustedForm};

use super::*;

const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
const MESSAGE_SID: &str = "SM00000000000000000000000000000001";
/// The parameters whose values are any text.
const TEXT_PARAMETERS: &str = "Body ProfileName WaId ExternalUserId MessageType ButtonText ButtonPayload ButtonType \
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

fn stored_message(happening: &str, form: &Form, text: &str) -> StoredMessage {
    let mut stored: StoredMessage = serde_json::from_value(json!({
        "message_sid": MESSAGE_SID, "event": happening, "account_sid": ACCOUNT_SID,
        "received_at": "2026-11-20T09:00:00Z", "expires_at": 1_795_000_000, "raw": {}
    }))
    .unwrap();
    stored.raw = form.to_raw();
    stored.notification_id = text.to_owned().try_into().ok();
    stored
}

fn stored_notification(state: &str, text: &str) -> StoredNotification {
    let id: String = text.chars().filter(|character| !character.is_control()).chain(['1']).collect();
    serde_json::from_value(json!({
        "id": id, "account_sid": ACCOUNT_SID, "state": state, "digest": "d", "recipient": "+14155550123",
        "metadata": {text: text}, "reason": text, "updated_at": "2026-11-20T09:00:00Z", "expires_at": 1_795_000_000,
        "attempts": [{"at": "2026-11-20T09:00:00Z", "channel": text, "outcome": state, "reason": text}]
    }))
    .unwrap()
}

/// An event of each kind, with this text wherever an event has a text of others.
fn events(text: &str) -> Vec<Event> {
    let form = form(text);
    let inbound = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
    let callback = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
    let at = "2026-11-20T09:00:00Z".parse().unwrap();
    let account_sid = ACCOUNT_SID.parse().unwrap();
    let contact: ContactKey = ContactKey::of_sender(&inbound);
    let reported = ReportedOptOut {
        account_sid: &account_sid,
        contact: &contact,
        channel: text,
        is_marketing_only: false,
        code: "21610".parse().unwrap(),
        report: text.to_owned(),
        message_sid: None,
        at,
    };
    let preferences = [Preference::OptedOut, Preference::OptedIn];
    let mut events: Vec<_> = preferences.map(|preference| Event::preference(&inbound, preference, at)).into();
    events.push(Event::reported_opt_out(&reported));
    events.push(Event::inbound(inbound, stored_message("inbound", &form, text)));
    let status = stored_message("status#failed", &form, text);
    events.push(Event::status(callback, status, [MessageStatus::Failed], Some(stored_notification("accepted", text))));
    let ends = ["rejected", "suppressed", "expired", "unknown"];
    events.extend(ends.into_iter().filter_map(|state| Event::notification(stored_notification(state, text))));
    events
}

fn any_text() -> impl Strategy<Value = String> {
    let odd = select(vec!['\u{fffe}', '\u{ffff}', '\0', '\u{1f}', '\u{7f}', '\\', '"', 'u', '\u{fffd}', '\u{1ffff}']);
    prop::collection::vec(prop_oneof![odd, any::<char>()], 1..12).prop_map(String::from_iter)
}

/// Source: Amazon SQS API Reference, "`SendMessage`".
fn is_accepted_by_sqs(character: char) -> bool {
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
        prop_assert_eq!(types.len(), 6);
        let inbound = &types["twilio_inbound"];
        prop_assert_eq!(&inbound["body"], &json!(text));
        prop_assert_eq!(&inbound["profile_name"], &json!(text));
        prop_assert_eq!(&types["notification_failed"]["reason"], &json!(text));
    }
}
