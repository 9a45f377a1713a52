//! The people whose phones are shown, and the service window and the opt-out of each address.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::address::{Address, Channel};

use crate::{capacity, opt_out::OptOutKeyword};

/// How long free-form messages are allowed after a person's last message. Source: Twilio, "WhatsApp best practices and FAQs".
const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SimulatedPerson {
    /// `whatsapp:+14155550123`, or the user id of a person who withholds the number.
    pub(crate) address: String,
    pub(crate) name: String,
    /// The WhatsApp user id, as in `whatsapp:US.13491208655302741918`.
    pub(crate) user_id: Option<String>,
}

/// A person to add.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// Without one the person gets a new number.
    #[serde(default)]
    address: Option<WhatsAppAddress>,
    name: Name,
    #[serde(default)]
    user_id: Option<WhatsAppAddress>,
    /// Whether the person has a user id only.
    #[serde(default)]
    without_number: bool,
}

/// 1 to 60 characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if (1..=60).contains(&name.trim().chars().count()) {
            Ok(Self(name.trim().to_owned()))
        } else {
            Err("name: expected 1 to 60 characters".to_owned())
        }
    }
}

/// An address on WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct WhatsAppAddress(Address);

impl TryFrom<String> for WhatsAppAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse::<Address>().ok().filter(|address| address.channel == Channel::WhatsApp);
        parsed.map(Self).ok_or_else(|| "expected whatsapp:+14155550123 or a user id, whatsapp:US.123".to_owned())
    }
}

impl fmt::Display for WhatsAppAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug)]
pub(crate) struct People {
    shown: Vec<SimulatedPerson>,
    /// By address, of people who are shown and of others.
    last_inbound: HashMap<String, Timestamp>,
    /// The addresses that Twilio itself refuses to send to.
    opted_out: HashSet<String>,
    /// The last four digits of the next new number.
    next: u32,
}

impl Default for People {
    fn default() -> Self {
        // One with a number only, one with a number and a user id, and one with a user id only.
        let person = |address: &str, name: &str, user_id: Option<&str>| SimulatedPerson {
            address: address.to_owned(),
            name: name.to_owned(),
            user_id: user_id.map(str::to_owned),
        };
        let shown = vec![
            person("whatsapp:+14155550123", "Ava", None),
            person("whatsapp:+14155550124", "Ben", Some("whatsapp:US.13491208655302741917")),
            person("whatsapp:US.13491208655302741918", "Chloe", Some("whatsapp:US.13491208655302741918")),
        ];
        Self { shown, last_inbound: HashMap::new(), opted_out: HashSet::new(), next: 125 }
    }
}

impl People {
    pub(crate) fn has_room(&self) -> bool {
        self.shown.len() < capacity::PEOPLE
    }

    /// Adds a person. A person with the same address is replaced.
    pub(crate) fn add(&mut self, person: NewPerson) -> SimulatedPerson {
        let user_id = person.user_id.map(|id| id.0.to_string());
        let address = match person.address {
            Some(address) => address.0.to_string(),
            None if person.without_number => user_id.clone().unwrap_or_else(|| self.new_user_id()),
            None => self.new_number(),
        };
        let without_number = !address.starts_with("whatsapp:+");
        let user_id = user_id.or_else(|| without_number.then(|| address.clone()));
        let person = SimulatedPerson { address, name: person.name.0, user_id };
        match self.shown.iter_mut().find(|other| other.address == person.address) {
            Some(other) => other.clone_from(&person),
            None => self.shown.push(person.clone()),
        }
        person
    }

    /// Removes the person with this address, if there is one.
    pub(crate) fn remove(&mut self, address: &str) -> bool {
        let before = self.shown.len();
        self.shown.retain(|person| person.address != address);
        self.shown.len() < before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SimulatedPerson> {
        self.shown.iter()
    }

    pub(crate) fn at(&self, address: &str) -> Option<&SimulatedPerson> {
        self.iter().find(|person| person.address == address)
    }

    /// Opens the service window.
    pub(crate) fn record_inbound(&mut self, address: &str, at: Timestamp) {
        self.last_inbound.insert(address.to_owned(), at);
    }

    /// The end of the service window; none where it is closed.
    pub(crate) fn window_until(&self, address: &str, now: Timestamp) -> Option<Timestamp> {
        let until = self.last_inbound.get(address)?.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
        (now < until).then_some(until)
    }

    pub(crate) fn has_opted_out(&self, address: &str) -> bool {
        self.opted_out.contains(address)
    }

    /// Opts the person out or in. Gives whether Twilio answers the keyword: a repeated STOP is not answered.
    pub(crate) fn apply_keyword(&mut self, address: &str, keyword: OptOutKeyword) -> bool {
        match keyword {
            OptOutKeyword::Stop => self.opted_out.insert(address.to_owned()),
            OptOutKeyword::Start => {
                self.opted_out.remove(address);
                true
            }
            OptOutKeyword::Help => true,
        }
    }

    fn new_number(&mut self) -> String {
        loop {
            let number = format!("whatsapp:+1415555{:04}", self.next % 10_000);
            self.next += 1;
            if self.shown.iter().all(|person| person.address != number) {
                return number;
            }
        }
    }

    fn new_user_id(&mut self) -> String {
        loop {
            let user_id = format!("whatsapp:US.1349120865530275{:04}", self.next % 10_000);
            self.next += 1;
            if self.shown.iter().all(|person| person.address != user_id) {
                return user_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(people: &mut People, person: &str) -> SimulatedPerson {
        people.add(serde_json::from_str(person).unwrap())
    }

    #[test]
    fn new_person_gets_an_unused_number_or_user_id() {
        let mut people = People::default();
        assert_eq!(add(&mut people, r#"{"name": "Dan"}"#).address, "whatsapp:+14155550125");
        assert_eq!(add(&mut people, r#"{"name": "Eve"}"#).address, "whatsapp:+14155550126");
        let finn = add(&mut people, r#"{"name": " Finn ", "without_number": true}"#);
        assert_eq!((finn.name.as_str(), finn.user_id.as_ref()), ("Finn", Some(&finn.address)));
        let renamed = add(&mut people, r#"{"name": "Benno", "address": "whatsapp:+14155550124"}"#);
        assert_eq!(people.iter().filter(|person| person.address == renamed.address).count(), 1);
        assert!(people.remove(&renamed.address) && !people.remove(&renamed.address));
    }

    #[test]
    fn person_with_invalid_fields_is_refused() {
        for person in [
            r#"{"name": ""}"#,
            r#"{"name": "Dan", "address": "+14155550125"}"#,
            r#"{"name": "Dan", "user_id": "whatsapp:"}"#,
            r#"{"name": "Dan", "number": "1"}"#,
        ] {
            assert!(serde_json::from_str::<NewPerson>(person).is_err(), "{person}");
        }
    }

    #[test]
    fn window_is_open_for_a_day_after_the_last_message() {
        let (mut people, ava) = (People::default(), "whatsapp:+14155550123");
        let at: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
        assert_eq!(people.window_until(ava, at), None);
        people.record_inbound(ava, at);
        let end = at + SERVICE_WINDOW;
        assert_eq!(people.window_until(ava, end - SignedDuration::from_millis(1)), Some(end));
        assert_eq!(people.window_until(ava, end), None);
    }
}
