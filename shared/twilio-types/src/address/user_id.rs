//! WhatsApp's business-scoped user ids.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::InvalidAddress;

/// A WhatsApp user id: `US.13491208655302741918`, or `US.ENT.13491208655302741918` for a parent id, which is the same
/// for all linked business portfolios. WhatsApp gives it to a business in place of the phone number of a person who has a
/// username.
///
/// The country code, and `ENT`, are upper-cased while parsing. The rest keeps its letter case, because the id is compared
/// as it is.
///
/// Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", WhatsApp usernames: a country code, a dot
/// and up to 128 alphanumeric characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// The second part of a parent id.
const PARENT: &str = "ENT";
/// Source: as for [`UserId`].
const MAX_CHARS: usize = 128;

impl UserId {
    /// The id with its country code, without a channel.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country code of two capital letters with which the id begins.
    pub fn country(&self) -> &str {
        self.0.split_once('.').map_or("", |(country, _)| country)
    }

    /// Whether it is a parent id.
    pub fn is_parent(&self) -> bool {
        self.0.matches('.').count() > 1
    }
}

impl FromStr for UserId {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (country, id) = text.split_once('.').ok_or(InvalidAddress::UserId)?;
        let (parent, own) = match id.split_once('.') {
            Some((parent, own)) if parent.eq_ignore_ascii_case(PARENT) => (Some(PARENT), own),
            Some(_) => return Err(InvalidAddress::UserId),
            None => (None, id),
        };
        let well_formed = country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_alphabetic())
            && (1..=MAX_CHARS).contains(&own.len())
            && own.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(InvalidAddress::UserId);
        }
        let country = country.to_ascii_uppercase();
        Ok(Self(match parent {
            Some(parent) => format!("{country}.{parent}.{own}"),
            None => format!("{country}.{own}"),
        }))
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> String {
        id.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserId").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_user_id_keeps_the_letter_case_of_its_id_alone() {
        let longest = format!("BR.{}", "a1".repeat(64));
        for (text, written, country, is_parent) in [
            ("US.13491208655302741918", "US.13491208655302741918", "US", false),
            ("us.aB3", "US.aB3", "US", false),
            ("US.ENT.13491208655302741918", "US.ENT.13491208655302741918", "US", true),
            ("fi.ent.aB3", "FI.ENT.aB3", "FI", true),
            ("US.ENT", "US.ENT", "US", false),
            (&longest, &longest, "BR", false),
        ] {
            let id: UserId = text.parse().unwrap();
            assert_eq!((id.as_str(), id.country(), id.is_parent()), (written, country, is_parent));
            assert_eq!(id.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_user_id_is_refused() {
        let too_long = format!("US.{}", "1".repeat(129));
        let parent_too_long = format!("US.ENT.{}", "1".repeat(129));
        for text in [
            "",
            "US",
            "US.",
            ".123",
            "USA.123",
            "U.123",
            "1S.123",
            "US.12 3",
            "US.12-3",
            "US.é",
            "US.ENT.",
            "US.EN.123",
            "US.ENT.1.2",
            "whatsapp:US.123",
            "+14155550123",
            &too_long,
            &parent_too_long,
        ] {
            assert_eq!(text.parse::<UserId>(), Err(InvalidAddress::UserId), "{text}");
        }
    }

    #[test]
    fn serde_writes_a_user_id_as_a_string_and_debug_hides_it() {
        let id: UserId = serde_json::from_str(r#""us.1349""#).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""US.1349""#);
        assert!(serde_json::from_str::<UserId>(r#""1349""#).is_err());
        assert_eq!(format!("{id:?}"), "UserId(..)");
    }

    proptest! {
        #[test]
        fn a_written_user_id_is_parsed_to_the_same(text in "[a-zA-Z]{2}\\.(ENT\\.|ent\\.)?[a-zA-Z0-9]{1,128}") {
            let id: UserId = text.parse().unwrap();
            prop_assert_eq!(id.to_string().parse::<UserId>().unwrap(), id);
        }
    }
}
