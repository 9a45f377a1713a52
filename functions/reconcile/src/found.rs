//! What should be recorded of a message of Twilio's list, and the form that its webhook would have had.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use twilio_client::{MediaFile, MessageResource};
use twilio_types::{
    message_status::{MessageStatus, ReportedStatus, Stage},
    sid::AccountSid,
};
use twilio_webhook::form::Form;

/// Twilio's word for the direction of a message that a person sent.
pub(crate) const INBOUND: &str = "inbound";

/// Whether a person sent a message within a time.
pub(crate) fn is_inbound_within(message: &MessageResource, within: &RangeInclusive<Timestamp>) -> bool {
    message.direction == INBOUND && message.happened_at().is_none_or(|at| within.contains(&at))
}

/// For so long Twilio may list fewer files than a message has: it lacks some for seconds after the message arrived. Later the
/// others are deleted there.
const FILES_ARE_LISTED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// Whether files of a message are not listed yet. Recorded without them, the message would never get them.
pub(crate) fn awaits_files(message: &MessageResource, listed: usize, now: Timestamp) -> bool {
    let is_young = message.happened_at().is_some_and(|at| now.duration_since(at) < FILES_ARE_LISTED_AFTER);
    is_young && u32::try_from(listed).unwrap_or(u32::MAX) < message.num_media
}

/// Whether no further status of a message that we sent is expected.
pub(crate) fn is_final(status: &ReportedStatus) -> bool {
    match status.stage() {
        Stage::Arrived => *status != MessageStatus::Received.into(),
        Stage::Lost => true,
        Stage::Underway => false,
    }
}

/// The form of an inbound message. What the list does not show, such as the profile's name, is left out.
pub(crate) fn inbound_form(account_sid: &AccountSid, message: &MessageResource, media: &[MediaFile]) -> Form {
    let sid = message.sid.as_str();
    let mut parameters = common(account_sid, message);
    parameters.extend([
        ("SmsMessageSid".to_owned(), sid.to_owned()),
        ("Body".to_owned(), message.body.clone().unwrap_or_default()),
        ("NumMedia".to_owned(), message.num_media.to_string()),
        ("SmsStatus".to_owned(), MessageStatus::Received.to_string()),
    ]);
    for (index, file) in media.iter().enumerate() {
        parameters.push((format!("MediaUrl{index}"), file.url.clone()));
        parameters.extend(file.content_type.clone().map(|kind| (format!("MediaContentType{index}"), kind)));
    }
    parameters.into_iter().collect()
}

/// The form of a status callback.
pub(crate) fn status_form(account_sid: &AccountSid, message: &MessageResource) -> Form {
    let mut parameters = common(account_sid, message);
    let status = message.status.to_string();
    parameters.extend([("MessageStatus".to_owned(), status.clone()), ("SmsStatus".to_owned(), status)]);
    parameters.extend(message.error_code.map(|code| ("ErrorCode".to_owned(), code.to_string())));
    parameters.into_iter().collect()
}

