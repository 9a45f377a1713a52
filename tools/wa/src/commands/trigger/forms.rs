//! The forms of webhooks. Sources: Twilio, "Twilio's request to your incoming message webhook URL" and "Monitor the status of
//! your WhatsApp outbound message".

use twilio_types::{
    address::{Address, Channel, Identity},
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid, MessagingServiceSid},
};
use twilio_webhook::form::Form;
use uuid::Uuid;

use crate::people::PersonAddress;

/// What a person sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MessageParts {
    Text(String),
    File { url: Option<String>, content_type: String, caption: String },
    Button { text: String, payload: Option<String> },
    Location { latitude: f64, longitude: f64 },
}

impl MessageParts {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::File { .. } => "a file",
            Self::Button { .. } => "a pressed button",
            Self::Location { .. } => "a place",
        }
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    fn body(&self) -> &str {
        match self {
            Self::Text(body) | Self::File { caption: body, .. } | Self::Button { text: body, .. } => body,
            Self::Location { .. } => "",
        }
    }

    /// The value of `MessageType` that WhatsApp's webhooks have.
    fn message_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Button { .. } => "button",
            Self::Location { .. } => "location",
            Self::File { content_type, .. } => match content_type.split('/').next() {
                Some("image") => "image",
                Some("video") => "video",
                Some("audio") => "audio",
                _ => "document",
            },
        }
    }

    /// The parameters of this kind of message alone.
    fn parameters(&self, account_sid: &AccountSid, message_sid: &MessageSid) -> Vec<(&'static str, String)> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Button { text, payload } => {
                let payload = payload.clone().map(|payload| ("ButtonPayload", payload));
                [("ButtonText", text.clone())].into_iter().chain(payload).collect()
            }
            Self::Location { latitude, longitude } => {
                vec![("Latitude", latitude.to_string()), ("Longitude", longitude.to_string())]
            }
            Self::File { url, content_type, .. } => {
                let like_twilio = || {
                    let media_sid = format!("ME{}", Uuid::new_v4().simple());
                    format!(
                        "https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}/Media/{media_sid}"
                    )
                };
                let url = url.clone().unwrap_or_else(like_twilio);
                vec![("MediaUrl0", url), ("MediaContentType0", content_type.clone())]
            }
        }
    }
}

/// The webhook of a person's message.
pub(super) struct InboundForm<'a> {
    pub(super) account_sid: &'a AccountSid,
    pub(super) service_sid: Option<&'a MessagingServiceSid>,
    pub(super) message_sid: &'a MessageSid,
    pub(super) from: &'a PersonAddress,
    pub(super) to: &'a str,
    pub(super) parts: &'a MessageParts,
}

impl InboundForm<'_> {
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { account_sid, service_sid, message_sid, from, to, parts } = self;
        let mut parameters = vec![
            ("AccountSid", account_sid.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("Body", parts.body().to_owned()),
            ("From", from.at_twilio().to_string()),
            ("MessageSid", message_sid.to_string()),
            ("NumMedia", u8::from(parts.is_file()).to_string()),
            ("NumSegments", "1".to_owned()),
            ("SmsMessageSid", message_sid.to_string()),
            ("SmsSid", message_sid.to_string()),
            ("SmsStatus", "received".to_owned()),
            ("To", (*to).to_owned()),
        ];
        parameters.extend(service_sid.map(|sid| ("MessagingServiceSid", sid.to_string())));
        if from.channel == Channel::WhatsApp {
            parameters.extend([
                ("MessageType", parts.message_type().to_owned()),
                ("ProfileName", "wa trigger".to_owned()),
                ("ReferralNumMedia", "0".to_owned()),
                ("WaId", from.identity.as_str().trim_start_matches('+').to_owned()),
            ]);
            if let Identity::User(id) = &from.identity {
                parameters.push(("ExternalUserId", Address::whatsapp(id.clone()).to_string()));
            }
        }
        parameters.extend(parts.parameters(account_sid, message_sid));
        parameters
    }
}

