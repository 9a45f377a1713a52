//! A message from a person: the form of an inbound webhook.
//!
//! Source: Twilio, "Twilio's Request to your Incoming Message Webhook URL", with the WhatsApp parameters of real
//! requests.

use std::str::FromStr;

use serde::Serialize;
use twilio_types::{
    address::Address,
    sid::{AccountSid, MessageSid, MessagingServiceSid},
};

use crate::{form::Form, redacted::redacted_debug, signature::TrustedForm};

/// A parameter that every form of its kind has is missing or malformed. The error leaves its value out, which may be
/// personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
#[non_exhaustive]
pub struct InvalidForm {
    /// The name of the parameter.
    pub field: &'static str,
    /// A correct value, in words.
    pub expected: &'static str,
}

/// An inbound message. The first four fields are always present. Parameters that have no field here are in the form.
///
/// `Debug` shows the SID only.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct InboundMessage {
    /// `MessageSid`: the message.
    pub message_sid: MessageSid,
    /// `AccountSid`: the account that received it.
    pub account_sid: AccountSid,
    /// `From`: the address of the person who wrote.
    pub from: Address,
    /// `To`: the sender of the account that received the message.
    pub to: Address,
    /// `Body`: at most 1,600 characters, empty for media and locations.
    pub body: String,
    /// `NumMedia`: the number of files.
    pub num_media: u32,
    /// `MediaUrl{N}` and `MediaContentType{N}`: the files.
    pub media: Vec<ReceivedMedia>,
    /// The parameters that only some messages have.
    pub details: Details,
}

/// A file of a message. To fetch it, authenticate with the account's credentials.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReceivedMedia {
    /// Its URL on `api.twilio.com`.
    pub url: String,
    /// Its media type, as in `image/jpeg`.
    pub content_type: Option<String>,
}

/// The optional parameters of a message, as the person's app sent them: neither Twilio nor WhatsApp vouches for them.
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Details {
    /// `MessagingServiceSid`, where the sender is in a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// `ProfileName`: the name that the person chose on WhatsApp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// `WaId`: WhatsApp's id, typically the number without `+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<String>,
    /// `ExternalUserId`: Meta's business-scoped id, which stays the same if the person hides the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_user_id: Option<String>,
    /// `ParentExternalUserId`: the person's id in the parent portfolio, where one is linked. It takes the place of
    /// `ExternalUserId` in `From` if the person hides the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_external_user_id: Option<String>,
    /// `MessageType`: `text`, `image`, `interactive` and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// `ButtonText`, `ButtonPayload` and `ButtonType` of a pressed button.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button: Option<Button>,
    /// `ListId` and `ListTitle` of a chosen list item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_item: Option<ListItem>,
    /// `InteractiveData`: JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive_data: Option<String>,
    /// `FlowData`: JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_data: Option<String>,
    /// `ChannelMetadata`: JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_metadata: Option<String>,
    /// `Latitude`, `Longitude`, `Address` and `Label` of a shared location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// `Referral...`: the advertisement that the person clicked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// `OriginalRepliedMessageSid` and `-Sender`, for a reply to a message of the last 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// `Forwarded`: the message was forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<bool>,
    /// `FrequentlyForwarded`: it was forwarded many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequently_forwarded: Option<bool>,
    /// `OptOutType`: Advanced Opt-Out recognised a keyword, and has answered the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out_type: Option<OptOutType>,
}

/// A pressed quick-reply or call-to-action button.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Button {
    /// Its label, as the person saw it.
    pub text: Option<String>,
    /// The id that its template's developer gave it; the person does not see it.
    pub payload: Option<String>,
    /// `REPLY` or `ACTION`.
    pub kind: Option<String>,
}

/// A chosen list item.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListItem {
    /// The id that its developer gave it; the person does not see it.
    pub id: String,
    /// Its title, as the person saw it.
    pub title: Option<String>,
}

/// A location that the person shared.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Location {
    /// Latitude in degrees, positive in the north.
    pub latitude: f64,
    /// Longitude in degrees, positive in the east.
    pub longitude: f64,
    /// The place's address.
    pub address: Option<String>,
    /// The place's name.
    pub label: Option<String>,
}

/// The click-to-WhatsApp advertisement from which the conversation began.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Referral {
    /// The text of the advertisement.
    pub body: Option<String>,
    /// Its headline.
    pub headline: Option<String>,
    /// Meta's id of the advertisement.
    pub source_id: Option<String>,
    /// `post` or another kind.
    pub source_type: Option<String>,
    /// The URL at which it is shown.
    pub source_url: Option<String>,
    /// The URL of its picture or video.
    pub media_url: Option<String>,
    /// The id of the click, for Meta's attribution.
    pub ctwa_clid: Option<String>,
}

