//! The key of an erased person.
//!
//! After an erasure nothing names the person any more, and yet no message may be sent to them. So their suppression is
//! stored under a hash of each of their identities, made with a key that the table does not hold. A number can be looked up
//! by it, but without the key no list of all possible numbers leads from the hashes back to the people.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::{contact_key::ContactKey, digest::hexadecimal};

/// The key of the hashes. It must never change: with another key no erased person is recognised.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct ErasureKey(Arc<str>);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a key of at least {MIN_BYTES} characters")]
pub struct InvalidErasureKey;

/// As many as a hash has bytes: a shorter key would be the weakest part (RFC 2104, section 3).
const MIN_BYTES: usize = 32;

/// Begins the address of an erased person. No number and no user id begins like this.
const PREFIX: &str = "erased:";

impl ErasureKey {
    /// A key with which no person was erased: no one is recognised by it.
    pub fn of_no_erasure() -> Self {
        Self(Arc::from(""))
    }

    /// The key of an erased person's item. It is the same for each spelling of a number, as the contact is.
    pub fn erased(&self, contact: &ContactKey) -> ContactKey {
        contact.beside(&format!("{PREFIX}{}", self.hash(contact)))
    }

    /// HMAC-SHA-256 of a contact, in lower-case hexadecimal digits.
    pub fn hash(&self, contact: &ContactKey) -> String {
        self.hash_text(contact.as_str())
    }

    /// The same of the id of an event, which may have a number in it.
    pub fn hash_of_event(&self, event_id: &str) -> String {
        // No contact begins like this: a contact begins with its account.
        self.hash_text(&format!("event:{event_id}"))
    }

    fn hash_text(&self, text: &str) -> String {
        // An HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return String::new() };
        mac.update(text.as_bytes());
        hexadecimal(&mac.finalize().into_bytes())
    }
}

impl TryFrom<String> for ErasureKey {
    type Error = InvalidErasureKey;

    fn try_from(text: String) -> Result<Self, InvalidErasureKey> {
        if text.len() >= MIN_BYTES { Ok(Self(text.into())) } else { Err(InvalidErasureKey) }
    }
}

impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureKey(..)")
    }
}

impl ContactKey {
    /// Whether this is the hash of an erased person.
    pub fn is_erased(&self) -> bool {
        self.address().starts_with(PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ErasureKey {
        text.repeat(8).try_into().unwrap()
    }

    fn contact(number: &str) -> ContactKey {
        ContactKey::of_phone(&"AC00000000000000000000000000000001".parse().unwrap(), &number.parse().unwrap())
    }

    #[test]
    fn hash_follows_from_key_account_and_number_alone() {
        let erased = key("abcd").erased(&contact("+14155550123"));
        assert!(erased.as_str().starts_with("AC00000000000000000000000000000001#erased:"));
        assert_eq!(erased, key("abcd").erased(&contact("+14155550123")));
        assert_ne!(erased, key("abcd").erased(&contact("+14155550124")));
        assert_ne!(erased, key("abce").erased(&contact("+14155550123")));
        let other_account = ContactKey::stored("AC00000000000000000000000000000002#+14155550123");
        assert_ne!(erased.address(), key("abcd").erased(&other_account).address());
        assert!(erased.is_erased() && !contact("+14155550123").is_erased() && !erased.is_number());
    }

    /// The expected text is that of Python's `hmac`. A later version must compute the same one.
    #[test]
    fn hash_is_hmac_sha_256() {
        let key = ErasureKey::try_from("k".repeat(32)).unwrap();
        let expected = "bc043300536bf1d97d360bb9b5646d14634adf3c68ebaa250bc926e6f7b9d590";
        assert_eq!(key.hash(&ContactKey::stored("AC1#+1")), expected);
    }

    #[test]
    fn all_spellings_of_a_number_have_one_hash() {
        let key = key("abcd");
        assert_eq!(key.erased(&contact("+5511987654321")), key.erased(&contact("+551187654321")));
    }

    #[test]
    fn short_key_is_refused_and_none_is_shown() {
        assert_eq!(ErasureKey::try_from("abc".to_owned()).unwrap_err(), InvalidErasureKey);
        assert_eq!(format!("{:?}", key("abcd")), "ErasureKey(..)");
    }
}