/// The callback of a status.
pub(super) struct StatusForm<'a> {
    pub(super) account_sid: &'a AccountSid,
    pub(super) message_sid: &'a MessageSid,
    pub(super) status: MessageStatus,
    pub(super) error_code: Option<ErrorCode>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl StatusForm<'_> {
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { account_sid, message_sid, status, error_code, from, to } = self;
        let mut parameters = vec![
            ("AccountSid", account_sid.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("From", (*from).to_owned()),
            ("MessageSid", message_sid.to_string()),
            ("MessageStatus", status.to_string()),
            ("SmsSid", message_sid.to_string()),
            ("SmsStatus", status.to_string()),
            ("To", (*to).to_owned()),
        ];
        parameters.extend(error_code.map(|code| ("ErrorCode", code.to_string())));
        parameters
    }
}

/// A SID as Twilio makes them: `MM` for a message with a file.
pub(super) fn new_message_sid(has_file: bool) -> MessageSid {
    let (prefix, random) = (if has_file { "MM" } else { "SM" }, Uuid::new_v4());
    let sid = format!("{prefix}{}", random.simple()).parse();
    #[expect(clippy::expect_used, reason = "a prefix and 32 hexadecimal digits are always a SID")]
    sid.expect("a prefix and 32 hexadecimal digits")
}

pub(super) fn encoded(form: &Form) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form.pairs()).finish()
}

#[cfg(test)]
mod tests {
    use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback};

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const SID: &str = "SM00000000000000000000000000000001";

    fn form(from: &str, parts: &MessageParts) -> Form {
        let (account_sid, message_sid, from) = (ACCOUNT.parse().unwrap(), SID.parse().unwrap(), from.parse().unwrap());
        let form = InboundForm {
            account_sid: &account_sid,
            service_sid: None,
            message_sid: &message_sid,
            from: &from,
            to: "whatsapp:+14155238886",
            parts,
        };
        form.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn every_kind_of_message_is_one_that_the_functions_read() {
        for (parts, kind) in [
            (MessageParts::Text("hi".to_owned()), "text"),
            (MessageParts::File { url: None, content_type: "image/jpeg".to_owned(), caption: String::new() }, "image"),
            (MessageParts::Button { text: "Yes".to_owned(), payload: Some("yes".to_owned()) }, "button"),
            (MessageParts::Location { latitude: 52.5, longitude: -13.4 }, "location"),
        ] {
            let form = form("+14155550123", &parts);
            let read = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
            assert!(read.unreadable_parameters.is_empty(), "{kind}");
            assert_eq!(form.get("MessageType"), Some(kind));
            assert_eq!(form.get("WaId"), Some("14155550123"));
        }
    }

    #[test]
    fn person_without_whatsapp_has_none_of_its_parameters() {
        let sms = form("sms:+14155550123", &MessageParts::Text("hi".to_owned()));
        assert_eq!((sms.get("From"), sms.get("WaId"), sms.get("MessageType")), (Some("+14155550123"), None, None));
        let hidden = form("US.13491208655302741918", &MessageParts::Text("hi".to_owned()));
        assert_eq!(hidden.get("ExternalUserId"), Some("whatsapp:US.13491208655302741918"));
    }

    #[test]
    fn status_form_has_the_code_of_a_failure() {
        let (account_sid, message_sid) = (ACCOUNT.parse().unwrap(), SID.parse().unwrap());
        let form = StatusForm {
            account_sid: &account_sid,
            message_sid: &message_sid,
            status: MessageStatus::Failed,
            error_code: Some("63016".parse().unwrap()),
            from: "whatsapp:+14155238886",
            to: "whatsapp:+14155550123",
        };
        let form: Form = form.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let read = StatusCallback::parse(TrustedForm::Stored(&form)).unwrap();
        assert!(read.unreadable_parameters.is_empty());
        assert_eq!(form.get("ErrorCode"), Some("63016"));
    }
}
