//! What an opt-out covers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use twilio_types::{
    address::{Address, Channel, WhatsAppSender},
    error_code::ErrorCode,
    sid::MessagingServiceSid,
};

use crate::{
    opt_out_request::RequestedScope,
    preference::{Preference, PreferenceEffect, RecordedPreference, effect},
};

/// The prefix of the facets that hold preferences.
pub const PREFERENCES: &str = "opt#";

/// The channels that suppressions are stored under. Before a notification goes out, all of them are asked for.
pub const CHANNELS: [Channel; 2] = [Channel::WhatsApp, Channel::Sms];

/// The channel that a suppression is stored under, for the name of the channel that it came by. An opt-out is the
/// person's: it holds on every channel, so one that comes by `rcs`, or by a channel that is not known yet, has to be
/// stored where claims look for it. They go with SMS, since a Messaging Service sends one message as RCS or as SMS.
///
/// What was stored under another name before is not looked for. Exporting and importing the contacts brings it here.
pub fn stored_channel(name: &str) -> Channel {
    if name.eq_ignore_ascii_case(Channel::WhatsApp.name()) { Channel::WhatsApp } else { Channel::Sms }
}

/// The channel and the scope under which a person's preference is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuppressionKey {
    /// The name of one of [`CHANNELS`].
    pub channel: String,
    pub scope: Scope,
}

impl SuppressionKey {
    /// The key for whatever channel the preference came by.
    pub fn of(channel: &Channel, scope: Scope) -> Self {
        Self { channel: stored_channel(channel.name()).name().to_owned(), scope }
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Self {
        match text.split_once('#') {
            None => Self { channel: text.to_owned(), scope: Scope::All },
            Some((channel, "marketing")) => Self { channel: channel.to_owned(), scope: Scope::Marketing },
            Some((channel, sender)) => Self { channel: channel.to_owned(), scope: Scope::Sender(sender.to_owned()) },
        }
    }
}

impl fmt::Display for SuppressionKey {
    /// As in `whatsapp`, `whatsapp#marketing` and `whatsapp#whatsapp:+14155238886`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::All => f.write_str(&self.channel),
            Scope::Marketing => write!(f, "{}#marketing", self.channel),
            Scope::Sender(sender) => write!(f, "{}#{sender}", self.channel),
        }
    }
}

/// What a suppression covers, within one account and one channel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every message.
    All,
    /// Only marketing: what a person can choose in WhatsApp's settings (errors 63033 and 63050).
    Marketing,
    /// Every message of one sender: an address, as in `whatsapp:+14155238886`, or a Messaging Service's SID.
    Sender(String),
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "All",
            Self::Marketing => "Marketing",
            Self::Sender(_) => "Sender(..)",
        })
    }
}

/// Not a scope that a request can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected all, marketing, a sender as in whatsapp:+14155238886, or a Messaging Service's SID")]
pub struct InvalidScope;

impl Scope {
    /// The word in events and requests.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Marketing => "marketing",
            Self::Sender(_) => "sender",
        }
    }

    /// The scope that a request names: `all`, `marketing`, the address of a sender on WhatsApp, or the SID of a Messaging
    /// Service. Before a message goes out, no other scope is asked for.
    pub fn of_request(text: &str) -> Result<Self, InvalidScope> {
        match text {
            "all" => Ok(Self::All),
            "marketing" => Ok(Self::Marketing),
            sender => {
                let is_sender = sender.parse::<MessagingServiceSid>().is_ok()
                    || WhatsAppSender::try_from(sender.to_owned()).is_ok();
                if is_sender { Ok(Self::Sender(sender.to_owned())) } else { Err(InvalidScope) }
            }
        }
    }

    /// The text that [`Scope::of_request`] reads.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Sender(sender) => sender,
            scope => scope.name(),
        }
    }

    /// The channel and the scope of a facet; none if the facet holds no preference.
    pub fn in_facet(facet: &str) -> Option<(&str, Self)> {
        let preference = facet.strip_prefix(PREFERENCES)?;
        Some(match preference.split_once('#') {
            None => (preference, Self::All),
            Some((channel, "marketing")) => (channel, Self::Marketing),
            Some((channel, sender)) => (channel, Self::Sender(sender.to_owned())),
        })
    }

    /// The facet of a contact that holds the preference: `opt#whatsapp`, `opt#whatsapp#marketing`,
    /// `opt#whatsapp#whatsapp:+14155238886`. Whatever the channel is, it is one of those that [`CHANNELS`] gives.
    pub fn facet(&self, channel: &Channel) -> String {
        let channel = stored_channel(channel.name());
        let channel = channel.name();
        match self {
            Self::All => format!("{PREFERENCES}{channel}"),
            Self::Marketing => format!("{PREFERENCES}{channel}#marketing"),
            Self::Sender(sender) => format!("{PREFERENCES}{channel}#{sender}"),
        }
    }
}

