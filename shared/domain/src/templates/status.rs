//! What WhatsApp decided about a template.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a template's approval. Source: Twilio, "Content API resources", "Fetch an approval status request".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TemplateStatus {
    /// It was not submitted to WhatsApp.
    Unsubmitted,
    Received,
    Pending,
    Approved,
    Rejected,
    /// WhatsApp does not send it for some hours, because people complain about it.
    Paused,
    /// WhatsApp does not send it any more.
    Disabled,
    /// A word that is not known here, in lower case. It cannot be sent.
    Other(String),
}

impl TemplateStatus {
    /// The status of Twilio's word, in any case.
    pub fn of(word: &str) -> Self {
        const MAX_CHARS: usize = 40;
        let word = word.trim().to_ascii_lowercase();
        match word.as_str() {
            "unsubmitted" => Self::Unsubmitted,
            "received" => Self::Received,
            "pending" => Self::Pending,
            "approved" => Self::Approved,
            "rejected" => Self::Rejected,
            "paused" => Self::Paused,
            "disabled" => Self::Disabled,
            _ => Self::Other(word.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Unsubmitted => "unsubmitted",
            Self::Received => "received",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Other(word) => word,
        }
    }

    /// Whether WhatsApp has not approved it yet. Some of this content can be sent while the service window is open.
    pub const fn is_before_approval(&self) -> bool {
        matches!(self, Self::Unsubmitted | Self::Received | Self::Pending | Self::Rejected)
    }

    /// Whether WhatsApp withdrew its approval, for some hours or for good.
    pub const fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Paused | Self::Disabled)
    }
}

impl From<String> for TemplateStatus {
    fn from(word: String) -> Self {
        Self::of(&word)
    }
}

impl From<TemplateStatus> for String {
    fn from(status: TemplateStatus) -> String {
        status.as_str().to_owned()
    }
}

impl fmt::Display for TemplateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_in_any_case_and_written_in_lower_case() {
        for word in ["unsubmitted", "received", "pending", "approved", "rejected", "paused", "disabled", "archived"] {
            assert_eq!(TemplateStatus::of(&word.to_uppercase()).as_str(), word);
            let json = serde_json::to_string(&TemplateStatus::of(word)).unwrap();
            assert_eq!(serde_json::from_str::<TemplateStatus>(&json).unwrap(), TemplateStatus::of(word));
        }
        assert_eq!(TemplateStatus::of("In_Appeal"), TemplateStatus::Other("in_appeal".to_owned()));
        assert_eq!(TemplateStatus::of(&"x".repeat(500)).as_str().len(), 40);
    }
}
