//! Detects opt-out and opt-in requests in an inbound message.

use twilio_types::address::Channel;
use twilio_webhook::inbound_message::{InboundMessage, OptOutType};

use crate::{
    opt_out_keywords::{Keyword, KeywordCertainty, KeywordMatch, Keywords, Language, classify, unmistakable_stop},
    preference::Preference,
};

/// A person's request to opt out, or to opt in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferenceRequest {
    pub preference: Preference,
    pub scope: RequestedScope,
    pub confirmation: Confirmation,
}

/// The messages that a person's request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedScope {
    /// Every message.
    All,
    /// Marketing alone, and nothing else changes: what Meta's own button ("Stop promotions") asks for.
    Marketing,
}

/// Who confirms a request to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// We confirm it, in the language of the keyword.
    FromUs(Language),
    /// Twilio has confirmed it: Advanced Opt-Out answers by itself, and then refuses every other message to the person
    /// (error 21610).
    FromTwilio,
}

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To stop our messages, or to receive them again.
    SetPreference(PreferenceRequest),
    /// Perhaps to stop our messages, in other words than our keywords: a person should look at the message.
    PossibleOptOut(Language),
    /// Neither.
    Other,
}

/// How a message was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By its webhook, which names the button or the list item that was tapped.
    Webhook,
    /// From Twilio's list of messages, where a tap looks like a text: only the label is there, as the body.
    MessageList,
}

/// An id that lifts an opt-out: in capitals, as Twilio writes its keyword. `start` is what a developer calls the first
/// step of anything.
const START_ID: &str = "START";

impl Intent {
    /// Twilio's own judgement, where it made one. Else the id of what was tapped: the developer chose it, and the label
    /// beside it ("Cancel", "Yes") is an ordinary answer. Else the text.
    pub fn of(message: &InboundMessage, origin: Origin, keywords: &Keywords) -> Self {
        if let Some(kind) = message.details.opt_out_type {
            let preference = match kind {
                OptOutType::Stop => Preference::OptedOut,
                OptOutType::Start => Preference::OptedIn,
                _ => return Self::Other,
            };
            let (scope, confirmation) = (RequestedScope::All, Confirmation::FromTwilio);
            return Self::SetPreference(PreferenceRequest { preference, scope, confirmation });
        }
        if let Some(id) = tapped_id(message) {
            return Self::by_id(id, &texts(message), keywords);
        }
        let least = certainty_of_text(message, origin);
        let mut intent = Self::Other;
        for text in texts(message) {
            match (Self::in_text(text, least, keywords), intent) {
                (request @ Self::SetPreference(_), _) => return request,
                (possible @ Self::PossibleOptOut(_), Self::Other) => intent = possible,
                _ => {}
            }
        }
        intent
    }

    /// The requested preference, if there is one.
    pub fn preference(self) -> Option<Preference> {
        if let Self::SetPreference(request) = self { Some(request.preference) } else { None }
    }

    /// The id alone decides. The id of Meta's own button is its label, because no developer chooses one for it. Where the id does
    /// not decide, an id that is a keyword elsewhere, or a label that asks for nothing but an end of our messages, is for a
    /// person to look at; what only sounds like it ("Cancel" on `cancel-appointment-42`) is not.
    fn by_id(id: &str, labels: &[&str], keywords: &Keywords) -> Self {
        let least = if id == START_ID { KeywordCertainty::Typed } else { KeywordCertainty::Everywhere };
        if let request @ Self::SetPreference(_) = Self::in_text(id, least, keywords) {
            return request;
        }
        let ordinary = classify(id, KeywordCertainty::Nowhere, keywords);
        if let KeywordMatch::Whole(Keyword::Stop | Keyword::StopMarketing, language) = ordinary {
            return Self::PossibleOptOut(language);
        }
        let mut texts = labels.iter().chain([&id]);
        texts.find_map(|text| unmistakable_stop(text, keywords)).map_or(Self::Other, Self::PossibleOptOut)
    }

    fn in_text(text: &str, least: KeywordCertainty, keywords: &Keywords) -> Self {
        let (preference, scope, language) = match classify(text, least, keywords) {
            KeywordMatch::Whole(Keyword::Stop, language) => (Preference::OptedOut, RequestedScope::All, language),
            KeywordMatch::Whole(Keyword::StopMarketing, language) => {
                (Preference::OptedOut, RequestedScope::Marketing, language)
            }
            KeywordMatch::Whole(Keyword::Start, language) => (Preference::OptedIn, RequestedScope::All, language),
            KeywordMatch::PossibleOptOut(language) => return Self::PossibleOptOut(language),
            KeywordMatch::Whole(Keyword::Help, _) | KeywordMatch::NoKeyword => return Self::Other,
        };
        Self::SetPreference(PreferenceRequest { preference, scope, confirmation: Confirmation::FromUs(language) })
    }
}

/// The id of the button or the list item that was tapped.
fn tapped_id(message: &InboundMessage) -> Option<&str> {
    let button = message.details.button.as_ref().and_then(|button| button.payload.as_deref());
    button.or_else(|| message.details.list_item.as_ref().map(|item| item.id.as_str()))
}

/// What the message says. A button's text is its body as well, but Twilio does not promise that.
fn texts(message: &InboundMessage) -> Vec<&str> {
    let button = message.details.button.as_ref().and_then(|button| button.text.as_deref());
    let item = message.details.list_item.as_ref().and_then(|item| item.title.as_deref());
    [Some(message.body.as_str()), button, item].into_iter().flatten().collect()
}

/// How certain a word has to be in a message without an id.
fn certainty_of_text(message: &InboundMessage, origin: Origin) -> KeywordCertainty {
    let channel = &message.from.channel;
    // An SMS has no buttons.
    let may_be_tap = *channel != Channel::Sms && (origin == Origin::MessageList || is_tap(message));
    if may_be_tap {
        KeywordCertainty::Everywhere
    } else if is_text_message(channel) {
        KeywordCertainty::InTextMessage
    } else {
        KeywordCertainty::Typed
    }
}

/// Whether a button or a list item was tapped. `MessageType` is `button` or `interactive` then, as in real requests:
/// Twilio sends it, and documents it nowhere.
fn is_tap(message: &InboundMessage) -> bool {
    let kind = message.details.message_type.as_deref();
    message.details.button.is_some() || matches!(kind, Some("button" | "interactive"))
}

/// SMS and RCS.
fn is_text_message(channel: &Channel) -> bool {
    match channel {
        Channel::Sms => true,
        Channel::WhatsApp => false,
        Channel::Other(name) => name.eq_ignore_ascii_case("rcs"),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod labelled;
