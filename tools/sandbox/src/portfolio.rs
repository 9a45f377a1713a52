//! The ids by which the account's portfolio knows people: number, user id, and the user id in a parent portfolio.
//!
//! Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", "WhatsApp usernames".

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use twilio_types::address::UserId;

use crate::user_id;

/// The ids of one person on WhatsApp, each as an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WhatsAppIds {
    pub(crate) user_id: String,
    /// None where no parent portfolio is linked.
    pub(crate) parent_user_id: Option<String>,
}

/// A change of the link to a parent portfolio: `{"parent_linked": true, "to": "whatsapp:+14155550123"}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParentLink {
    parent_linked: bool,
    /// Only for this person; none for all people.
    #[serde(default)]
    to: Option<String>,
}

/// What is known of a recipient before a message is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    Reachable,
    /// A user id of a person who has not written yet.
    NotSeen,
    /// A user id of another portfolio, or the number or user id that a person had before the number was changed.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Portfolio {
    /// The user id of each home that was given one; others have the one that is derived from the home.
    given: HashMap<String, UserId>,
    /// The home of each user id.
    homes: HashMap<UserId, String>,
    /// The user ids that a webhook had.
    seen: HashSet<UserId>,
    /// The homes of the people who hide their number.
    hidden: HashSet<String>,
    /// The homes that people had before they changed their number.
    left: HashSet<String>,
    linked_for_all: bool,
    linked_for: HashSet<String>,
}

impl Portfolio {
    /// The address by which a person is remembered: the number where it is known, otherwise the user id. Other addresses
    /// are their own home.
    pub(crate) fn home(&self, address: &str) -> String {
        let known = user_id::of_address(address).and_then(|id| self.homes.get(&id).cloned());
        known.unwrap_or_else(|| address.to_owned())
    }

    /// The ids of the person at an address; none on another channel than WhatsApp.
    pub(crate) fn ids(&self, address: &str) -> Option<WhatsAppIds> {
        if !address.starts_with("whatsapp:") {
            return None;
        }
        let home = self.home(address);
        let user_id = self.user_id(&home);
        let parent = self.linked_for_all || self.linked_for.contains(&home);
        let parent = parent.then(|| user_id::address(&parent_of(&home, &user_id)));
        Some(WhatsAppIds { user_id: user_id::address(&user_id), parent_user_id: parent })
    }

    fn user_id(&self, home: &str) -> UserId {
        let own = || user_id::of_address(home).filter(|id| !id.is_parent());
        self.given.get(home).cloned().or_else(own).unwrap_or_else(|| user_id::derived_from(home))
    }

    /// The address in `From`: the number where the person shows it, otherwise the user id, in the parent portfolio where one
    /// is linked.
    pub(crate) fn shown_address(&self, address: &str) -> String {
        let Some(ids) = self.ids(address) else { return address.to_owned() };
        let shows_number = is_number(address) && !self.hides_number(address);
        if shows_number { address.to_owned() } else { ids.parent_user_id.unwrap_or(ids.user_id) }
    }

    /// Remembers that a person has these ids. A given user id replaces the derived one.
    pub(crate) fn register(&mut self, address: &str, given: Option<UserId>) {
        let home = self.home(address);
        self.left.remove(&home);
        if let Some(id) = given.filter(|_| is_number(&home)) {
            self.given.insert(home.clone(), id);
        }
        let user_id = self.user_id(&home);
        self.homes.insert(parent_of(&home, &user_id), home.clone());
        self.homes.insert(user_id, home);
    }

    /// Remembers that a webhook had an address. Only then can its user id be written to.
    pub(crate) fn record_seen(&mut self, address: &str) {
        self.seen.extend(user_id::of_address(address));
    }

    pub(crate) fn recipient(&self, address: &str) -> Recipient {
        if self.left.contains(&self.home(address)) {
            return Recipient::Unknown;
        }
        match user_id::of_address(address) {
            None => Recipient::Reachable,
            Some(id) if self.seen.contains(&id) => Recipient::Reachable,
            Some(id) if self.homes.contains_key(&id) => Recipient::NotSeen,
            Some(_) => Recipient::Unknown,
        }
    }

    pub(crate) fn hides_number(&self, address: &str) -> bool {
        self.hidden.contains(&self.home(address))
    }

    pub(crate) fn set_hidden(&mut self, address: &str, hides: bool) {
        let home = self.home(address);
        if hides {
            self.hidden.insert(home)
        } else {
            self.hidden.remove(&home)
        };
    }

    /// Moves a person to a new number, which has a new user id. The old ones reach the person no longer.
    pub(crate) fn change_number(&mut self, address: &str, number: &str) {
        let old = self.home(address);
        self.left.remove(number);
        if self.hidden.remove(&old) {
            self.hidden.insert(number.to_owned());
        }
        if self.linked_for.remove(&old) {
            self.linked_for.insert(number.to_owned());
        }
        self.register(&old, None);
        self.left.insert(old);
        self.register(number, None);
    }

