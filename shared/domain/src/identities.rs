//! The identities of one person, to find what is stored about them.

use std::{collections::BTreeSet, fmt};

use twilio_types::{
    address::{Address, Channel, E164, Identity},
    sid::AccountSid,
};

use crate::contact_key::ContactKey;

/// All identities of a person within an account.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonIdentities {
    account_sid: AccountSid,
    contacts: BTreeSet<ContactKey>,
    /// Every spelling in which a text may name them: the digits of numbers, and user ids.
    spellings: BTreeSet<String>,
}

impl fmt::Debug for PersonIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonIdentities")
            .field("account_sid", &self.account_sid)
            .field("identities", &self.contacts.len())
            .finish_non_exhaustive()
    }
}

impl PersonIdentities {
    pub fn new(account_sid: AccountSid, contacts: impl IntoIterator<Item = ContactKey>) -> Self {
        let contacts: BTreeSet<_> = contacts.into_iter().filter(|contact| !contact.is_erased()).collect();
        let spellings = contacts.iter().flat_map(spellings).collect();
        Self { account_sid, contacts, spellings }
    }

    pub fn account_sid(&self) -> &AccountSid {
        &self.account_sid
    }

    pub fn contacts(&self) -> impl Iterator<Item = &ContactKey> {
        self.contacts.iter()
    }

    pub fn has(&self, contact: &ContactKey) -> bool {
        self.contacts.contains(contact)
    }

    /// Whether this text is one of the identities, as Twilio writes it in a form: `whatsapp:+14155550123`, `+14155550123`,
    /// `14155550123` or `whatsapp:US.1349...`.
    pub fn is_named(&self, text: &str) -> bool {
        let is_named = |identity: &Identity| self.has(&ContactKey::new(&self.account_sid, identity));
        let number = || Some(Identity::from(format!("+{text}").parse::<E164>().ok()?));
        text.parse::<Address>().is_ok_and(|address| is_named(&address.identity))
            || number().as_ref().is_some_and(is_named)
    }

    /// Whether a text has one of the identities in it. A longer number that contains a number does not count.
    pub fn occur_in(&self, text: &str) -> bool {
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        self.spellings.iter().any(|spelling| {
            text.match_indices(spelling.as_str()).any(|(start, _)| {
                let (before, rest) = text.split_at(start);
                // A plus sign is `%2B` in a form.
                let before = before.strip_suffix("%2B").map_or_else(|| before.chars().next_back(), |_| None);
                !is_part(before) && !is_part(rest.get(spelling.len()..).and_then(|rest| rest.chars().next()))
            })
        })
    }

    /// The addresses of the person at Twilio, on every channel and in every spelling.
    pub fn at_twilio(&self) -> Vec<Address> {
        let addresses = |contact: &ContactKey| {
            let numbers = contact.address().parse::<E164>().map(|number| number.variants()).unwrap_or_default();
            let mut found: Vec<_> = numbers
                .into_iter()
                .flat_map(|number| {
                    let identity = Identity::from(number);
                    [Channel::WhatsApp, Channel::Sms].map(|channel| Address { channel, identity: identity.clone() })
                })
                .collect();
            if found.is_empty() {
                found.extend(contact.address().parse().ok().map(|identity: Identity| Address::whatsapp(identity)));
            }
            found
        };
        self.contacts.iter().flat_map(addresses).collect()
    }
}

fn spellings(contact: &ContactKey) -> Vec<String> {
    match contact.address().parse::<E164>() {
        Ok(number) => {
            number.variants().iter().map(|number| number.as_str().trim_start_matches('+').to_owned()).collect()
        }
        Err(_) => vec![contact.address().to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(identities: &[&str]) -> PersonIdentities {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let contacts = identities.iter().map(|identity| ContactKey::new(&account_sid, &identity.parse().unwrap()));
        PersonIdentities::new(account_sid.clone(), contacts)
    }

    #[test]
    fn identities_are_named_in_every_form_of_twilio() {
        let person = person(&["+14155550123", "US.13491208655302741918"]);
        for named in ["whatsapp:+14155550123", "+14155550123", "14155550123", "whatsapp:US.13491208655302741918"] {
            assert!(person.is_named(named), "{named}");
        }
        for other in ["whatsapp:+14155550124", "4155550123", "whatsapp:US.1349120865530274191", "", "hello"] {
            assert!(!person.is_named(other), "{other}");
        }
        assert!(self::person(&["+5511987654321"]).is_named("whatsapp:+551187654321"), "another spelling");
    }

    #[test]
    fn identity_occurs_in_a_text_that_has_all_of_it() {
        let person = person(&["+14155550123", "US.1349"]);
        for text in [
            r#"{"to": "+14155550123"}"#,
            "From=whatsapp%3A%2B14155550123&Body=x",
            r#""WaId":"14155550123""#,
            "whatsapp:US.1349",
        ] {
            assert!(person.occur_in(text), "{text}");
        }
        for text in ["+141555501234", "914155550123", "US.13490", "nothing"] {
            assert!(!person.occur_in(text), "{text}");
        }
    }

    #[test]
    fn person_is_looked_for_on_every_channel() {
        let addresses = person(&["+14155550123", "US.1349"]).at_twilio();
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["whatsapp:+14155550123", "+14155550123", "whatsapp:US.1349"]);
        assert_eq!(person(&["+5511987654321"]).at_twilio().len(), 4, "two spellings on two channels");
    }
}
