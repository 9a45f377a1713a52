//! A message from a person: the form of an inbound webhook.
//!
//! Source: Twilio, "Twilio's Request to your Incoming Message Webhook URL", with the WhatsApp parameters of real
//! requests.

use std::collections::BTreeMap;

use serde::Serialize;
use twilio_types::{
    address::Address,
    sid::{AccountSid, MessageSid},
};

use crate::{form::Form, redacted::redacted_debug, signature::TrustedForm};

mod answers;
mod details;

pub use crate::fields::InvalidForm;
pub use answers::{FlowAnswer, Order, OrderedItem, Reaction};
pub use details::{Button, Details, ListItem, Location, OptOutType, Referral, ReplyTo};

use crate::fields::Fields;

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
    /// `NumMedia`: the number of files. If it cannot be read, the number of those that the form has.
    pub num_media: u32,
    /// `MediaUrl{N}` and `MediaContentType{N}`: the files.
    pub media: Vec<ReceivedMedia>,
    /// The parameters that only some messages have.
    pub details: Details,
    /// The names of the parameters that cannot be read. Their values are in the form only.
    pub unreadable_parameters: Vec<String>,
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

redacted_debug! {
    InboundMessage { message_sid }
    ReceivedMedia { content_type }
}

impl InboundMessage {
    /// Parses a form that Twilio signed. Unknown parameters, and optional ones that cannot be read, remain in the form
    /// only, and the latter are named.
    pub fn parse<'a>(form: impl Into<TrustedForm<'a>>) -> Result<Self, InvalidForm> {
        let form = form.into().form();
        let mut fields = Fields::of(form);
        let message_sid = fields.message_sid()?;
        let from = fields.required("From", "a channel address, as in whatsapp:+14155550123")?;
        let to = fields.required("To", "a channel address, as in whatsapp:+14155238886")?;
        let account_sid = fields.required("AccountSid", "an account SID: AC and 32 hexadecimal digits")?;
        fields.read("SmsStatus", |word| is_received(word).then_some(()));
        let files = files(form);
        let num_media = fields.parsed("NumMedia");
        if let Some(missing) = (0..num_media.unwrap_or_default()).find(|index| !files.contains_key(index)) {
            fields.mark(format!("{MEDIA_URL}{missing}"));
        }
        let details = Details::parse(&mut fields);
        Ok(Self {
            message_sid,
            account_sid,
            from,
            to,
            body: form.get("Body").unwrap_or_default().to_owned(),
            num_media: num_media.unwrap_or(u32::try_from(files.len()).unwrap_or(u32::MAX)),
            media: files.into_values().collect(),
            details,
            unreadable_parameters: fields.into_unreadable(),
        })
    }
}

/// The words for the status of a message from a person.
pub(crate) fn is_received(word: &str) -> bool {
    ["received", "receiving"].iter().any(|received| word.eq_ignore_ascii_case(received))
}

const MEDIA_URL: &str = "MediaUrl";

