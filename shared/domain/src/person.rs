//! A person: everything that decides whether, on which channel and when a message may be sent to them.
//!
//! All of it is one value, stored as one item, so that one condition can compare all of it: a consent counts only if it
//! is newer than the person's last STOP, whichever of the two was recorded first. Every function here is pure. The store
//! reads a person, changes it with these functions, and writes it on the condition that it has not changed meanwhile.
//!
//! - A STOP, and a START that lifts it, are kept for each channel and scope ([`SuppressionKey`]). A STOP counts on every
//!   channel, whichever it came by.
//! - Times never move back, so that what arrives late and is older changes nothing.
//! - A person has several identities: spellings of a number are one key already ([`crate::contact_key`]); a WhatsApp user
//!   id, a parent user id and a second number are [`Person::aliases`] of the home identity ([`choose_home`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use twilio_types::address::Channel;

use crate::{
    consent::{Consent, ConsentState},
    contact_key::ContactKey,
    limits::CONTACT_RETENTION,
    notification::{Category, NotificationId},
    policy::MarketingCap,
    preference::{Preference, PreferenceEffect, RecordedPreference, effect},
    suppression::{CHANNELS, Scope, SuppressionKey},
    token_bucket::{SENDER_RECIPIENT_RETENTION, reserve_sender_recipient},
};

/// A person, as the `person` item of the Contacts table holds it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The other identities: numbers and user ids, without the account. The home identity is the key of the item.
    pub aliases: BTreeSet<String>,
    /// What the person last said about our messages, by channel and scope.
    pub preferences: BTreeMap<SuppressionKey, RecordedPreference>,
    /// The last STOP that covers more than marketing, even if a START lifted it: older consents do not count.
    pub last_stop_at: Option<Timestamp>,
    /// The last STOP of marketing alone: older consents to marketing do not count.
    pub last_marketing_stop_at: Option<Timestamp>,
    /// The newest consent or withdrawal by category, as it was recorded. [`Person::consent`] compares it with the STOPs.
    pub consents: BTreeMap<Category, Consent>,
    /// When the person last wrote on WhatsApp, by the sender or the Messaging Service that received it.
    pub windows: BTreeMap<WindowKey, Timestamp>,
    /// The recent marketing notifications, for the cap.
    pub marketing_sent: BTreeMap<NotificationId, Timestamp>,
    /// The theoretical arrival time of the bucket of this person and a sender, in microseconds since 1970.
    pub buckets: BTreeMap<String, i64>,
    /// The notifications whose template was sent, or is being sent, and whose content follows the person's answer.
    pub awaiting: BTreeSet<NotificationId>,
}

/// The service window of a sender or of a Messaging Service, always on WhatsApp: SMS has no window, and an answer by SMS
/// opens none. As in `whatsapp:+14155238886` or `whatsapp:MG...`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey(String);

impl WindowKey {
    /// The key of a sender's address or a service's SID.
    pub fn of(sender: &str) -> Self {
        let prefix = if sender.starts_with("whatsapp:") { "" } else { "whatsapp:" };
        Self(format!("{prefix}{sender}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The sender's address, or the service's SID.
    pub fn sender(&self) -> &str {
        self.0.strip_prefix("whatsapp:").filter(|rest| rest.starts_with("MG")).unwrap_or(&self.0)
    }
}

impl fmt::Debug for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowKey(..)")
    }
}

/// What recording a consent changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentEffect {
    /// It is the consent that counts now.
    Current(Consent),
    /// A newer consent, withdrawal or STOP counts: this one.
    Historic(Consent),
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("preferences", &self.preferences.len())
            .field("consents", &self.consents)
            .field("last_stop_at", &self.last_stop_at)
            .field("awaiting", &self.awaiting)
            .finish_non_exhaustive()
    }
}