/// The message to which the person replied.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReplyTo {
    /// Its SID.
    pub message_sid: String,
    /// The address from which it was sent.
    pub sender: Option<String>,
}

/// The kind of keyword that Twilio's Advanced Opt-Out recognised.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum OptOutType {
    /// The person wants no more messages.
    Stop,
    /// The person wants messages again.
    Start,
    /// The person asks for help.
    Help,
}

redacted_debug! {
    InboundMessage { message_sid }
    ReceivedMedia { content_type }
    Details {}
    Button {}
    ListItem {}
    Location {}
    Referral {}
    ReplyTo { message_sid }
}

impl InboundMessage {
    /// Parses a form that Twilio signed. Unknown parameters, and optional ones that cannot be parsed, remain in the form
    /// only.
    pub fn parse<'a>(form: impl Into<TrustedForm<'a>>) -> Result<Self, InvalidForm> {
        let form = form.into().form();
        Ok(Self {
            message_sid: required(form, "MessageSid", "a message SID: SM or MM and 32 hexadecimal digits")?,
            account_sid: required(form, "AccountSid", "an account SID: AC and 32 hexadecimal digits")?,
            from: required(form, "From", "a channel address, as in whatsapp:+14155550123")?,
            to: required(form, "To", "a channel address, as in whatsapp:+14155238886")?,
            body: form.get("Body").unwrap_or_default().to_owned(),
            num_media: form.get_filled("NumMedia").map_or(Ok(0), |_| required(form, "NumMedia", "a number"))?,
            media: media(form),
            details: Details::parse(form),
        })
    }
}

/// A parameter that every form of this kind has.
pub(crate) fn required<T: FromStr>(form: &Form, field: &'static str, expected: &'static str) -> Result<T, InvalidForm> {
    form.get(field).and_then(|text| text.parse().ok()).ok_or(InvalidForm { field, expected })
}

/// The files that the form has, whatever `NumMedia` says.
fn media(form: &Form) -> Vec<ReceivedMedia> {
    let item = |index: usize| {
        let url = form.get_filled(&format!("MediaUrl{index}"))?.to_owned();
        Some(ReceivedMedia { url, content_type: form.get_owned(&format!("MediaContentType{index}")) })
    };
    (0..).map_while(item).collect()
}

impl Details {
    fn parse(form: &Form) -> Self {
        Self {
            messaging_service_sid: form.get_parsed("MessagingServiceSid"),
            profile_name: form.get_owned("ProfileName"),
            wa_id: form.get_owned("WaId"),
            external_user_id: form.get_owned("ExternalUserId"),
            parent_external_user_id: form.get_owned("ParentExternalUserId"),
            message_type: form.get_owned("MessageType"),
            button: Button::parse(form),
            list_item: form.get_owned("ListId").map(|id| ListItem { id, title: form.get_owned("ListTitle") }),
            interactive_data: form.get_owned("InteractiveData"),
            flow_data: form.get_owned("FlowData"),
            channel_metadata: form.get_owned("ChannelMetadata"),
            location: Location::parse(form),
            referral: Referral::parse(form),
            reply_to: form
                .get_owned("OriginalRepliedMessageSid")
                .map(|message_sid| ReplyTo { message_sid, sender: form.get_owned("OriginalRepliedMessageSender") }),
            forwarded: form.get_parsed("Forwarded"),
            frequently_forwarded: form.get_parsed("FrequentlyForwarded"),
            opt_out_type: form.get_parsed("OptOutType"),
        }
    }
}

impl Button {
    fn parse(form: &Form) -> Option<Self> {
        let button = Self {
            text: form.get_owned("ButtonText"),
            payload: form.get_owned("ButtonPayload"),
            kind: form.get_owned("ButtonType"),
        };
        (button.text.is_some() || button.payload.is_some()).then_some(button)
    }
}

impl Location {
    fn parse(form: &Form) -> Option<Self> {
        Some(Self {
            latitude: form.get_parsed("Latitude")?,
            longitude: form.get_parsed("Longitude")?,
            address: form.get_owned("Address"),
            label: form.get_owned("Label"),
        })
    }
}

impl Referral {
    /// `ReferralNumMedia=0` is in the form of an ordinary message too, and does not make a referral.
    fn parse(form: &Form) -> Option<Self> {
        let referral = Self {
            body: form.get_owned("ReferralBody"),
            headline: form.get_owned("ReferralHeadline"),
            source_id: form.get_owned("ReferralSourceId"),
            source_type: form.get_owned("ReferralSourceType"),
            source_url: form.get_owned("ReferralSourceUrl"),
            media_url: form.get_owned("ReferralMediaUrl"),
            ctwa_clid: form.get_owned("ReferralCtwaClid"),
        };
        (referral.source_id.is_some() || referral.source_url.is_some() || referral.ctwa_clid.is_some())
            .then_some(referral)
    }
}

