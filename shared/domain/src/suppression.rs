//! What an opt-out covers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use twilio_types::{
    address::{Address, Channel, WhatsAppSender},
    sid::MessagingServiceSid,
};

use crate::preference::{Preference, PreferenceEffect, RecordedPreference, effect};

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

impl Scope {
    /// The word in events and requests.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Marketing => "marketing",
            Self::Sender(_) => "sender",
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

impl OptOutScope {
    /// The scopes that a request to a sender of ours changes. A START lifts more than a STOP covers: a STOP that was
    /// recorded for every message, before the scope was `sender`, must not suppress the messages that the person asks
    /// for now.
    ///
    /// A notification names a WhatsApp sender or a Messaging Service. A STOP to anything else, such as an RCS agent of no
    /// service, would cover nothing, so it covers everything.
    pub fn scopes(
        self,
        requested: Preference,
        sender: &Address,
        messaging_service: Option<&MessagingServiceSid>,
    ) -> Vec<Scope> {
        let sender = sender.to_string();
        let service = messaging_service.map(|sid| Scope::Sender(sid.to_string()));
        let can_be_named = WhatsAppSender::try_from(sender.clone()).is_ok();
        let sender = Scope::Sender(sender);
        match (self, requested) {
            (Self::All, _) => vec![Scope::All],
            (Self::Sender, Preference::OptedIn) => [sender].into_iter().chain(service).chain([Scope::All]).collect(),
            (Self::Sender, Preference::OptedOut) if can_be_named => [sender].into_iter().chain(service).collect(),
            (Self::Sender, Preference::OptedOut) => vec![service.unwrap_or(Scope::All)],
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
mod tests {
    use jiff::Timestamp;
    use proptest::{option, prelude::*};

    use super::*;

    fn recorded(preference: Preference, second: i64) -> RecordedPreference {
        let changed_at = Timestamp::from_second(1_790_000_000 + second).unwrap();
        RecordedPreference { preference, changed_at, message_sid: None, reason: None }
    }

    #[test]
    fn each_scope_has_its_facet() {
        for (scope, facet) in [
            (Scope::All, "opt#whatsapp"),
            (Scope::Marketing, "opt#whatsapp#marketing"),
            (Scope::Sender("whatsapp:+14155238886".into()), "opt#whatsapp#whatsapp:+14155238886"),
        ] {
            assert_eq!(scope.facet(&Channel::WhatsApp), facet);
        }
    }

    #[test]
    fn every_channel_is_stored_under_one_that_is_asked_for() {
        for (channel, facet) in [
            (Channel::WhatsApp, "opt#whatsapp"),
            (Channel::Sms, "opt#sms"),
            (Channel::Other("WhatsApp".to_owned()), "opt#whatsapp"),
            (Channel::Other("SMS".to_owned()), "opt#sms"),
            (Channel::Other("rcs".to_owned()), "opt#sms"),
            (Channel::Other("messenger".to_owned()), "opt#sms"),
        ] {
            assert_eq!(Scope::All.facet(&channel), facet);
        }
    }

    #[test]
    fn a_stop_to_an_agent_covers_its_service_or_everything() {
        let service: MessagingServiceSid = "MG00000000000000000000000000000001".parse().unwrap();
        for sender in ["rcs:brand_agent", "+14155550100", "68849", "messenger:108", "WhatsApp:+14155238886"] {
            let sender: Address = sender.parse().unwrap();
            let stop = |service| OptOutScope::Sender.scopes(Preference::OptedOut, &sender, service);
            assert_eq!(stop(Some(&service)), [Scope::Sender(service.to_string())], "{sender}");
            assert_eq!(stop(None), [Scope::All], "{sender}");
            let start = OptOutScope::Sender.scopes(Preference::OptedIn, &sender, Some(&service));
            let covered = [Scope::Sender(sender.to_string()), Scope::Sender(service.to_string()), Scope::All];
            assert_eq!(start, covered, "{sender}");
        }
    }

    #[test]
    fn a_request_covers_the_configured_scopes() {
        let sender: Address = "whatsapp:+14155238886".parse().unwrap();
        let service: MessagingServiceSid = "MG00000000000000000000000000000001".parse().unwrap();
        let to = |text: &str| Scope::Sender(text.to_owned());
        let (number, pool) = (to("whatsapp:+14155238886"), to("MG00000000000000000000000000000001"));
        let cases = [
            ("all", Preference::OptedOut, Some(&service), vec![Scope::All]),
            ("all", Preference::OptedIn, Some(&service), vec![Scope::All]),
            ("sender", Preference::OptedOut, Some(&service), vec![number.clone(), pool.clone()]),
            ("sender", Preference::OptedOut, None, vec![number.clone()]),
            ("sender", Preference::OptedIn, Some(&service), vec![number, pool, Scope::All]),
        ];
        for (configured, requested, service, expected) in cases {
            let configured: OptOutScope = configured.parse().unwrap();
            assert_eq!(configured.scopes(requested, &sender, service), expected);
        }
        assert_eq!("marketing".parse::<OptOutScope>(), Err(InvalidOptOutScope));
    }

    #[test]
    fn the_newest_preference_counts_for_all_keys_of_a_person() {
        use CopyDirection::{FirstToSecond, Neither, SecondToFirst};
        use Preference::{OptedIn, OptedOut};
        let cases = [
            (None, None, Neither, "no preferences"),
            (Some((OptedOut, 0)), None, FirstToSecond, "a suppression is copied"),
            (None, Some((OptedOut, 0)), SecondToFirst, "in either direction"),
            (Some((OptedIn, 0)), None, Neither, "nothing to lift"),
            (Some((OptedOut, 0)), Some((OptedOut, 9)), Neither, "both are suppressed"),
            (Some((OptedOut, 9)), Some((OptedIn, 0)), FirstToSecond, "the STOP is newer"),
            (Some((OptedOut, 0)), Some((OptedIn, 9)), SecondToFirst, "the START is newer"),
            (Some((OptedOut, 0)), Some((OptedIn, 1)), FirstToSecond, "within the skew of two clocks: the STOP"),
        ];
        for (first, second, expected, case) in cases {
            let [first, second] = [first, second].map(|said| said.map(|(preference, at)| recorded(preference, at)));
            assert_eq!(copy_direction(first.as_ref(), second.as_ref()), expected, "{case}");
        }
    }

    #[test]
    fn the_newest_preference_counts_and_an_opt_out_wins_a_tie() {
        let [out, lifted, older] = [(Preference::OptedOut, 5), (Preference::OptedIn, 5), (Preference::OptedOut, 1)]
            .map(|(p, s)| recorded(p, s));
        assert_eq!(newest([&older, &lifted]), Some(&lifted));
        assert_eq!(newest([&lifted, &out, &older]), Some(&out));
        assert_eq!(newest([]), None);
    }

    fn any_recorded() -> impl Strategy<Value = Option<RecordedPreference>> {
        let preference = prop_oneof![Just(Preference::OptedOut), Just(Preference::OptedIn)];
        option::of((preference, 0_i64..10).prop_map(|(preference, second)| recorded(preference, second)))
    }

    proptest! {
        /// The order of the two does not matter, and after the copy there is nothing more to copy.
        #[test]
        fn copying_preferences_is_symmetric_and_final(first in any_recorded(), second in any_recorded()) {
            let direction = copy_direction(first.as_ref(), second.as_ref());
            let mirrored = match direction {
                CopyDirection::SecondToFirst => CopyDirection::FirstToSecond,
                CopyDirection::FirstToSecond => CopyDirection::SecondToFirst,
                CopyDirection::Neither => CopyDirection::Neither,
            };
            prop_assert_eq!(copy_direction(second.as_ref(), first.as_ref()), mirrored);
            let (first, second) = match direction {
                CopyDirection::SecondToFirst => (second.clone(), second),
                CopyDirection::FirstToSecond => (first.clone(), first),
                CopyDirection::Neither => (first, second),
            };
            prop_assert_eq!(copy_direction(first.as_ref(), second.as_ref()), CopyDirection::Neither);
        }
    }
}
