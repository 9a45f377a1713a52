//! What a person sends, as `POST /sandbox/inbound` and a scenario give it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};
use twilio_types::{
    address::{Address, Channel, InvalidAddress, UserId},
    sid::MessageSid,
};

use crate::{
    choices::{Choices, ReactionWebhook},
    messages::MessageLocation,
    rich::{PersonOrder, RichContent},
    user_id,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonMessage {
    /// `whatsapp:+14155550123`, `whatsapp:US.123` for a person who withholds the number, or `+14155550123` for SMS.
    #[serde(deserialize_with = "address")]
    pub(crate) from: Address,
    /// The sender that the person writes to. Without one it is the account's sender of the channel.
    #[serde(default, deserialize_with = "some_address")]
    pub(super) to: Option<Address>,
    /// The person's WhatsApp user id, as in `whatsapp:US.123`. Without one it is the id that the sandbox has given to the person.
    #[serde(default)]
    pub(super) external_user_id: Option<String>,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) media: Vec<AttachedFile>,
    /// Without one it is the name of the person, and `Ava` for an address that no person has.
    #[serde(default)]
    pub(super) profile_name: Option<String>,
    #[serde(default)]
    pub(super) location: Option<MessageLocation>,
    /// The button of a message that the person presses.
    #[serde(default)]
    pub(super) button: Option<PressedButton>,
    /// The row of a list that the person selects.
    #[serde(default)]
    pub(super) list_item: Option<ChosenRow>,
    /// What the person enters into a flow, by the names of the fields.
    #[serde(default)]
    pub(super) flow: Option<Map<String, Value>>,
    /// What the person orders from a catalog.
    #[serde(default)]
    pub(super) order: Option<PersonOrder>,
    /// The emoji with which the person reacts to the message that it replies to; an empty text removes the reaction.
    #[serde(default)]
    pub(super) reaction: Option<String>,
    /// The advertisement on which the person clicked.
    #[serde(default)]
    pub(super) referral: Option<AdReferral>,
    /// The message that the person replies to.
    #[serde(default)]
    pub(super) replied_to: Option<MessageSid>,
    #[serde(default)]
    pub(super) forwarded: bool,
    /// Whether it was forwarded many times.
    #[serde(default)]
    pub(super) frequently_forwarded: bool,
    /// Parameters that are added to the usual ones or replace them: `{"ButtonPayload": "yes"}`.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttachedFile {
    pub(super) url: String,
    pub(super) content_type: String,
    /// Its name on the phone, which the page shows and no webhook has.
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// Source: Twilio, "twilio/quick-reply".
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PressedButton {
    pub(super) title: String,
    /// The id that the button was created with.
    #[serde(default)]
    pub(super) id: Option<String>,
}

/// The row of a list. Source: Twilio, "twilio/list-picker".
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChosenRow {
    pub(super) id: String,
    pub(super) title: String,
}

/// The advertisement of a click-to-WhatsApp conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdReferral {
    pub(super) source_id: String,
    #[serde(default)]
    pub(super) source_url: Option<String>,
    #[serde(default)]
    pub(super) headline: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) media_url: Option<String>,
    #[serde(default)]
    pub(super) media_content_type: Option<String>,
    /// The id of the click.
    #[serde(default)]
    pub(super) ctwa_clid: Option<String>,
}

fn some_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    address(deserializer).map(Some)
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address: Address = text.parse().map_err(D::Error::custom)?;
    // With a colon it would be an odd sender of an SMS, and is more likely a channel without an id.
    if address.channel == Channel::Sms && text.contains(':') {
        return Err(D::Error::custom(InvalidAddress::Contact));
    }
    Ok(address)
}

impl PersonMessage {
    /// A message of nothing but a text.
    pub(super) fn of_text(from: Address, to: Address, body: String) -> Self {
        Self {
            from,
            to: Some(to),
            body,
            external_user_id: None,
            media: Vec::new(),
            profile_name: None,
            location: None,
            button: None,
            list_item: None,
            flow: None,
            order: None,
            reaction: None,
            referral: None,
            replied_to: None,
            forwarded: false,
            frequently_forwarded: false,
            parameters: BTreeMap::new(),
        }
    }

    /// The user id that the webhook is to have.
    pub(super) fn given_user_id(&self) -> Option<UserId> {
        let given = self.parameters.get("ExternalUserId").or(self.external_user_id.as_ref());
        given.and_then(|address| user_id::of_address(address))
    }

    /// The text of the message: for a button that is pressed and a row that is selected, its title, and for a reaction the emoji
    /// where a webhook brings it so.
    pub(super) fn text(&self, choices: Choices) -> &str {
        let chosen = self.list_item.as_ref().map(|row| row.title.as_str());
        let reaction = self.reaction.as_deref().filter(|_| choices.reaction == ReactionWebhook::Message);
        let pressed = self.button.as_ref().map(|button| button.title.as_str());
        pressed.or(chosen).or(reaction).unwrap_or(&self.body)
    }

    /// What the phone shows of an answer that has no text.
    pub(super) fn rich(&self) -> Option<RichContent> {
        let flow = self.flow.clone().map(|fields| RichContent::FlowAnswer { fields });
        let order = self.order.clone().map(RichContent::Order);
        flow.or(order).or_else(|| self.reaction.clone().map(|emoji| RichContent::Reaction { emoji }))
    }

    /// Whether it belongs to another message.
    pub(super) fn has_context(&self) -> bool {
        self.forwarded
            || self.frequently_forwarded
            || self.button.is_some()
            || self.list_item.is_some()
            || self.replied_to.is_some()
    }

    /// The webhook's `MessageType`.
    pub(super) fn message_type(&self) -> &'static str {
        let media = self.media.first().map(|file| file.content_type.split('/').next().unwrap_or_default());
        match media {
            Some("image") => "image",
            Some("video") => "video",
            Some("audio") => "audio",
            Some(_) => "document",
            None if self.location.is_some() => "location",
            None if self.reaction.is_some() => "reaction",
            None if self.order.is_some() => "order",
            None if self.button.is_some() || self.list_item.is_some() || self.flow.is_some() => "interactive",
            None => "text",
        }
    }
}
