//! The locale of a template.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// A language, with a region or a script if it has one: `pt`, `pt_BR`. `pt-br` is the same locale as `pt_BR`.
///
/// Twilio stores what the author wrote (Twilio, "Content API resources", `language`), and WhatsApp has underscores (Meta,
/// "Supported languages" of templates).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Locale(String);

/// Locales in the order in which they are tried, with commas between them; an empty text is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locales(pub Vec<Locale>);

impl FromStr for Locales {
    type Err = InvalidLocale;

    fn from_str(text: &str) -> Result<Self, InvalidLocale> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self(parts.map(str::parse).collect::<Result<_, _>>()?))
    }
}

/// Not a locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a locale, as in pt_BR")]
pub struct InvalidLocale;

impl Locale {
    const MAX_CHARS: usize = 35;

    /// The locale that a text names, in one spelling. Any text is accepted, because a template of Twilio's list may have any.
    pub fn of(text: &str) -> Self {
        let parts = text.trim().split(['-', '_']).enumerate().map(|(index, part)| match (index, part.len()) {
            (1.., ..=3) => part.to_ascii_uppercase(),
            _ => part.to_ascii_lowercase(),
        });
        Self(parts.collect::<Vec<_>>().join("_"))
    }

    /// A locale of the settings, which must look like one.
    fn parse(text: &str) -> Result<Self, InvalidLocale> {
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_locale = (2..=Self::MAX_CHARS).contains(&text.len()) && text.split(['-', '_']).all(is_part);
        if is_locale { Ok(Self::of(text)) } else { Err(InvalidLocale) }
    }

    /// The language without region and script: of `pt_BR` `pt`.
    #[must_use]
    pub fn language(&self) -> Self {
        Self(self.0.split('_').next().unwrap_or_default().to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Locale {
    type Err = InvalidLocale;

    fn from_str(text: &str) -> Result<Self, InvalidLocale> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Locale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads a locale that was stored, whatever Twilio's list said.
pub(super) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Locale>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| Locale::of(&text)))
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hyphen_underscore_and_case_are_the_same() {
        for spelling in ["pt_BR", "pt-BR", "pt-br", "PT_br", " pt_BR "] {
            assert_eq!(Locale::of(spelling).as_str(), "pt_BR", "{spelling}");
        }
        assert_eq!(Locale::of("zh-Hant-TW").as_str(), "zh_hant_TW");
        assert_ne!(Locale::of("pt"), Locale::of("pt_BR"));
        assert_eq!(Locale::of("pt-BR").language(), Locale::of("pt"));
    }

    #[test]
    fn locale_of_the_settings_is_checked() {
        assert_eq!("es-419".parse(), Ok(Locale::of("es_419")));
        assert_eq!("en_US, pt".parse(), Ok(Locales(vec![Locale::of("en_US"), Locale::of("pt")])));
        assert_eq!("".parse(), Ok(Locales(Vec::new())));
        assert_eq!("en,e n".parse::<Locales>(), Err(InvalidLocale));
        for text in ["", "e", "e n", "en_", "_US", "en__US", "ä_DE", &"a".repeat(36)] {
            assert_eq!(text.parse::<Locale>(), Err(InvalidLocale), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_one_spelling(text in any::<String>()) {
            let locale = Locale::of(&text);
            prop_assert_eq!(Locale::of(locale.as_str()), locale.clone());
            prop_assert_eq!(locale.language().language(), locale.language());
        }
    }
}
