//! Why a file that a person sent was not stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a file that a person sent was not stored. Its word is in the event and in the stored item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaFailure {
    /// It has no bytes.
    Empty,
    /// It has more bytes than a file of WhatsApp may have.
    TooLarge,
    /// Its first bytes are not those of the type that Twilio names.
    TypeMismatch,
    /// Twilio does not have it, minutes after its message arrived.
    NotFound,
    /// Twilio redirects to an address that is not fetched from.
    Redirect,
    /// Its URL is not one of Twilio's.
    ForeignUrl,
    /// It could not be fetched for a day.
    Unavailable,
}

impl MediaFailure {
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::TooLarge,
        Self::TypeMismatch,
        Self::NotFound,
        Self::Redirect,
        Self::ForeignUrl,
        Self::Unavailable,
    ];

    /// The word in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::TypeMismatch => "type_mismatch",
            Self::NotFound => "not_found",
            Self::Redirect => "redirect",
            Self::ForeignUrl => "foreign_url",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for MediaFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_stored_by_its_word() {
        for failure in MediaFailure::ALL {
            assert_eq!(serde_json::to_value(failure).unwrap(), failure.as_str());
        }
    }
}
