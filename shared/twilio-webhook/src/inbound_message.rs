//! A message from a person to us.
//!
//! Source: Twilio, "Twilio's Request to your Incoming Message Webhook URL", with the WhatsApp parameters of real
//! requests.

use std::{fmt, str::FromStr};

use serde::Serialize;
use twilio_types::{
    address::Address,
    sid::{AccountSid, MessageSid, MessagingServiceSid},
};

use crate::{form::Form, signature::VerifiedForm};

/// A form lacks what every form of its kind has. The value is left out: it came from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct InvalidForm {
    /// The parameter.
    pub field: &'static str,
    /// What is right.
    pub expected: &'static str,
}

/// An inbound message. Only the first four fields are always there; whatever Twilio sends besides is in the raw form.
///
/// What a person says is theirs: `Debug` shows the SID alone.
#[derive(Clone, PartialEq)]
pub struct InboundMessage {
    /// `MessageSid`
    pub message_sid: MessageSid,
    /// `AccountSid`
    pub account_sid: AccountSid,
    /// `From`: the person.
    pub from: Address,
    /// `To`: our sender.
    pub to: Address,
    /// `Body`: at most 1,600 characters, empty for media and locations.
    pub body: String,
    /// `NumMedia`
    pub num_media: u32,
    /// `MediaUrl{N}` and `MediaContentType{N}`
    pub media: Vec<ReceivedMedia>,
    /// What only some messages have.
    pub details: Details,
}

/// A file that came along. Fetching it takes the account's credentials.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ReceivedMedia {
    /// On `api.twilio.com`.
    pub url: String,
    /// Its MIME type.
    pub content_type: Option<String>,
}

/// The parameters that a message has or has not. They are as the person or their app sent them: nothing here is proven.
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(default)]
pub struct Details {
    /// `MessagingServiceSid`, where the sender is in a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// `ProfileName`: what the person calls themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// `WaId`: WhatsApp's id, typically the number without `+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<String>,
    /// `ExternalUserId`: Meta's business-scoped id, which stays when the person hides the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_user_id: Option<String>,
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
    /// `Forwarded`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<bool>,
    /// `FrequentlyForwarded`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequently_forwarded: Option<bool>,
    /// `OptOutType`: Advanced Opt-Out has taken the message for a keyword, and has answered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out_type: Option<OptOutType>,
}

/// A pressed quick-reply or call-to-action button.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What it says.
    pub text: Option<String>,
    /// The id that its template gave it.
    pub payload: Option<String>,
    /// `REPLY` or `ACTION`.
    pub kind: Option<String>,
}

/// A chosen list item.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ListItem {
    /// Its id.
    pub id: String,
    /// What it says.
    pub title: Option<String>,
}

/// A shared place.
#[derive(Clone, PartialEq, Serialize)]
pub struct Location {
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// The place's address.
    pub address: Option<String>,
    /// The place's name.
    pub label: Option<String>,
}

/// The advertisement (click to WhatsApp) a conversation began with.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Referral {
    /// The advertisement's text.
    pub body: Option<String>,
    /// Its headline.
    pub headline: Option<String>,
    /// Meta's id of it.
    pub source_id: Option<String>,
    /// `post` or another kind.
    pub source_type: Option<String>,
    /// Where it is shown.
    pub source_url: Option<String>,
    /// Its picture.
    pub media_url: Option<String>,
    /// The click, for Meta's attribution.
    pub ctwa_clid: Option<String>,
}

/// The message that is answered.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ReplyTo {
    /// Its SID.
    pub message_sid: String,
    /// Who sent it.
    pub sender: Option<String>,
}

/// What Twilio's Advanced Opt-Out took a message for.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OptOutType {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// A question for help.
    Help,
}

impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage").field("message_sid", &self.message_sid).finish_non_exhaustive()
    }
}

