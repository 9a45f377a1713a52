//! People, as an operator names them and as the Contacts table stores them.

use std::{fmt, str::FromStr};

use domain::{
    consent::{ConsentEvidence, ConsentState},
    contact_key::ContactKey,
    notification::Category,
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::{Scope, stored_channel},
};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    contacts::{ContactOverview, Contacts, Suppression},
    dynamodb::StoreError,
};
use twilio_types::{
    address::{Address, Channel, E164, Identity, WhatsAppSender},
    sid::{AccountSid, MessagingServiceSid},
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
        let channel = match channel {
            Channel::Sms | Channel::WhatsApp => Channel::WhatsApp,
            Channel::Other(name) if name == "sms" => Channel::Sms,
            Channel::Other(_) => {
                return Err(format!("{wrong}: only whatsapp: or sms: goes before it, in small letters"));
            }
        };
        // Otherwise a mistyped number would be an id, and a suppression of it would have no effect.
        match &identity {
            Identity::Opaque(id) if !is_user_id(id) => Err(format!(
                "{wrong}: a number begins with + and has 7 to 15 digits alone, a user id has letters and a dot"
            )),
            _ => Ok(Self { channel, identity }),
        }
    }
}

/// Whether a text has the form of a WhatsApp user id, as in `US.13491208655302741918`: a country, a dot and a number.
fn is_user_id(id: &str) -> bool {
    !id.starts_with('+') && id.contains('.') && id.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A person whom a message named, as the export writes them: any address that Twilio has given, on any channel. Its
/// channel is the one that suppressions are stored under.
pub fn person_of_message(text: &str) -> Result<PersonAddress, String> {
    text.parse().or_else(|problem| match text.parse() {
        // Without a channel it was typed.
        Ok(Address { channel: Channel::Sms, .. }) | Err(_) => Err(problem),
        Ok(Address { channel, identity }) => Ok(PersonAddress { channel: stored_channel(channel.name()), identity }),
    })
}

impl fmt::Display for PersonAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel.name(), self.identity.as_str())
    }
}

impl PersonAddress {
    /// The key in the Contacts table.
    pub fn key(&self, account_sid: &AccountSid) -> ContactKey {
        ContactKey::new(account_sid, &self.identity)
    }
}

/// Parses the scope of a suppression as an operator writes it: `all`, `marketing`, the address of a sender on WhatsApp, or the
/// SID of a Messaging Service. The functions look up no other scope.
pub fn scope(text: &str) -> Result<Scope, String> {
    match text {
        "all" => Ok(Scope::All),
        "marketing" => Ok(Scope::Marketing),
        sender => {
            let is_sender =
                sender.parse::<MessagingServiceSid>().is_ok() || WhatsAppSender::try_from(sender.to_owned()).is_ok();
            let expected =
                "expected all, marketing, a sender as in whatsapp:+14155238886, or a Messaging Service's SID";
            if is_sender { Ok(Scope::Sender(sender.to_owned())) } else { Err(expected.to_owned()) }
        }
    }
}

/// Parses a scope that the Contacts table may hold: those of [`scope`], and the number of a sender to which a person wrote
/// STOP by SMS.
pub fn recorded_scope(text: &str) -> Result<Scope, String> {
    if text.parse::<E164>().is_ok() { Ok(Scope::Sender(text.to_owned())) } else { scope(text) }
}

/// What a suppression covers that a message made: what [`recorded_scope`] takes, and any other address or short code that
/// the message may have been written to.
pub fn scope_of_message(text: &str) -> Result<Scope, String> {
    let is_address = text.parse::<Address>().is_ok_and(|address| {
        address.channel != Channel::Sms || address.identity.as_str().bytes().all(|byte| byte.is_ascii_digit())
    });
    recorded_scope(text).or_else(|problem| if is_address { Ok(Scope::Sender(text.to_owned())) } else { Err(problem) })
}

/// The text that [`scope`] and [`recorded_scope`] parse.
pub fn scope_text(scope: &Scope) -> &str {
    match scope {
        Scope::All => "all",
        Scope::Marketing => "marketing",
        Scope::Sender(sender) => sender,
    }
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

/// What recording a preference changed.
#[derive(Clone, PartialEq, Eq)]
pub struct PreferenceOutcome {
    /// The preference that was stored before.
    pub before: Option<RecordedPreference>,
    pub effect: PreferenceEffect,
    /// The consents that were withdrawn with it.
    pub withdrawn: Vec<Category>,
}

/// Records a preference in the way a person's own message does: for all identities of the person, the newest preference
/// wins, and an opt-out withdraws the consents that it covers.
pub async fn record_preference(
    contacts: &Contacts,
    contact: &ContactKey,
    channel: &Channel,
    scope: &Scope,
    preference: &RecordedPreference,
) -> Result<PreferenceOutcome, StoreError> {
    let overview = contacts.overview(contact).await?;
    let before = find_suppression(&overview, channel, scope).map(|found| found.preference.clone());
    let effect = contacts.record_preference(contact, channel, scope, preference).await?;
    let mut withdrawn = Vec::new();
    if preference.preference == Preference::OptedOut {
        let categories: &[Category] = if *scope == Scope::Marketing { &[Category::Marketing] } else { &Category::ALL };
        let reason = preference.reason.as_deref();
        let source = reason.map_or_else(|| "opt-out".to_owned(), |reason| format!("opt-out: {reason}"));
        let (at, now) = (preference.changed_at, Timestamp::now());
        withdrawn = contacts.withdraw_consents(contact, categories, at, &source, now).await?;
        for linked in &overview.linked {
            let linked = contact.beside(&linked.address);
            contacts.withdraw_consents(&linked, categories, at, &source, Timestamp::now()).await?;
        }
    }
    Ok(PreferenceOutcome { before, effect, withdrawn })
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
    contacts.record_consent(contact, evidence).await?;
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
    let before = match &change.before {
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
    use super::*;

    #[test]
    fn an_address_without_a_channel_is_on_whatsapp() {
        for (text, expected) in [
            ("+14155550123", "whatsapp:+14155550123"),
            ("whatsapp:+14155550123", "whatsapp:+14155550123"),
            ("sms:+14155550123", "sms:+14155550123"),
            ("US.13491208655302741918", "whatsapp:US.13491208655302741918"),
            ("whatsapp:US.13491208655302741918", "whatsapp:US.13491208655302741918"),
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
            assert_eq!(scope_text(&scope(text).unwrap()), text);
        }
        let elsewhere = ["sms:+14155238886", "WhatsApp:+14155238886", "whatsapp:US.13491208655302741918"];
        for text in ["", "utility", "everything", "MG1"].into_iter().chain(elsewhere) {
            assert!(scope(text).is_err() && recorded_scope(text).is_err(), "{text}");
        }
        let by_sms = "+14155238886";
        assert!(scope(by_sms).is_err());
        assert_eq!(scope_text(&recorded_scope(by_sms).unwrap()), by_sms);
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
            assert_eq!(scope_text(&scope_of_message(text).unwrap()), text);
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
