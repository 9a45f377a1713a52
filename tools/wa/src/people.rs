//! People, as an operator names them and as the Contacts table stores them.

use std::{fmt, str::FromStr};

use domain::{
    consent::{ConsentEvidence, ConsentState},
    contact_key::ContactKey,
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::{InvalidScope, Scope, stored_channel},
};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    contacts::{ContactOverview, Contacts, PreferenceOutcome, PreferenceSource, Suppression},
    dynamodb::StoreError,
};
use twilio_types::{
    address::{Address, Channel, E164, Identity},
    sid::AccountSid,
};

use crate::redaction::redacted_debug;

/// A person on a channel: `whatsapp:+14155550123`, `whatsapp:US.1349...`, the same without `whatsapp:`, or `sms:+14155550123`.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonAddress {
    /// The channel on which a suppression is recorded.
    pub channel: Channel,
    pub identity: Identity,
}

redacted_debug!(PersonAddress);

impl FromStr for PersonAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "expected a number or a WhatsApp user id, as in +14155550123, whatsapp:US.1349 or sms:+14155550123";
        let Address { channel, identity } = text.parse().map_err(|_| wrong.to_owned())?;
        // An address of Twilio may have any spelling, but what is typed has this one.
        if text.split_once(':').is_some_and(|(prefix, _)| !matches!(prefix, "whatsapp" | "sms")) {
            return Err(format!("{wrong}: only whatsapp: or sms: goes before it, in small letters"));
        }
        let (channel, identity) = match channel {
            Channel::Sms | Channel::WhatsApp => (Channel::WhatsApp, identity),
            // Twilio has no such prefix: it is ours, for the suppressions of a person on every channel but WhatsApp.
            Channel::Other(_) => (Channel::Sms, identity.as_str().parse().map_err(|_| wrong.to_owned())?),
        };
        let identity = person_identity(identity);
        // Otherwise a mistyped number would be an id, and a suppression of it would have no effect.
        match &identity {
            Identity::Opaque(_) => Err(format!(
                "{wrong}: a number begins with + and has 7 to 15 digits alone, a user id has letters and a dot"
            )),
            Identity::Phone(_) | Identity::User(_) => Ok(Self { channel, identity }),
        }
    }
}

/// A person whom a message named, as the export writes them: any address that Twilio has given, on any channel. Its
/// channel is the one that suppressions are stored under.
pub fn person_of_message(text: &str) -> Result<PersonAddress, String> {
    text.parse().or_else(|problem| match text.parse() {
        // Without a channel it was typed.
        Ok(Address { channel: Channel::Sms, .. }) | Err(_) => Err(problem),
        Ok(Address { channel, identity }) => {
            Ok(PersonAddress { channel: stored_channel(channel.name()), identity: person_identity(identity) })
        }
    })
}

/// A WhatsApp user id names its person on every channel: a suppression on SMS may be that of a person who is known by it.
fn person_identity(identity: Identity) -> Identity {
    match identity.as_str().parse() {
        Ok(Identity::User(id)) => Identity::User(id),
        _ => identity,
    }
}

impl fmt::Display for PersonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel.name(), self.identity.as_str())
    }
}

impl PersonAddress {
    /// The address as Twilio writes it.
    pub fn at_twilio(&self) -> Address {
        let Self { channel, identity } = self.clone();
        Address { channel, identity }
    }

    /// The key in the Contacts table.
    pub fn key(&self, account_sid: &AccountSid) -> ContactKey {
        ContactKey::new(account_sid, &self.identity)
    }
}

/// Parses the scope of a suppression as an operator writes it.
pub fn scope(text: &str) -> Result<Scope, InvalidScope> {
    Scope::of_request(text)
}

/// Parses a scope that the Contacts table may hold: those of [`scope`], and the number of a sender to which a person wrote
/// STOP by SMS.
pub fn recorded_scope(text: &str) -> Result<Scope, InvalidScope> {
    if text.parse::<E164>().is_ok() { Ok(Scope::Sender(text.to_owned())) } else { scope(text) }
}

/// What a suppression covers that a message made: what [`recorded_scope`] accepts, and any other address or short code that
/// the message may have been written to.
pub fn scope_of_message(text: &str) -> Result<Scope, InvalidScope> {
    let is_address = text.parse::<Address>().is_ok_and(|address| {
        address.channel != Channel::Sms || address.identity.as_str().bytes().all(|byte| byte.is_ascii_digit())
    });
    recorded_scope(text).or_else(|problem| if is_address { Ok(Scope::Sender(text.to_owned())) } else { Err(problem) })
}

/// What is stored of a person, in the JSON of `GET /contacts/{contact}`.
#[derive(Serialize)]
pub struct ContactView {
    pub account_sid: AccountSid,
    /// A number or a user id.
    pub contact: String,
    #[serde(flatten)]
    pub overview: ContactOverview,
}

/// Records a preference of a file, which has its own time and may name the person's message.
pub async fn record_preference(
    contacts: &Contacts,
    contact: &ContactKey,
    channel: &Channel,
    scope: &Scope,
    preference: &RecordedPreference,
    recorded_by: Option<String>,
) -> Result<PreferenceOutcome, StoreError> {
    let source = PreferenceSource::of_request(contact, Some(channel), scope, preference, recorded_by);
    let scopes = std::slice::from_ref(scope);
    contacts.record_preference(contact, Some(channel), scopes, preference, &source, Timestamp::now()).await
}

/// The stored preference of a scope on a channel.
pub fn find_suppression<'a>(
    overview: &'a ContactOverview,
    channel: &Channel,
    scope: &Scope,
) -> Option<&'a Suppression> {
    overview.suppressions.iter().find(|found| found.channel == channel.name() && found.scope == *scope)
}

