//! The user ids that the sandbox gives to its people, and their addresses on WhatsApp.
//!
//! Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", WhatsApp usernames.

use twilio_types::address::{Address, UserId};

use crate::chance::generator;

/// The user id in an address on WhatsApp, as in `whatsapp:US.13491208655302741918`.
pub(crate) fn of_address(address: &str) -> Option<UserId> {
    address.strip_prefix("whatsapp:")?.parse().ok()
}

pub(crate) fn address(user_id: &UserId) -> String {
    Address::whatsapp(user_id.clone()).to_string()
}

/// The user id of an address that was given none: always the same for the same address.
pub(crate) fn derived_from(address: &str) -> UserId {
    parsed(&format!("US.{}", digits(&["user id", address])))
}

/// The id of the same person in a parent portfolio.
pub(crate) fn in_parent(user_id: &UserId) -> UserId {
    parsed(&format!("{}.ENT.{}", user_id.country(), digits(&["parent user id", user_id.as_str()])))
}

/// As many digits as in Meta's examples.
fn digits(about: &[&str]) -> String {
    format!("{:020}", generator(0, about).u64(..))
}

/// Parses an id that is made here, so that it is one.
#[expect(clippy::expect_used, reason = "two letters, a dot and digits are a user id")]
fn parsed(text: &str) -> UserId {
    text.parse().expect("a user id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_id_is_stable_and_differs_in_the_parent() {
        let (one, other) = ("whatsapp:+14155550123", "whatsapp:+14155550124");
        let id = derived_from(one);
        assert_eq!(id, derived_from(one));
        assert_ne!(id, derived_from(other));
        assert!(!id.is_parent() && in_parent(&id).is_parent());
        assert_eq!(of_address(&address(&in_parent(&id))), Some(in_parent(&id)));
    }
}
