//! The order of messages in lists, kept up to date, so that a page of a list of 100,000 messages is found without sorting them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use twilio_types::message_status::MessageStatus;

use super::Message;

/// Where a message is in the list: by the second in which it was sent, and by its number among those of the same second. The
/// greatest place is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) sent_second: i64,
    pub(crate) number: u64,
}

impl Place {
    pub(crate) fn of(message: &Message, number: u64) -> Self {
        use MessageStatus::{Canceled, Failed};
        // One that is never sent stays where it ended.
        let ended = matches!(message.status, Canceled | Failed).then_some(message.updated_at);
        let sent_second = message.sent_at.or(ended).map_or(i64::MAX, Timestamp::as_second);
        Self { sent_second, number }
    }
}

/// The places of all messages, and of those to and from each address.
#[derive(Debug, Default)]
pub(super) struct Places {
    placed: HashMap<u64, Placed>,
    all: BTreeSet<Place>,
    to: HashMap<String, BTreeSet<Place>>,
    from: HashMap<String, BTreeSet<Place>>,
}

/// A message as the sets have it.
#[derive(Debug)]
struct Placed {
    place: Place,
    to: String,
    from: Option<String>,
}

impl Places {
    /// Adds a message, or moves it to where it belongs now.
    pub(super) fn put(&mut self, number: u64, message: &Message) {
        let place = Place::of(message, number);
        let is_in_place = |placed: &Placed| placed.place == place && placed.from == message.from;
        if self.placed.get(&number).is_some_and(is_in_place) {
            return;
        }
        self.remove(number);
        self.all.insert(place);
        self.to.entry(message.to.clone()).or_default().insert(place);
        if let Some(from) = &message.from {
            self.from.entry(from.clone()).or_default().insert(place);
        }
        self.placed.insert(number, Placed { place, to: message.to.clone(), from: message.from.clone() });
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(Placed { place, to, from }) = self.placed.remove(&number) else { return };
        self.all.remove(&place);
        remove_from(&mut self.to, &to, place);
        if let Some(from) = from {
            remove_from(&mut self.from, &from, place);
        }
    }

    /// The places of a superset of the messages to and from these addresses: of the smaller of the two sets.
    pub(super) fn of(&self, to: Option<&str>, from: Option<&str>) -> Option<&BTreeSet<Place>> {
        match (to, from) {
            (None, None) => Some(&self.all),
            (Some(to), None) => self.to.get(to),
            (None, Some(from)) => self.from.get(from),
            (Some(to), Some(from)) => {
                let (to, from) = (self.to.get(to)?, self.from.get(from)?);
                Some(if to.len() < from.len() { to } else { from })
            }
        }
    }
}

fn remove_from(sets: &mut HashMap<String, BTreeSet<Place>>, address: &str, place: Place) {
    if let Some(places) = sets.get_mut(address) {
        places.remove(&place);
        if places.is_empty() {
            sets.remove(address);
        }
    }
}
