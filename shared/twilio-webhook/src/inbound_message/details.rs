//! The parameters that only some messages have.

use std::str::FromStr;

use serde::Serialize;
use twilio_types::sid::MessagingServiceSid;

use super::answers::{FlowAnswer, JsonAnswers, Order, Reaction};
use crate::{contact_card::ContactCard, fields::Fields, redacted::redacted_debug};

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
    /// `ProfileUsername` or `Username`: the person's username on WhatsApp. Twilio documents neither name; both are in
    /// reports of users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_username: Option<String>,
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
    /// `FlowData` as JSON: what the person entered into a flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowAnswer>,
    /// What the person orders from a catalog, if the form says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The emoji with which the person reacts to a message, if the form says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction: Option<Reaction>,
    /// The contact cards in the text. A card that is a file is in `media`, with the type `text/vcard`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactCard>,
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
    /// `ReferralMediaId`: Meta's id of that picture or video.
    pub media_id: Option<String>,
    /// `ReferralMediaContentType`: its media type, as in `image/jpeg`.
    pub media_content_type: Option<String>,
    /// `ReferralNumMedia`: the number of pictures and videos.
    pub num_media: Option<u32>,
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
    Details {}
    Button {}
    ListItem {}
    Location {}
    Referral {}
    ReplyTo { message_sid }
}

impl Details {
    pub(super) fn parse(fields: &mut Fields<'_>) -> Self {
        let answers = JsonAnswers::read(fields);
        Self {
            messaging_service_sid: fields.parsed("MessagingServiceSid"),
            profile_name: fields.text("ProfileName"),
            profile_username: fields.text("ProfileUsername").or_else(|| fields.text("Username")),
            wa_id: fields.text("WaId"),
            external_user_id: fields.user_id("ExternalUserId"),
            parent_external_user_id: fields.user_id("ParentExternalUserId"),
            message_type: fields.text("MessageType"),
            button: Button::parse(fields),
            list_item: fields.text("ListId").map(|id| ListItem { id, title: fields.text("ListTitle") }),
            interactive_data: fields.text("InteractiveData"),
            flow_data: fields.text("FlowData"),
            flow: answers.flow(fields),
            order: answers.order(),
            reaction: answers.reaction(fields),
            contacts: fields.text("Body").map(|body| ContactCard::parse_all(&body)).unwrap_or_default(),
            channel_metadata: fields.text("ChannelMetadata"),
            location: Location::parse(fields),
            referral: Referral::parse(fields),
            reply_to: fields
                .text("OriginalRepliedMessageSid")
                .map(|message_sid| ReplyTo { message_sid, sender: fields.text("OriginalRepliedMessageSender") }),
            forwarded: fields.parsed("Forwarded"),
            frequently_forwarded: fields.parsed("FrequentlyForwarded"),
            opt_out_type: fields.parsed("OptOutType"),
        }
    }
}

impl Button {
    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let button = Self {
            text: fields.text("ButtonText"),
            payload: fields.text("ButtonPayload"),
            kind: fields.text("ButtonType"),
        };
        (button.text.is_some() || button.payload.is_some()).then_some(button)
    }
}

impl Location {
    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let [latitude, longitude] = ["Latitude", "Longitude"].map(|name| fields.read(name, degrees));
        Some(Self {
            latitude: latitude?,
            longitude: longitude?,
            address: fields.text("Address"),
            label: fields.text("Label"),
        })
    }
}

/// JSON has no number for what is not finite.
fn degrees(text: &str) -> Option<f64> {
    text.parse().ok().filter(|degrees: &f64| degrees.is_finite())
}

impl Referral {
    /// `ReferralNumMedia=0` is in the form of an ordinary message too, and does not make a referral.
    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        let referral = Self {
            body: fields.text("ReferralBody"),
            headline: fields.text("ReferralHeadline"),
            source_id: fields.text("ReferralSourceId"),
            source_type: fields.text("ReferralSourceType"),
            source_url: fields.text("ReferralSourceUrl"),
            media_url: fields.text("ReferralMediaUrl"),
            media_id: fields.text("ReferralMediaId"),
            media_content_type: fields.text("ReferralMediaContentType"),
            num_media: fields.parsed("ReferralNumMedia"),
            ctwa_clid: fields.text("ReferralCtwaClid"),
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
