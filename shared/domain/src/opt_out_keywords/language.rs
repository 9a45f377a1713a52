//! The languages whose keywords are known.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words;

/// A language whose keywords are in our table, by its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Language {
    English,
    Spanish,
    Portuguese,
    French,
    German,
    Italian,
    Dutch,
    Indonesian,
    Hindi,
    Arabic,
}

/// The languages whose keywords a deployment recognises: all of them, unless configured. A word of several languages
/// belongs to the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages(Vec<Language>);

/// A language code that is not in our table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected codes out of en, es, pt, fr, de, it, nl, id, hi, ar with commas between them")]
pub struct UnknownLanguage(pub(super) String);

impl Language {
    pub(super) const ALL: [Self; 10] = [
        Self::English,
        Self::Spanish,
        Self::Portuguese,
        Self::French,
        Self::German,
        Self::Italian,
        Self::Dutch,
        Self::Indonesian,
        Self::Hindi,
        Self::Arabic,
    ];

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
            Self::French => "fr",
            Self::German => "de",
            Self::Italian => "it",
            Self::Dutch => "nl",
            Self::Indonesian => "id",
            Self::Hindi => "hi",
            Self::Arabic => "ar",
        }
    }

    /// The answer to a first STOP.
    pub const fn opt_out_confirmation(self) -> &'static str {
        words::of(self).confirmation
    }

    /// The answer to a first opt-out of marketing alone.
    pub const fn marketing_opt_out_confirmation(self) -> &'static str {
        words::of(self).marketing_confirmation
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| UnknownLanguage(code.to_owned()))
    }
}

impl TryFrom<String> for Language {
    type Error = UnknownLanguage;

    fn try_from(code: String) -> Result<Self, UnknownLanguage> {
        code.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.code().to_owned()
    }
}

impl Languages {
    pub(super) fn iter(&self) -> impl Iterator<Item = Language> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Language> for Languages {
    fn from_iter<I: IntoIterator<Item = Language>>(languages: I) -> Self {
        Self(languages.into_iter().collect())
    }
}

impl Default for Languages {
    fn default() -> Self {
        Language::ALL.into_iter().collect()
    }
}

impl FromStr for Languages {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        text.split(',').map(|code| code.trim().parse()).collect::<Result<_, _>>()
    }
}
