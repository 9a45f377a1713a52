//! The people whose phones are shown, and the service window and the opt-out of each address.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use twilio_types::address::{Address, Channel, Identity};

use crate::{capacity, opt_out::OptOutKeyword, portfolio::Portfolio, user_id};

/// How long free-form messages are allowed after a person's last message. Source: Twilio, "WhatsApp best practices and FAQs".
const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SimulatedPerson {
    /// `whatsapp:+14155550123`, or the user id of a person whose number is not known.
    pub(crate) address: String,
    pub(crate) name: String,
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

/// A change of a person: `{"hides_number": true}`, `{"number": "whatsapp:+14155550199"}`, or both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonChange {
    /// A new number, which brings a new user id.
    #[serde(default)]
    number: Option<WhatsAppNumber>,
    /// Whether webhooks have the user id instead of the number.
    #[serde(default)]
    hides_number: Option<bool>,
}

/// A phone number on WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct WhatsAppNumber(WhatsAppAddress);

impl TryFrom<String> for WhatsAppNumber {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let address = WhatsAppAddress::try_from(text).ok();
        let number = address.filter(|address| matches!(address.0.identity, Identity::Phone(_)));
        number.map(Self).ok_or("expected a number, as in whatsapp:+14155550123")
    }
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
    pub(crate) portfolio: Portfolio,
    /// The time of the last message by sender and by the person's home, of people who are shown and of others.
    last_inbound: HashMap<(String, String), Timestamp>,
    /// The homes that Twilio itself refuses to send to.
    opted_out: HashSet<String>,
    /// The last four digits of the next new number.
    next: u32,
}

impl Default for People {
    fn default() -> Self {
        let mut people = Self {
            shown: Vec::new(),
            portfolio: Portfolio::default(),
            last_inbound: HashMap::new(),
            opted_out: HashSet::new(),
            next: 125,
        };
        // The user id of a person who has none here follows from the number.
        for (address, name, user_id) in [
            ("whatsapp:+14155550123", "Ava", None),
            ("whatsapp:+14155550124", "Ben", Some("whatsapp:US.13491208655302741917")),
            ("whatsapp:US.13491208655302741918", "Chloe", None),
        ] {
            people.portfolio.register(address, user_id.and_then(user_id::of_address));
            people.shown.push(SimulatedPerson { address: address.to_owned(), name: name.to_owned() });
        }
        people
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
        self.portfolio.register(&address, user_id.as_deref().and_then(user_id::of_address));
        let person = SimulatedPerson { address, name: person.name.0 };
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

    /// The person with this number or user id.
    pub(crate) fn at(&self, address: &str) -> Option<&SimulatedPerson> {
        let home = self.portfolio.home(address);
        self.iter().find(|person| person.address == home)
    }

    /// Changes the person at an address, and gives the address from then on. Opt-outs and service windows stay with the old
    /// number.
    pub(crate) fn change(&mut self, address: &str, change: PersonChange) -> Result<String, &'static str> {
        let mut home = self.portfolio.home(address);
        if let Some(number) = change.number.map(|number| number.0.to_string()).filter(|number| *number != home) {
            if self.at(&number).is_some() {
                return Err("the number is another person's");
            }
            if let Some(person) = self.shown.iter_mut().find(|person| person.address == home) {
                person.address.clone_from(&number);
            }
            self.portfolio.change_number(&home, &number);
            home = number;
        }
        if let Some(hides) = change.hides_number {
            self.portfolio.register(&home, None);
            self.portfolio.set_hidden(&home, hides);
        }
        Ok(home)
    }

    /// Opens the service window of a sender.
    pub(crate) fn record_inbound(&mut self, sender: &str, address: &str, at: Timestamp) {
        self.last_inbound.insert((sender.to_owned(), self.portfolio.home(address)), at);
    }

    /// The end of the service window of a sender; none where it is closed.
    pub(crate) fn window_until(&self, sender: &str, address: &str, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_inbound.get(&(sender.to_owned(), self.portfolio.home(address)))?;
        let until = last.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
        (now < until).then_some(until)
    }

    pub(crate) fn has_opted_out(&self, address: &str) -> bool {
        self.opted_out.contains(&self.portfolio.home(address))
    }

    /// Opts the person out or in. Gives whether Twilio answers the keyword: a repeated STOP is not answered.
    pub(crate) fn apply_keyword(&mut self, address: &str, keyword: OptOutKeyword) -> bool {
        let home = self.portfolio.home(address);
        match keyword {
            OptOutKeyword::Stop => self.opted_out.insert(home),
            OptOutKeyword::Start => {
                self.opted_out.remove(&home);
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

    const SENDER: &str = "whatsapp:+14155238886";

    fn add(people: &mut People, person: &str) -> SimulatedPerson {
        people.add(serde_json::from_str(person).unwrap())
    }

    #[test]
    fn new_person_gets_an_unused_number_or_user_id() {
        let mut people = People::default();
        assert_eq!(add(&mut people, r#"{"name": "Dan"}"#).address, "whatsapp:+14155550125");
        assert_eq!(add(&mut people, r#"{"name": "Eve"}"#).address, "whatsapp:+14155550126");
        let finn = add(&mut people, r#"{"name": " Finn ", "without_number": true}"#);
        let user_id = people.portfolio.ids(&finn.address).unwrap().user_id;
        assert_eq!((finn.name.as_str(), &user_id), ("Finn", &finn.address));
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
        assert_eq!(people.window_until(SENDER, ava, at), None);
        people.record_inbound(SENDER, ava, at);
        let end = at + SERVICE_WINDOW;
        assert_eq!(people.window_until(SENDER, ava, end - SignedDuration::from_millis(1)), Some(end));
        assert_eq!(people.window_until(SENDER, ava, end), None);
    }

    #[test]
    fn window_and_opt_out_hold_for_all_ids_of_a_person() {
        let (mut people, ben) = (People::default(), "whatsapp:+14155550124");
        let user_id = "whatsapp:US.13491208655302741917";
        people.record_inbound(SENDER, user_id, Timestamp::UNIX_EPOCH);
        people.apply_keyword(user_id, OptOutKeyword::Stop);
        for address in [ben, user_id] {
            assert!(
                people.window_until(SENDER, address, Timestamp::UNIX_EPOCH).is_some() && people.has_opted_out(address)
            );
        }
        assert_eq!(people.window_until("whatsapp:+14155238887", ben, Timestamp::UNIX_EPOCH), None, "of another sender");
        assert!(!people.has_opted_out("+14155550124"), "by SMS");
    }

    #[test]
    fn changed_number_takes_the_name_and_leaves_the_rest() {
        let mut people = People::default();
        let change = |people: &mut People, change: &str| {
            people.change("whatsapp:+14155550123", serde_json::from_str(change).unwrap())
        };
        assert!(change(&mut people, r#"{"number": "whatsapp:+14155550124"}"#).is_err(), "the number is Ben's");
        people.apply_keyword("whatsapp:+14155550123", OptOutKeyword::Stop);
        let new = change(&mut people, r#"{"number": "whatsapp:+14155550199", "hides_number": true}"#).unwrap();
        assert_eq!(people.at(&new).unwrap().name, "Ava");
        assert!(people.portfolio.hides_number(&new) && !people.has_opted_out(&new));
        assert!(serde_json::from_str::<PersonChange>(r#"{"number": "whatsapp:US.1"}"#).is_err());
    }
}