impl InboundMessage {
    /// Reads a form that Twilio signed. Unknown parameters and odd optional ones are left to the raw form.
    pub fn parse(form: &VerifiedForm) -> Result<Self, InvalidForm> {
        let form = form.form();
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

/// A parameter without which a form of this kind says nothing.
pub(crate) fn required<T: FromStr>(form: &Form, field: &'static str, expected: &'static str) -> Result<T, InvalidForm> {
    form.get(field).and_then(|text| text.parse().ok()).ok_or(InvalidForm { field, expected })
}

/// Counted by what is there: `NumMedia` is only a claim about it.
fn media(form: &Form) -> Vec<ReceivedMedia> {
    let item = |index: usize| {
        let url = form.get_filled(&format!("MediaUrl{index}"))?.to_owned();
        Some(ReceivedMedia { url, content_type: text(form, &format!("MediaContentType{index}")) })
    };
    (0..).map_while(item).collect()
}

fn text(form: &Form, name: &str) -> Option<String> {
    form.get_filled(name).map(str::to_owned)
}

fn parsed<T: FromStr>(form: &Form, name: &str) -> Option<T> {
    form.get_filled(name)?.parse().ok()
}

impl Details {
    fn parse(form: &Form) -> Self {
        Self {
            messaging_service_sid: parsed(form, "MessagingServiceSid"),
            profile_name: text(form, "ProfileName"),
            wa_id: text(form, "WaId"),
            external_user_id: text(form, "ExternalUserId"),
            message_type: text(form, "MessageType"),
            button: Button::parse(form),
            list_item: text(form, "ListId").map(|id| ListItem { id, title: text(form, "ListTitle") }),
            interactive_data: text(form, "InteractiveData"),
            flow_data: text(form, "FlowData"),
            channel_metadata: text(form, "ChannelMetadata"),
            location: Location::parse(form),
            referral: Referral::parse(form),
            reply_to: text(form, "OriginalRepliedMessageSid")
                .map(|message_sid| ReplyTo { message_sid, sender: text(form, "OriginalRepliedMessageSender") }),
            forwarded: parsed(form, "Forwarded"),
            frequently_forwarded: parsed(form, "FrequentlyForwarded"),
            opt_out_type: parsed(form, "OptOutType"),
        }
    }
}

impl Button {
    fn parse(form: &Form) -> Option<Self> {
        let button = Self {
            text: text(form, "ButtonText"),
            payload: text(form, "ButtonPayload"),
            kind: text(form, "ButtonType"),
        };
        (button.text.is_some() || button.payload.is_some()).then_some(button)
    }
}

impl Location {
    fn parse(form: &Form) -> Option<Self> {
        Some(Self {
            latitude: parsed(form, "Latitude")?,
            longitude: parsed(form, "Longitude")?,
            address: text(form, "Address"),
            label: text(form, "Label"),
        })
    }
}

impl Referral {
    /// `ReferralNumMedia=0` comes with ordinary messages too and says nothing.
    fn parse(form: &Form) -> Option<Self> {
        let referral = Self {
            body: text(form, "ReferralBody"),
            headline: text(form, "ReferralHeadline"),
            source_id: text(form, "ReferralSourceId"),
            source_type: text(form, "ReferralSourceType"),
            source_url: text(form, "ReferralSourceUrl"),
            media_url: text(form, "ReferralMediaUrl"),
            ctwa_clid: text(form, "ReferralCtwaClid"),
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
        InboundMessage::parse(&VerifiedForm::from_store(Form::parse(form.as_bytes())))
    }

    #[test]
    fn a_text_is_read() {
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
    fn debug_shows_nothing_of_what_a_person_says() {
        assert!(!format!("{:?}", parse(TEXT).unwrap()).contains("order"));
    }

    #[test]
    fn media_location_button_and_referral_are_read() {
        let message = parse(&format!(
            "{TEXT}&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2Fa&MediaContentType0=image%2Fjpeg&MediaUrl1=https%3A%2F%2Fb\
             &Latitude=37.78&Longitude=-122.39&Label=Office&ButtonText=Yes&ButtonPayload=yes-1&ButtonType=REPLY\
             &ReferralSourceId=120&ReferralCtwaClid=abc&OriginalRepliedMessageSid=SM9&Forwarded=true&OptOutType=STOP\
             &ListId=row-1&ExternalUserId=whatsapp%3AID.4566546130240823"
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
    }

    #[test]
    fn what_must_be_there_is_named_when_it_is_missing_or_wrong() {
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
    fn odd_optional_parameters_are_no_reason_to_refuse_a_message() {
        let message =
            parse(&format!("{TEXT}&Latitude=north&Longitude=1&Forwarded=maybe&OptOutType=NEW&Unknown=1")).unwrap();
        assert!(message.details.location.is_none() && message.details.forwarded.is_none());
        assert!(message.details.opt_out_type.is_none());
    }
}