impl FromStr for OptOutType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_uppercase().as_str() {
            "STOP" => Ok(Self::Stop),
            "START" => Ok(Self::Start),
            "HELP" => Ok(Self::Help),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0&ProfileName=Ava&MessageType=text\
        &SmsSid=SM00000000000000000000000000000001&WaId=14155550123&SmsStatus=received&Body=Where+is+my+order%3F\
        &To=whatsapp%3A%2B14155238886&NumSegments=1&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000001\
        &AccountSid=AC00000000000000000000000000000001&From=whatsapp%3A%2B14155550123&ApiVersion=2010-04-01";

    fn parse(form: &str) -> Result<InboundMessage, InvalidForm> {
        InboundMessage::parse(TrustedForm::Stored(&Form::parse(form.as_bytes())))
    }

    #[test]
    fn a_text_message_is_parsed() {
        let message = parse(TEXT).unwrap();
        assert_eq!(message.body, "Where is my order?");
        assert_eq!(message.from.to_string(), "whatsapp:+14155550123");
        assert_eq!(message.num_media, 0);
        let expected = Details {
            profile_name: Some("Ava".into()),
            wa_id: Some("14155550123".into()),
            message_type: Some("text".into()),
            ..Details::default()
        };
        assert!(message.details == expected);
    }

    #[test]
    fn debug_shows_no_body_and_no_number() {
        let message = parse(&format!("{TEXT}&MediaUrl0=https%3A%2F%2Fsecret&ButtonText=order&ListId=order")).unwrap();
        let shown = format!("{message:?} {:?} {:?}", message.details, message.media);
        assert!(shown.contains("SM00000000000000000000000000000001"), "{shown}");
        for hidden in ["order", "4155550123", "Ava", "secret"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn media_location_button_and_referral_are_parsed() {
        let message = parse(&format!(
            "{TEXT}&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2Fa&MediaContentType0=image%2Fjpeg&MediaUrl1=https%3A%2F%2Fb\
             &Latitude=37.78&Longitude=-122.39&Label=Office&ButtonText=Yes&ButtonPayload=yes-1&ButtonType=REPLY\
             &ReferralSourceId=120&ReferralCtwaClid=abc&OriginalRepliedMessageSid=SM9&Forwarded=true&OptOutType=STOP\
             &ListId=row-1&ExternalUserId=whatsapp%3AID.4566546130240823\
             &ParentExternalUserId=whatsapp%3AID.ENT.4566546130240824"
        ))
        .unwrap();
        assert_eq!(message.media.len(), 2);
        assert_eq!(message.media[0].content_type.as_deref(), Some("image/jpeg"));
        let details = message.details;
        assert_eq!(details.location.unwrap().label.as_deref(), Some("Office"));
        assert_eq!(details.button.unwrap().payload.as_deref(), Some("yes-1"));
        assert_eq!(details.referral.unwrap().ctwa_clid.as_deref(), Some("abc"));
        assert_eq!(details.reply_to.unwrap().message_sid, "SM9");
        assert_eq!(details.forwarded, Some(true));
        assert_eq!(details.opt_out_type, Some(OptOutType::Stop));
        assert_eq!(details.list_item.unwrap().id, "row-1");
        assert_eq!(details.external_user_id.as_deref(), Some("whatsapp:ID.4566546130240823"));
        assert_eq!(details.parent_external_user_id.as_deref(), Some("whatsapp:ID.ENT.4566546130240824"));
    }

    #[test]
    fn a_missing_or_malformed_parameter_is_named() {
        for (from, to, field) in [
            ("&MessageSid=SM00000000000000000000000000000001", "", "MessageSid"),
            ("&AccountSid=AC00000000000000000000000000000001", "&AccountSid=AC1", "AccountSid"),
            ("&From=whatsapp%3A%2B14155550123", "&From=", "From"),
            ("&To=whatsapp%3A%2B14155238886", "&To=whatsapp%3A", "To"),
            ("NumMedia=0", "NumMedia=many", "NumMedia"),
        ] {
            assert_eq!(parse(&TEXT.replacen(from, to, 1)).unwrap_err().field, field);
        }
    }

    #[test]
    fn malformed_optional_parameters_are_ignored() {
        let message =
            parse(&format!("{TEXT}&Latitude=north&Longitude=1&Forwarded=maybe&OptOutType=NEW&Unknown=1")).unwrap();
        assert!(message.details.location.is_none() && message.details.forwarded.is_none());
        assert!(message.details.opt_out_type.is_none());
    }
}