    pub(crate) fn link_parent(&mut self, link: ParentLink) {
        match (link.to.map(|to| self.home(&to)), link.parent_linked) {
            (None, linked) => self.linked_for_all = linked,
            (Some(home), true) => drop(self.linked_for.insert(home)),
            (Some(home), false) => drop(self.linked_for.remove(&home)),
        }
    }
}

fn is_number(address: &str) -> bool {
    address.starts_with("whatsapp:+")
}

fn parent_of(home: &str, user_id: &UserId) -> UserId {
    user_id::of_address(home).filter(UserId::is_parent).unwrap_or_else(|| user_id::in_parent(user_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "whatsapp:+14155550124";

    fn portfolio() -> (Portfolio, String) {
        let mut portfolio = Portfolio::default();
        portfolio.register(NUMBER, "US.1917".parse().ok());
        (portfolio, "whatsapp:US.1917".to_owned())
    }

    fn link(portfolio: &mut Portfolio, link: &str) {
        portfolio.link_parent(serde_json::from_str(link).unwrap());
    }

    #[test]
    fn person_has_one_home_for_all_ids() {
        let (mut portfolio, user_id) = portfolio();
        link(&mut portfolio, r#"{"parent_linked": true}"#);
        let ids = portfolio.ids(NUMBER).unwrap();
        assert_eq!(ids.user_id, user_id);
        for address in [NUMBER, &ids.user_id, &ids.parent_user_id.unwrap()] {
            assert_eq!(portfolio.home(address), NUMBER);
        }
        assert_eq!(portfolio.home("+14155550124"), "+14155550124", "a phone by SMS");
        assert_eq!(portfolio.ids("+14155550124"), None);
    }

    #[test]
    fn parent_is_linked_for_one_person_or_for_all() {
        let (mut portfolio, user_id) = portfolio();
        let linked = |portfolio: &Portfolio| {
            [NUMBER, &user_id, "whatsapp:US.2"].map(|address| portfolio.ids(address).unwrap().parent_user_id.is_some())
        };
        assert_eq!(linked(&portfolio), [false; 3]);
        link(&mut portfolio, r#"{"parent_linked": true, "to": "whatsapp:+14155550124"}"#);
        assert_eq!(linked(&portfolio), [true, true, false]);
        link(&mut portfolio, r#"{"parent_linked": false, "to": "whatsapp:US.1917"}"#);
        assert_eq!(linked(&portfolio), [false; 3]);
        link(&mut portfolio, r#"{"parent_linked": true}"#);
        assert_eq!(linked(&portfolio), [true; 3]);
    }

    #[test]
    fn hidden_number_is_shown_as_user_id_or_parent_user_id() {
        let (mut portfolio, user_id) = portfolio();
        assert_eq!(portfolio.shown_address(NUMBER), NUMBER);
        portfolio.set_hidden(NUMBER, true);
        assert_eq!(portfolio.shown_address(NUMBER), user_id);
        link(&mut portfolio, r#"{"parent_linked": true}"#);
        let parent = portfolio.ids(NUMBER).unwrap().parent_user_id.unwrap();
        assert_eq!([NUMBER, &user_id, &parent].map(|address| portfolio.shown_address(address)), [parent.as_str(); 3]);
        portfolio.set_hidden(&user_id, false);
        assert_eq!(portfolio.shown_address(NUMBER), NUMBER);
    }

    #[test]
    fn user_id_is_reachable_after_a_webhook_had_it() {
        let (mut portfolio, user_id) = portfolio();
        assert_eq!(portfolio.recipient(NUMBER), Recipient::Reachable);
        assert_eq!(portfolio.recipient(&user_id), Recipient::NotSeen);
        assert_eq!(portfolio.recipient("whatsapp:US.5"), Recipient::Unknown);
        portfolio.record_seen(&user_id);
        assert_eq!(portfolio.recipient(&user_id), Recipient::Reachable);
    }

    #[test]
    fn new_number_has_a_new_user_id_and_leaves_the_old_one() {
        let (mut portfolio, user_id) = portfolio();
        portfolio.record_seen(&user_id);
        let new = "whatsapp:+14155550199";
        portfolio.change_number(&user_id, new);
        assert_ne!(portfolio.ids(new).unwrap().user_id, user_id);
        assert_eq!([NUMBER, &user_id].map(|address| portfolio.recipient(address)), [Recipient::Unknown; 2]);
        assert_eq!(portfolio.recipient(new), Recipient::Reachable);
        portfolio.change_number(new, NUMBER);
        assert_eq!(portfolio.recipient(NUMBER), Recipient::Reachable, "the number is used again");
    }
}
