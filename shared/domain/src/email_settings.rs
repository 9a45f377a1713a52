//! The settings of an account's e-mails.

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;

use crate::{
    email::EmailAddress,
    json::{self, InvalidJson},
    notification::Category,
};

/// Who sends e-mails, and from which of SendGrid's unsubscribe groups a person can unsubscribe: `{"from":
/// "orders@example.com", "from_name": "Shop", "unsubscribe_groups": {"marketing": 1234}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmailSettings {
    /// None means that no e-mail is sent.
    pub from: Option<EmailAddress>,
    pub from_name: Option<String>,
    /// The group (`asm`) of each category. A category without one has no unsubscribe link of SendGrid's.
    pub unsubscribe_groups: BTreeMap<Category, u32>,
}

/// The settings are not valid. The operator has to change them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct InvalidEmailSettings(InvalidJson);

impl EmailSettings {
    pub fn unsubscribe_group(&self, category: Category) -> Option<u32> {
        self.unsubscribe_groups.get(&category).copied()
    }
}

impl FromStr for EmailSettings {
    type Err = InvalidEmailSettings;

    fn from_str(text: &str) -> Result<Self, InvalidEmailSettings> {
        json::read(text).map_err(InvalidEmailSettings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_a_group_for_each_category() {
        let text = r#"{"from": "orders@example.com", "from_name": "Shop", "unsubscribe_groups": {"marketing": 1234}}"#;
        let settings: EmailSettings = text.parse().unwrap();
        assert_eq!(settings.from.as_ref().map(EmailAddress::as_str), Some("orders@example.com"));
        assert_eq!(settings.unsubscribe_group(Category::Marketing), Some(1_234));
        assert_eq!(settings.unsubscribe_group(Category::Utility), None);
        assert_eq!("{}".parse(), Ok(EmailSettings::default()));
    }

    #[test]
    fn wrong_settings_are_named_and_not_shown() {
        for (text, field) in [
            (r#"{"from": "hidden"}"#, "from"),
            (r#"{"unsubscribe_groups": {"news": 1}}"#, "unsubscribe_groups"),
            (r#"{"group": 1}"#, "group"),
        ] {
            let error = text.parse::<EmailSettings>().unwrap_err().to_string();
            assert!(error.starts_with(field) && !error.contains("hidden"), "{error}");
        }
    }
}