/// Whether a proof of consent was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentWrite {
    Recorded,
    AlreadyRecorded,
}

/// Records a proof of consent unless the same proof is stored: each is a separate item, and a file that is imported twice
/// must not store them twice.
pub async fn record_consent(
    contacts: &Contacts,
    contact: &ContactKey,
    evidence: &ConsentEvidence,
) -> Result<ConsentWrite, StoreError> {
    let overview = contacts.overview(contact).await?;
    if overview.consents.iter().flat_map(|history| &history.evidence).any(|stored| is_same(stored, evidence)) {
        return Ok(ConsentWrite::AlreadyRecorded);
    }
    contacts.record_consent(contact, evidence, Timestamp::now()).await?;
    Ok(ConsentWrite::Recorded)
}

/// Whether two proofs are the same, apart from when and by whom they were recorded.
fn is_same(stored: &ConsentEvidence, evidence: &ConsentEvidence) -> bool {
    let recorded = ConsentEvidence {
        recorded_at: stored.recorded_at,
        recorded_by: stored.recorded_by.clone(),
        ..evidence.clone()
    };
    *stored == recorded
}

/// The action that records a state of consent, in a file of contacts.
pub const fn consent_action(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Given => "consent",
        ConsentState::Withdrawn => "withdraw",
    }
}

/// Says for people what a preference changed.
pub fn summary(preference: Preference, change: &PreferenceOutcome) -> String {
    let now = match preference {
        Preference::OptedOut => "suppressed",
        Preference::OptedIn => "not suppressed",
    };
    let before = match change.before.first().map(|before| &before.preference) {
        None => "nothing was known before".to_owned(),
        Some(before) => {
            let state = match before.preference {
                Preference::OptedOut => "suppressed",
                Preference::OptedIn => "opted in",
            };
            let by = match (&before.message_sid, &before.reason) {
                (Some(sid), _) => format!(" by {sid}"),
                (None, Some(reason)) => format!(" ({reason})"),
                (None, None) => String::new(),
            };
            format!("before: {state} since {}{by}", before.changed_at)
        }
    };
    match change.effect {
        PreferenceEffect::Stale => format!("unchanged, because a newer preference is stored; {before}"),
        PreferenceEffect::Changed | PreferenceEffect::Repeated => format!("{now}; {before}"),
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::Category;

    use super::*;

    #[test]
    fn an_address_without_a_channel_is_on_whatsapp() {
        for (text, expected) in [
            ("+14155550123", "whatsapp:+14155550123"),
            ("whatsapp:+14155550123", "whatsapp:+14155550123"),
            ("sms:+14155550123", "sms:+14155550123"),
            ("US.13491208655302741918", "whatsapp:US.13491208655302741918"),
            ("whatsapp:US.13491208655302741918", "whatsapp:US.13491208655302741918"),
            ("US.ENT.13491208655302741918", "whatsapp:US.ENT.13491208655302741918"),
            ("sms:US.13491208655302741918", "sms:US.13491208655302741918"),
        ] {
            let address: PersonAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), expected);
            assert!(!format!("{address:?}").contains(address.identity.as_str()), "{text}");
        }
        for text in [
            "",
            "14155550123",
            "whatsapp:14155550123",
            "+1 415 555 0123",
            "+1-415-555-0123",
            "(415)5550123",
            "+1.415.555.0123",
            "+1415555O123",
            "sms:+1415555O123",
            "+US.13491208655302741918",
            "foo",
            "US13491208655302741918",
            "Whatsapp:+14155550123",
            "SMS:+14155550123",
            "tel:+14155550123",
        ] {
            assert!(text.parse::<PersonAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_is_parsed_as_it_is_written() {
        for text in ["all", "marketing", "whatsapp:+14155238886", "MG00000000000000000000000000000001"] {
            assert_eq!(scope(text).unwrap().as_text(), text);
        }
        let elsewhere = ["sms:+14155238886", "WhatsApp:+14155238886", "whatsapp:US.13491208655302741918"];
        for text in ["", "utility", "everything", "MG1"].into_iter().chain(elsewhere) {
            assert!(scope(text).is_err() && recorded_scope(text).is_err(), "{text}");
        }
        let by_sms = "+14155238886";
        assert!(scope(by_sms).is_err());
        assert_eq!(recorded_scope(by_sms).unwrap().as_text(), by_sms);
    }

    #[test]
    fn a_person_whom_a_message_named_may_have_any_address() {
        for (text, expected) in [
            ("+14155550123", "whatsapp:+14155550123"),
            ("sms:68849", "sms:68849"),
            ("rcs:+14155550123", "sms:+14155550123"),
            ("messenger:108", "sms:108"),
            ("WhatsApp:+14155550123", "whatsapp:+14155550123"),
        ] {
            assert_eq!(person_of_message(text).unwrap().to_string(), expected);
        }
        for text in ["", "14155550123", "ACME", "+1 415 555 0123", "rcs:"] {
            assert!(person_of_message(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_may_have_been_written_to_any_sender() {
        for text in ["all", "marketing", "whatsapp:+14155238886", "+14155238886", "rcs:brand_agent", "68849"] {
            assert_eq!(scope_of_message(text).unwrap().as_text(), text);
        }
        for text in ["", "utility", "everything", "MG1"] {
            assert!(scope_of_message(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_proof_recorded_by_somebody_else_is_the_same_proof() {
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let evidence = ConsentEvidence::withdrawal(Category::Marketing, at, "form", at);
        let later =
            ConsentEvidence { recorded_at: Timestamp::MAX, recorded_by: Some("a".to_owned()), ..evidence.clone() };
        assert!(is_same(&evidence, &later));
        assert!(!is_same(&evidence, &ConsentEvidence { source: "other".to_owned(), ..evidence.clone() }));
    }
}