/// The files that the form has, by their numbers, whatever `NumMedia` says.
fn files(form: &Form) -> BTreeMap<u32, ReceivedMedia> {
    let mut files = BTreeMap::new();
    for (name, url) in form.pairs() {
        let Some(number) = name.strip_prefix(MEDIA_URL).filter(|_| !url.is_empty()) else { continue };
        // Only Twilio's spelling of a number, so that the content type has the same.
        if let Some(index) = number.parse().ok().filter(|index: &u32| index.to_string() == number) {
            files.entry(index).or_insert_with(|| ReceivedMedia {
                url: url.clone(),
                content_type: form.get_owned(&format!("MediaContentType{index}")),
            });
        }
    }
    files
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
    fn button_or_referral_is_read_from_any_parameter_that_names_it() {
        for parameter in ["ButtonText=Yes", "ButtonPayload=yes-1"] {
            assert!(parse(&format!("{TEXT}&{parameter}")).unwrap().details.button.is_some(), "{parameter}");
        }
        for parameter in ["ReferralSourceId=120", "ReferralSourceUrl=https%3A%2F%2Fa", "ReferralCtwaClid=abc"] {
            assert!(parse(&format!("{TEXT}&{parameter}")).unwrap().details.referral.is_some(), "{parameter}");
        }
        for parameter in ["ButtonType=REPLY", "ReferralBody=Look"] {
            let details = parse(&format!("{TEXT}&{parameter}")).unwrap().details;
            assert!(details.button.is_none() && details.referral.is_none(), "{parameter}");
        }
    }

    #[test]
    fn each_word_of_advanced_opt_out_is_read() {
        let words = [("STOP", OptOutType::Stop), ("START", OptOutType::Start), ("help", OptOutType::Help)];
        for (word, expected) in words {
            assert_eq!(parse(&format!("{TEXT}&OptOutType={word}")).unwrap().details.opt_out_type, Some(expected));
        }
    }

    #[test]
    fn a_missing_or_malformed_parameter_is_named() {
        for (from, to, field) in [
            ("SM00000000000000000000000000000001", "SM1", "MessageSid"),
            ("&AccountSid=AC00000000000000000000000000000001", "&AccountSid=AC1", "AccountSid"),
            ("&From=whatsapp%3A%2B14155550123", "&From=", "From"),
            ("&To=whatsapp%3A%2B14155238886", "", "To"),
        ] {
            assert_eq!(parse(&TEXT.replace(from, to)).unwrap_err().field, field);
        }
    }

    #[test]
    fn malformed_optional_parameters_are_ignored() {
        let message =
            parse(&format!("{TEXT}&Latitude=north&Longitude=1&Forwarded=maybe&OptOutType=NEW&Unknown=1")).unwrap();
        assert!(message.details.location.is_none() && message.details.forwarded.is_none());
        assert!(message.details.opt_out_type.is_none());
        assert_eq!(message.unreadable_parameters, ["Latitude", "Forwarded", "OptOutType"]);
    }

    #[test]
    fn an_ordinary_message_has_no_unreadable_parameter() {
        assert!(parse(TEXT).unwrap().unreadable_parameters.is_empty());
    }

    #[test]
    fn each_optional_parameter_that_cannot_be_read_is_named() {
        for (name, value) in [
            ("MessagingServiceSid", "MG1"),
            ("FrequentlyForwarded", "often"),
            ("Latitude", "NaN"),
            ("Longitude", "1e999"),
            ("ReferralNumMedia", "-1"),
            ("ExternalUserId", "unknown"),
            ("ParentExternalUserId", "whatsapp:+14155550123"),
            ("SmsStatus", "arrived"),
        ] {
            let without = TEXT.replace("&SmsStatus=received", "").replace("&ReferralNumMedia=0", "");
            let value = value.replace('+', "%2B");
            let message = parse(&format!("{without}&{name}={value}")).unwrap();
            assert_eq!(message.unreadable_parameters, [name]);
        }
    }

    #[test]
    fn media_is_read_whatever_its_count_says() {
        let files = "&MediaUrl0=a&MediaContentType0=image%2Fpng&MediaUrl2=c&MediaUrl02=x&MediaUrl3=";
        for (count, num_media, unreadable) in [
            ("3", 3, "MediaUrl1"),
            ("many", 2, "NumMedia"),
            ("-1", 2, "NumMedia"),
            ("4294967295", u32::MAX, "MediaUrl1"),
        ] {
            let form = format!("{}{files}", TEXT.replacen("NumMedia=0", &format!("NumMedia={count}"), 1));
            let message = parse(&form).unwrap();
            let urls: Vec<_> = message.media.iter().map(|file| file.url.as_str()).collect();
            assert_eq!((urls.as_slice(), message.num_media), (["a", "c"].as_slice(), num_media), "{count}");
            assert_eq!(message.unreadable_parameters, [unreadable], "{count}");
        }
    }

    #[test]
    fn the_message_is_named_by_the_first_readable_sid() {
        let sid = "SM00000000000000000000000000000001";
        for (form, unreadable) in [
            (format!("SmsSid={sid}"), vec![]),
            (format!("SmsMessageSid={sid}"), vec![]),
            (format!("MessageSid=SM1&SmsSid={sid}"), vec!["MessageSid"]),
            (format!("MessageSid=&SmsSid=x&SmsMessageSid={sid}"), vec!["SmsSid"]),
        ] {
            let message =
                parse(&format!("{form}&AccountSid=AC00000000000000000000000000000001&From=ACME+Inc&To=68849")).unwrap();
            assert_eq!(message.message_sid.as_str(), sid, "{form}");
            assert_eq!(message.from.to_string(), "ACME Inc");
            assert_eq!(message.unreadable_parameters, unreadable, "{form}");
        }
    }

    #[test]
    fn the_advertisement_and_the_username_are_read() {
        let message = parse(&format!(
            "{}&ReferralSourceId=120&ReferralMediaId=77&ReferralMediaContentType=image%2Fjpeg&ReferralNumMedia=1\
             &ProfileUsername=ava",
            TEXT.replace("&ReferralNumMedia=0", "")
        ))
        .unwrap();
        let referral = message.details.referral.unwrap();
        assert_eq!(referral.media_id.as_deref(), Some("77"));
        assert_eq!(referral.media_content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(referral.num_media, Some(1));
        assert_eq!(message.details.profile_username.as_deref(), Some("ava"));
        let other = parse(&format!("{TEXT}&Username=ben")).unwrap();
        assert_eq!(other.details.profile_username.as_deref(), Some("ben"));
        assert!(other.details.referral.is_none());
    }
}
