//! Texts in the characters that SQS accepts.

use std::fmt::Write as _;

/// A JSON text as the body of a queue message: the same value, written in characters that SQS accepts.
///
/// `serde_json` escapes control characters and writes U+FFFE and U+FFFF as they are. A person can write both in a
/// WhatsApp message, and SQS would refuse that message at every retry.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    /// Escapes what SQS does not accept. In JSON such a character can only be inside a string, where the escape means
    /// the same. A text that came from SQS stays as it is, JSON or not.
    pub fn json(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.chars().all(is_accepted) {
            return Self(text);
        }
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            if is_accepted(character) {
                escaped.push(character);
            } else {
                // Four digits are enough: SQS accepts everything from U+10000 on. Writing to a String never fails.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
        }
        Self(escaped)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text as the value of a message attribute. It is not JSON and has no escapes, so U+FFFD replaces what SQS does not
/// accept.
pub(super) fn attribute_text(text: &str) -> String {
    text.chars().map(|character| if is_accepted(character) { character } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Source: Amazon SQS API Reference, "`SendMessage`" (the body) and "`MessageAttributeValue`" (an attribute's value has the
/// same restrictions).
fn is_accepted(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{prelude::*, sample::select};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        address::ContactKey,
        event::{Event, ReportedOptOut},
        form::Form,
        inbound::InboundMessage,
        message_status::MessageStatus,
        messages::StoredMessage,
        notifications::StoredNotification,
        preference::Preference,
        signature::VerifiedForm,
        status_callback::StatusCallback,
    };

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
        let verified = VerifiedForm::from_store(form.clone());
        let inbound = InboundMessage::parse(&verified).unwrap();
        let callback = StatusCallback::parse(&verified).unwrap();
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let account_sid = ACCOUNT_SID.parse().unwrap();
        let contact: ContactKey = inbound.contact();
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
        events.push(Event::status(
            callback,
            status,
            [MessageStatus::Failed],
            Some(stored_notification("accepted", text)),
        ));
        let ends = ["rejected", "suppressed", "expired", "unknown"];
        events.extend(ends.into_iter().filter_map(|state| Event::notification(stored_notification(state, text))));
        events
    }

    fn any_text() -> impl Strategy<Value = String> {
        let odd =
            select(vec!['\u{fffe}', '\u{ffff}', '\0', '\u{1f}', '\u{7f}', '\\', '"', 'u', '\u{fffd}', '\u{1ffff}']);
        prop::collection::vec(prop_oneof![odd, any::<char>()], 1..12).prop_map(String::from_iter)
    }

    #[test]
    fn the_accepted_characters_are_those_of_the_reference() {
        for (accepted, codes) in [
            (true, [0x9, 0xa, 0xd, 0x20, 0x7f, 0xd7ff, 0xe000, 0xfffd, 0x1_0000, 0x1_ffff, 0x10_ffff].as_slice()),
            (false, [0x0, 0x8, 0xb, 0xc, 0xe, 0x1f, 0xfffe, 0xffff].as_slice()),
        ] {
            for code in codes {
                assert_eq!(is_accepted(char::from_u32(*code).unwrap()), accepted, "{code:#x}");
            }
        }
    }

    #[test]
    fn noncharacters_are_escaped_and_the_rest_stays_as_it_is() {
        assert_eq!(MessageBody::json("{\"body\": \"Ñ\u{ffff}👋\"}").as_str(), "{\"body\": \"Ñ\\uffff👋\"}");
        assert_eq!(MessageBody::json("no JSON: \u{fffd}").as_str(), "no JSON: \u{fffd}");
    }

    #[test]
    fn an_attribute_has_a_replacement_for_a_refused_character() {
        assert_eq!(attribute_text("\u{ffff}colour\0: unknown field"), "\u{fffd}colour\u{fffd}: unknown field");
    }

    proptest! {
        #[test]
        fn any_json_is_accepted_and_reads_back_equal(key in any_text(), value in any_text()) {
            let json = json!({key: [value]});
            let body = MessageBody::json(json.to_string());
            prop_assert!(body.as_str().chars().all(is_accepted));
            prop_assert_eq!(serde_json::from_str::<Value>(body.as_str()).unwrap(), json);
        }

        #[test]
        fn every_event_with_any_text_is_accepted_and_reads_back_equal(text in any_text()) {
            let mut types = BTreeMap::new();
            for event in events(&text) {
                let json = event.to_json().unwrap();
                let body = MessageBody::json(json.as_str());
                prop_assert!(body.as_str().chars().all(is_accepted));
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
}
