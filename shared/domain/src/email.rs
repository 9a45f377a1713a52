//! An e-mail: its address, its template, and what SendGrid reports of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use twilio_types::message_status::MessageStatus;

/// An e-mail address: enough is checked that a slip is found before SendGrid refuses it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address of at most 254 characters, as in ava@example.com")]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// Source: RFC 5321, section 4.5.3.1, and its erratum 1690.
    const MAX_BYTES: usize = 254;
    const MAX_LOCAL_BYTES: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(text: String) -> Result<Self, InvalidEmailAddress> {
        let is_local = |local: &str| {
            (1..=Self::MAX_LOCAL_BYTES).contains(&local.len())
                && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"@".contains(c))
        };
        let is_label = |label: &str| {
            !label.is_empty() && !label.starts_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let is_domain = |domain: &str| domain.contains('.') && domain.split('.').all(is_label);
        let parts = text.rsplit_once('@').filter(|_| text.len() <= Self::MAX_BYTES);
        if parts.is_some_and(|(local, domain)| is_local(local) && is_domain(domain)) {
            Ok(Self(text))
        } else {
            Err(InvalidEmailAddress)
        }
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// The custom arguments of each e-mail, by which an event of SendGrid's names its attempt.
///
/// An event has them beside SendGrid's own fields, which may have the same name: a `deferred` event has its own `attempt`,
/// the number of SendGrid's tries (Twilio SendGrid, "Event Webhook Reference", deferred event). So none of these is a word of
/// SendGrid's.
pub mod custom_args {
    pub const ACCOUNT: &str = "account_sid";
    pub const NOTIFICATION: &str = "notification_id";
    pub const ATTEMPT: &str = "notification_attempt";
}

/// A dynamic template of SendGrid: `d-` and 32 hexadecimal digits.
///
/// Source: Twilio SendGrid, "Dynamic templates".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailTemplateId(String);

/// Not the id of a dynamic template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected d- and 32 hexadecimal digits")]
pub struct InvalidEmailTemplateId;

impl EmailTemplateId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EmailTemplateId {
    type Error = InvalidEmailTemplateId;

    fn try_from(text: String) -> Result<Self, InvalidEmailTemplateId> {
        let digits = text.strip_prefix("d-").unwrap_or_default();
        let is_id = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { Ok(Self(text)) } else { Err(InvalidEmailTemplateId) }
    }
}

impl From<EmailTemplateId> for String {
    fn from(id: EmailTemplateId) -> Self {
        id.0
    }
}

/// How far an e-mail has come.
///
/// Source: Twilio SendGrid, "Event Webhook Reference", delivery and engagement events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailStatus {
    /// SendGrid accepted it and will deliver it.
    Processed,
    /// The receiving server asked to try later.
    Deferred,
    /// The receiving server accepted it.
    Delivered,
    /// The person opened it. Programs that read mail open it too.
    Opened,
    /// The receiving server refused it.
    Bounced,
    /// SendGrid did not send it.
    Dropped,
}

impl EmailStatus {
    /// The word in the table and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Bounced => "bounced",
            Self::Dropped => "dropped",
        }
    }

    /// The status of a message that means the same for a notification.
    pub const fn message_status(self) -> MessageStatus {
        match self {
            Self::Processed => MessageStatus::Queued,
            Self::Deferred => MessageStatus::Sending,
            Self::Delivered => MessageStatus::Delivered,
            Self::Opened => MessageStatus::Read,
            Self::Bounced => MessageStatus::Undelivered,
            Self::Dropped => MessageStatus::Failed,
        }
    }
}

impl fmt::Display for EmailStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_slips() {
        for good in ["ava@example.com", "a.b+c@mail.example.co.uk", "josé@exämple.de", "x@a-b.io"] {
            assert!(EmailAddress::try_from(good.to_owned()).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b".repeat(260));
        for bad in [
            "",
            "@",
            "ava",
            "ava@",
            "@example.com",
            "ava@example",
            "ava @example.com",
            "ava@exa mple.com",
            "a@b@c.com",
            "<ava@example.com>",
            "Ava <ava@example.com>",
            "ava@example..com",
            "ava@-example.com",
            "ava@example.com\n",
            "ava@example.com,bob@example.com",
            &long,
            &longer,
        ] {
            assert_eq!(EmailAddress::try_from(bad.to_owned()), Err(InvalidEmailAddress), "{bad:?}");
        }
        let address = EmailAddress::try_from("ava@example.com".to_owned()).unwrap();
        assert!(!format!("{address:?}").contains("ava"));
        assert_eq!(String::from(address), "ava@example.com");
    }

    #[test]
    fn template_id_has_its_prefix_and_digits() {
        let id = format!("d-{}", "0123456789abcdef".repeat(2));
        assert_eq!(EmailTemplateId::try_from(id.clone()).map(String::from), Ok(id.clone()));
        for bad in ["", "d-", "d-1", &id[2..], &format!("{id}0")] {
            assert_eq!(EmailTemplateId::try_from(bad.to_owned()), Err(InvalidEmailTemplateId), "{bad}");
        }
    }
}
