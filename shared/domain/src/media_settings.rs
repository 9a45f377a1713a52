//! What an account wants to happen with the files that people send to it.

use serde::Deserialize;

/// What happens with the files of inbound messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSettings {
    /// Each file is copied to the media bucket.
    pub store_inbound: bool,
    /// A file that is stored is deleted at Twilio.
    pub delete_at_twilio: bool,
}

impl Default for MediaSettings {
    /// Files are stored, because at Twilio only a holder of the account's credentials can fetch them. Nothing is deleted at
    /// Twilio, because that cannot be undone.
    fn default() -> Self {
        Self { store_inbound: true, delete_at_twilio: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_given_have_their_defaults() {
        let read = |text: &str| serde_json::from_str::<MediaSettings>(text);
        assert_eq!(read("{}").unwrap(), MediaSettings::default());
        let deleted = read(r#"{"delete_at_twilio": true}"#).unwrap();
        assert_eq!(deleted, MediaSettings { store_inbound: true, delete_at_twilio: true });
        assert!(read(r#"{"store": true}"#).is_err() && read(r#"{"store_inbound": "true"}"#).is_err());
    }
}