/// What a STOP covers: `all` (the default) or `sender`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OptOutScope {
    /// Every message of the account.
    #[default]
    All,
    /// The sender that received it, and the Messaging Service of that sender.
    Sender,
}

/// Not an [`OptOutScope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected all or sender")]
pub struct InvalidOptOutScope;

impl FromStr for OptOutScope {
    type Err = InvalidOptOutScope;

    fn from_str(text: &str) -> Result<Self, InvalidOptOutScope> {
        match text {
            "all" => Ok(Self::All),
            "sender" => Ok(Self::Sender),
            _ => Err(InvalidOptOutScope),
        }
    }
}

/// The reason of an opt-out that Twilio or WhatsApp reported by a code.
pub fn reported_reason(code: ErrorCode) -> String {
    format!("reported by Twilio's code {code}")
}

impl OptOutScope {
    /// The scopes of an opt-out that Twilio reported for a message of a sender, by that sender or by a Messaging Service. If
    /// neither is known, it covers everything.
    pub fn scopes_of_report(self, sender: Option<&Address>, service: Option<&MessagingServiceSid>) -> Vec<Scope> {
        match (self, sender, service) {
            (Self::Sender, Some(sender), service) => {
                self.scopes(Preference::OptedOut, RequestedScope::All, sender, service)
            }
            (Self::Sender, None, Some(service)) => vec![Scope::Sender(service.to_string())],
            (Self::Sender, None, None) | (Self::All, _, _) => vec![Scope::All],
        }
    }

    /// The scopes that a request to a sender of ours changes. Who asks for no marketing is asked by none of our senders
    /// again, and keeps any other STOP. A START lifts more than a STOP covers: a STOP of marketing, and one that was
    /// recorded for every message before the scope was `sender`, must not suppress the messages that the person asks for
    /// now.
    ///
    /// A notification names a WhatsApp sender or a Messaging Service. A STOP to anything else, such as an RCS agent of no
    /// service, would cover nothing, so it covers everything.
    pub fn scopes(
        self,
        requested: Preference,
        scope: RequestedScope,
        sender: &Address,
        messaging_service: Option<&MessagingServiceSid>,
    ) -> Vec<Scope> {
        let sender = sender.to_string();
        let service = messaging_service.map(|sid| Scope::Sender(sid.to_string()));
        let can_be_named = WhatsAppSender::try_from(sender.clone()).is_ok();
        let sender = Scope::Sender(sender);
        match (self, requested, scope) {
            (_, _, RequestedScope::Marketing) => vec![Scope::Marketing],
            (Self::All, Preference::OptedOut, _) => vec![Scope::All],
            (Self::All, Preference::OptedIn, _) => vec![Scope::All, Scope::Marketing],
            (Self::Sender, Preference::OptedIn, _) => {
                [sender].into_iter().chain(service).chain([Scope::All, Scope::Marketing]).collect()
            }
            (Self::Sender, Preference::OptedOut, _) if can_be_named => [sender].into_iter().chain(service).collect(),
            (Self::Sender, Preference::OptedOut, _) => vec![service.unwrap_or(Scope::All)],
        }
    }
}

/// The preference that counts for a person with several keys: the newest, and of two at the same time the opt-out.
pub fn newest<'a>(known: impl IntoIterator<Item = &'a RecordedPreference>) -> Option<&'a RecordedPreference> {
    known.into_iter().max_by_key(|known| (known.changed_at, known.preference == Preference::OptedOut))
}

/// Which of two contacts of one person copies the other's preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    SecondToFirst,
    FirstToSecond,
    /// Both have the same preference, or neither has an opt-out.
    Neither,
}

/// Decides for one scope: the newer preference wins, and the opt-out wins if the clocks cannot tell which is newer.
pub fn copy_direction(first: Option<&RecordedPreference>, second: Option<&RecordedPreference>) -> CopyDirection {
    let changes = |new: Option<&RecordedPreference>, known: Option<&RecordedPreference>, preference| {
        new.filter(|new| new.preference == preference)
            .is_some_and(|new| effect(new.preference, new.changed_at, known) == PreferenceEffect::Changed)
    };
    for preference in [Preference::OptedOut, Preference::OptedIn] {
        if changes(first, second, preference) {
            return CopyDirection::FirstToSecond;
        }
        if changes(second, first, preference) {
            return CopyDirection::SecondToFirst;
        }
    }
    CopyDirection::Neither
}

#[cfg(test)]
mod tests;