fn common(account_sid: &AccountSid, message: &MessageResource) -> Vec<(String, String)> {
    let always = [
        ("MessageSid", Some(message.sid.to_string())),
        ("SmsSid", Some(message.sid.to_string())),
        ("AccountSid", Some(account_sid.to_string())),
        ("From", message.from.clone()),
        ("To", Some(message.to.clone())),
        ("MessagingServiceSid", message.messaging_service_sid.as_ref().map(ToString::to_string)),
        ("ApiVersion", Some("2010-04-01".to_owned())),
    ];
    always.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback};

    use super::*;

    fn message(change: &Value) -> MessageResource {
        let mut message = json!({
            "sid": "SM00000000000000000000000000000001", "status": "received", "direction": "inbound",
            "from": "whatsapp:+14155550123", "to": "whatsapp:+14155238886", "body": "STOP & go", "num_media": "1",
            "messaging_service_sid": "MG00000000000000000000000000000001", "error_code": null,
            "date_created": "Fri, 20 Nov 2026 09:00:00 +0000", "date_sent": "Fri, 20 Nov 2026 09:00:01 +0000",
            "date_updated": "Fri, 20 Nov 2026 09:00:02 +0000"
        });
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(message).unwrap()
    }

    fn account_sid() -> AccountSid {
        "AC00000000000000000000000000000001".parse().unwrap()
    }

    #[test]
    fn only_messages_of_people_within_the_time_are_looked_for() {
        let within = "2026-11-19T09:00:00Z".parse().unwrap()..="2026-11-20T09:00:02Z".parse().unwrap();
        let cases = [
            (json!({}), true),
            (json!({"to": "+14155238886"}), true),
            (json!({"from": "rcs:+14155550123", "to": "rcs:brand_agent"}), true),
            (json!({"direction": "outbound-api", "status": "delivered"}), false),
            (json!({"direction": "outbound-reply", "status": "delivered"}), false),
            (json!({"date_sent": "Fri, 20 Nov 2026 09:00:03 +0000"}), false),
            (json!({"date_sent": "Thu, 19 Nov 2026 08:59:59 +0000"}), false),
        ];
        for (change, expected) in cases {
            assert_eq!(is_inbound_within(&message(&change), &within), expected, "{change}");
        }
    }

    #[test]
    fn files_of_a_young_message_that_are_not_listed_are_awaited() {
        let awaits = |num_media: &str, listed, now: &str| {
            awaits_files(&message(&json!({"num_media": num_media})), listed, now.parse().unwrap())
        };
        let (young, old) = ("2026-11-20T09:15:00Z", "2026-11-20T09:15:01Z");
        assert_eq!([0, 1, 2, 3].map(|listed| awaits("2", listed, young)), [true, true, false, false]);
        assert!(!awaits("0", 0, young) && !awaits("2", 0, old), "they are deleted at Twilio");
    }

    #[test]
    fn only_a_status_that_no_other_follows_is_final() {
        use MessageStatus::{Canceled, Delivered, Failed, Read, Received, Scheduled, Sent, Undelivered};
        let is_final = |status: MessageStatus| is_final(&status.into());
        assert!([Delivered, Read, Failed, Undelivered, Canceled].into_iter().all(is_final));
        assert!(![Sent, Scheduled, Received].into_iter().any(is_final));
        assert!(!super::is_final(&"expired".parse().unwrap()));
    }

    #[test]
    fn the_form_of_a_message_is_read_as_its_webhook_would_have_been() {
        let media = [MediaFile::new("https://api.twilio.com/ME1", Some("image/png".to_owned()))];
        let form = inbound_form(&account_sid(), &message(&json!({})), &media);
        let read = InboundMessage::parse(TrustedForm::Reconstructed(&form)).unwrap();
        assert_eq!((read.body.as_str(), read.num_media), ("STOP & go", 1));
        let [file] = read.media.as_slice() else { panic!("expected one file") };
        assert_eq!(file.url, "https://api.twilio.com/ME1");
        assert_eq!(file.content_type.as_deref(), Some("image/png"));
        assert_eq!(read.from.to_string(), "whatsapp:+14155550123");
        assert_eq!(read.details.messaging_service_sid.unwrap().as_str(), "MG00000000000000000000000000000001");
    }

    #[test]
    fn the_form_of_a_status_is_read_as_its_webhook_would_have_been() {
        let failed = json!({"direction": "outbound-api", "status": "failed", "error_code": 63016, "from": null});
        let form = status_form(&account_sid(), &message(&failed));
        let read = StatusCallback::parse(TrustedForm::Reconstructed(&form)).unwrap();
        assert_eq!(read.status, MessageStatus::Failed.into());
        assert_eq!(read.error_code.unwrap().get(), 63016);
        assert_eq!((read.from, read.to.unwrap().to_string()), (None, "whatsapp:+14155238886".to_owned()));
    }
}