impl Person {
    /// The first of these scopes in which the person opted out, on any channel.
    pub fn suppressed_by<'a>(&self, scopes: impl IntoIterator<Item = &'a Scope>) -> Option<&'a Scope> {
        let is_stopped = |scope: &Scope| {
            let opted_out = |preference: &RecordedPreference| preference.preference == Preference::OptedOut;
            self.preferences.iter().any(|(key, preference)| key.scope == *scope && opted_out(preference))
        };
        scopes.into_iter().find(|scope| is_stopped(scope))
    }

    /// Records what the person said about our messages in these scopes. The newest request counts, and a STOP wins
    /// within the difference of two clocks ([`effect`]). A STOP ends every older consent, also if a newer START makes
    /// the STOP itself stale.
    pub fn record_preference(
        &mut self,
        channel: &Channel,
        scopes: &[Scope],
        request: &RecordedPreference,
    ) -> PreferenceEffect {
        if request.preference == Preference::OptedOut {
            self.end_consents(scopes, request.changed_at);
        }
        let effects = scopes.iter().map(|scope| self.record_in_scope(channel, scope, request));
        effects.min().unwrap_or(PreferenceEffect::Stale)
    }

    /// As [`Person::record_preference`], where the request may name no channel. It then lifts every opt-out of these scopes,
    /// whatever channel that came by. Returns the channels that it changed too.
    pub fn record_request(
        &mut self,
        channel: Option<&Channel>,
        scopes: &[Scope],
        request: &RecordedPreference,
    ) -> (PreferenceEffect, Vec<Channel>) {
        let channels = match channel {
            Some(channel) => vec![channel.clone()],
            None => self.channels_of(scopes, request.preference),
        };
        let effects = channels.iter().map(|channel| self.record_preference(channel, scopes, request));
        (effects.min().unwrap_or(PreferenceEffect::Stale), channels)
    }

    /// The channels of a request that names none: all with an opt-out that it lifts, else WhatsApp.
    fn channels_of(&self, scopes: &[Scope], preference: Preference) -> Vec<Channel> {
        let is_stopped = |channel: &Channel| {
            let known = |scope: &Scope| self.preferences.get(&SuppressionKey::of(channel, scope.clone()));
            scopes.iter().filter_map(known).any(|known| known.preference == Preference::OptedOut)
        };
        let stopped = CHANNELS.into_iter().filter(is_stopped).collect::<Vec<_>>();
        match preference {
            Preference::OptedIn if !stopped.is_empty() => stopped,
            Preference::OptedIn | Preference::OptedOut => vec![Channel::WhatsApp],
        }
    }

    fn record_in_scope(&mut self, channel: &Channel, scope: &Scope, request: &RecordedPreference) -> PreferenceEffect {
        let key = SuppressionKey::of(channel, scope.clone());
        let known = self.preferences.get(&key);
        let effect = effect(request.preference, request.changed_at, known);
        if effect != PreferenceEffect::Stale {
            let recorded = request.clone().after(known);
            self.preferences.insert(key, recorded);
        }
        effect
    }

    fn end_consents(&mut self, scopes: &[Scope], at: Timestamp) {
        let is_marketing_only = scopes.iter().all(|scope| *scope == Scope::Marketing);
        let last = if is_marketing_only { &mut self.last_marketing_stop_at } else { &mut self.last_stop_at };
        *last = (*last).max(Some(at));
    }

    /// The consent that counts in a category: the newest recorded one, or its end by a newer STOP. None if the person
    /// neither gave nor refused it. A consent of the same moment as the STOP does not count.
    pub fn consent(&self, category: Category) -> Option<Consent> {
        let recorded = self.consents.get(&category);
        let stopped_at = self.stopped_at(category);
        match (recorded, stopped_at) {
            (Some(recorded), stopped_at) if stopped_at.is_none_or(|stopped_at| recorded.at > stopped_at) => {
                Some(recorded.clone())
            }
            (_, Some(at)) => {
                let evidence = self.evidence_of_stop(at);
                Some(Consent { category, state: ConsentState::Withdrawn, at, text_version: None, evidence })
            }
            (_, None) => None,
        }
    }

    /// When the consent that counts was given; none if there is none.
    pub fn consent_given_at(&self, category: Category) -> Option<Timestamp> {
        self.consent(category).filter(|consent| consent.state == ConsentState::Given).map(|consent| consent.at)
    }

    /// Records a consent or a withdrawal, unless a newer one or a newer STOP counts. Of a consent and a withdrawal at
    /// the same time the withdrawal counts.
    pub fn record_consent(&mut self, consent: Consent) -> ConsentEffect {
        let newer = self.consent(consent.category).filter(|known| match known.at.cmp(&consent.at) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => known.state == ConsentState::Withdrawn && consent.state == ConsentState::Given,
            std::cmp::Ordering::Less => false,
        });
        if let Some(newer) = newer {
            return ConsentEffect::Historic(newer);
        }
        self.consents.insert(consent.category, consent.clone());
        ConsentEffect::Current(consent)
    }

    fn stopped_at(&self, category: Category) -> Option<Timestamp> {
        let of_marketing = self.last_marketing_stop_at.filter(|_| category == Category::Marketing);
        self.last_stop_at.max(of_marketing)
    }

    /// The facet of the history that holds the STOP of this time, as far as the preferences still name its message.
    fn evidence_of_stop(&self, at: Timestamp) -> String {
        let stop = self.preferences.values().find(|preference| preference.changed_at == at);
        let message_sid = stop.and_then(|preference| preference.message_sid.as_ref());
        message_sid.map_or_else(|| HISTORY.to_owned(), |sid| format!("{HISTORY}{sid}"))
    }

    /// When the person last wrote to this sender or service on WhatsApp.
    pub fn last_inbound_at(&self, window: &WindowKey) -> Option<Timestamp> {
        self.windows.get(window).copied()
    }

    /// The person wrote to a sender of ours at this time.
    pub fn open_windows(&mut self, windows: impl IntoIterator<Item = WindowKey>, at: Timestamp) {
        for window in windows {
            let last = self.windows.entry(window).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// How many marketing notifications other than this one count against the cap.
    pub fn marketing_count(&self, other_than: &NotificationId, cap: MarketingCap, now: Timestamp) -> usize {
        self.marketing_sent.iter().filter(|(id, at)| *id != other_than && cap.covers(**at, now)).count()
    }

    /// Counts a marketing notification, and forgets those that the cap does not cover any more.
    pub fn count_marketing(&mut self, id: NotificationId, cap: MarketingCap, now: Timestamp) {
        self.marketing_sent.retain(|_, at| cap.covers(*at, now));
        self.marketing_sent.insert(id, now);
    }

    /// Reserves one message of a sender to this person. The error is the time from which it would fit.
    pub fn reserve(&mut self, sender: &str, now: Timestamp) -> Result<(), Timestamp> {
        let next = reserve_sender_recipient(self.buckets.get(sender).copied(), now.as_microsecond());
        let tat = next.map_err(|at| Timestamp::from_microsecond(at).unwrap_or(now))?;
        self.buckets.insert(sender.to_owned(), tat);
        Ok(())
    }

    /// Takes over what is known of the same person under another identity. The order of two merges makes no difference.
    pub fn merge(&mut self, other: Self) {
        self.aliases.extend(other.aliases);
        for (key, preference) in other.preferences {
            let known = self.preferences.get(&key);
            if known.is_none() || effect(preference.preference, preference.changed_at, known) != PreferenceEffect::Stale
            {
                let merged = preference.after(known);
                self.preferences.insert(key, merged);
            }
        }
        self.last_stop_at = self.last_stop_at.max(other.last_stop_at);
        self.last_marketing_stop_at = self.last_marketing_stop_at.max(other.last_marketing_stop_at);
        for (category, consent) in other.consents {
            let is_newer = self.consents.get(&category).is_none_or(|known| {
                (consent.at, consent.state == ConsentState::Withdrawn)
                    > (known.at, known.state == ConsentState::Withdrawn)
            });
            if is_newer {
                self.consents.insert(category, consent);
            }
        }
        for (window, at) in other.windows {
            self.open_windows([window], at);
        }
        self.marketing_sent.extend(other.marketing_sent);
        for (sender, tat) in other.buckets {
            let known = self.buckets.entry(sender).or_insert(tat);
            *known = tat.max(*known);
        }
        self.awaiting.extend(other.awaiting);
    }

    /// Forgets what decides nothing any more, so that the item stays small.
    pub fn prune(&mut self, now: Timestamp) {
        let is_recent = |at: Timestamp| now.duration_since(at) < CONTACT_RETENTION;
        self.windows.retain(|_, at| is_recent(*at));
        // A START is only needed while an older STOP may still arrive.
        self.preferences.retain(|_, said| said.preference == Preference::OptedOut || is_recent(said.changed_at));
        let full_again = now.as_microsecond() - micros(SENDER_RECIPIENT_RETENTION);
        self.buckets.retain(|_, tat| *tat > full_again);
    }

    /// Whether the person must be remembered without end: for a STOP, also a lifted one since it ends older consents, or
    /// for a consent.
    pub fn is_kept(&self) -> bool {
        let is_stopped = self.preferences.values().any(|said| said.preference == Preference::OptedOut);
        is_stopped || self.last_stop_at.is_some() || self.last_marketing_stop_at.is_some() || !self.consents.is_empty()
    }
}

/// The prefix of the facets that hold what a person said about our messages, append-only and without end.
pub const HISTORY: &str = "history#";

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The identity at which a person is stored, of those at which persons are stored already and those that one message
/// named: a number that is a home already, else a number, else a home, else the first. Of several the smallest, so that
/// concurrent writers choose the same one.
pub fn choose_home<'a>(homes: &'a [ContactKey], named: &'a [ContactKey]) -> Option<&'a ContactKey> {
    let numbers = |keys: &'a [ContactKey]| keys.iter().filter(|key| key.is_number()).min();
    numbers(homes).or_else(|| numbers(named)).or_else(|| homes.iter().min()).or_else(|| named.first())
}

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
