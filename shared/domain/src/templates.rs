//! The registry of an account's templates: what Twilio's Content API and WhatsApp's approvals say, and what follows from it
//! for a notification that names a template.
//!
//! 1. [`TemplateRegistry::find`] gives the template by its SID, or by its name in the first locale of the fallback
//!    ([`crate::template_settings`]), or the [`TemplateProblem`] why it cannot be sent.
//! 2. [`check_variables`] compares the notification's values with the template's variables.
//! 3. An option of a notification whose template has a problem is passed over, and the next one is tried
//!    ([`crate::policy`]). So a person never sees the sample text of a template, and no request to Twilio is spent.
//!
//! The registry is fed by two sources, which may come in any order: Twilio's list ([`RegisteredTemplate::after_listing`])
//! and Event Streams ([`RegisteredTemplate::after_update`]).

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use twilio_types::sid::ContentSid;

use crate::notification::FallbackChannel;

mod archival;
mod change;
mod events;
mod locale;
mod registry;
mod shape;
mod status;
mod variables;

pub use archival::{ARCHIVAL_WARNING, closest_to_archival, day_of};
pub use change::{ListedTemplate, TemplateUpdate, UpdatedField};
pub use events::{StreamedEvent, StreamedEvents, TEMPLATE_EVENT_TYPE, UnreadableEvents};
pub use locale::{InvalidLocale, Locale, Locales};
pub use registry::{Sendability, TemplateRegistry, TemplateUse};
pub use shape::{TemplateShape, UnapprovedUse, VariableUses};
pub use status::TemplateStatus;
pub use variables::{VariableProblem, VariableProblems, check_variables, value_problem};

/// A template as the registry has it. It has everything that decides about a notification, and not its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredTemplate {
    pub sid: ContentSid,
    /// Twilio's `friendly_name`, by which notifications name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "locale::stored")]
    pub locale: Option<Locale>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it became known here.
    pub registered_at: Timestamp,
    pub shape: TemplateShape,
    pub status: TemplateStatus,
    /// When the status was true: when WhatsApp changed it, or when Twilio's list was read.
    pub status_at: Timestamp,
    /// WhatsApp's category, in lower case: `utility`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// When Event Streams last said the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_at: Option<Timestamp>,
    /// WhatsApp's rating of the template, in lower case, as in `green`. Only Event Streams says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    /// The last day (UTC) on which a notification was sent with it, by this system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_on: Option<Date>,
}

/// Why an option's template cannot be sent. `Display` begins with the path of the field within the option.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// The registry may be older than the template.
    #[error("content.name: the account has no template of the name {}", shortened(.0))]
    UnknownName(String),
    /// The registry may be older than this locale.
    #[error("content.locale: the template {} exists in none of the locales {}", shortened(name), list(tried))]
    NoLocale { name: String, tried: Vec<Locale> },
    #[error("content: the template is {0} at WhatsApp, expected an approved one")]
    Status(TemplateStatus),
    #[error("content: a template of the type {0} can be sent only in the 24 hours after the recipient's last message")]
    OnlyInWindow(String),
    #[error("content: the template has no type for {}", .0.as_str())]
    NoTypeFor(FallbackChannel),
    #[error(transparent)]
    Variables(#[from] VariableProblems),
}

impl fmt::Debug for TemplateProblem {
    /// Leaves out the name, which is free text of the notification.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(_) => f.write_str("UnknownName"),
            Self::NoLocale { .. } => f.write_str("NoLocale"),
            Self::Status(status) => write!(f, "Status({status})"),
            Self::OnlyInWindow(kind) => write!(f, "OnlyInWindow({kind})"),
            Self::NoTypeFor(channel) => write!(f, "NoTypeFor({})", channel.as_str()),
            Self::Variables(_) => f.write_str("Variables"),
        }
    }
}

impl TemplateProblem {
    /// Whether the template may exist and not be known here yet.
    pub const fn may_be_unknown(&self) -> bool {
        matches!(self, Self::UnknownName(_) | Self::NoLocale { .. })
    }
}

fn shortened(name: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut chars = name.chars().filter(|c| !c.is_control());
    let shown: String = chars.by_ref().take(MAX_CHARS).collect();
    if chars.next().is_some() { format!("{shown}…") } else { shown }
}

fn list(locales: &[Locale]) -> String {
    /// The locale of a notification may be any text.
    const MAX_CHARS: usize = 200;
    let shown = locales.iter().map(Locale::as_str).collect::<Vec<_>>().join(", ");
    shown.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// Why an option was not sent, and the next one was tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// 0 is the content, 1 the first fallback.
    #[serde(rename = "route")]
    pub option: usize,
    pub reason: String,
}

impl fmt::Debug for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassedOver").field("option", &self.option).finish_non_exhaustive()
    }
}

impl PassedOver {
    /// The reason begins with the path of the field in the notification.
    pub fn of(option: usize, problem: &TemplateProblem) -> Self {
        let path = option.checked_sub(1).map(|index| format!("fallback[{index}].")).unwrap_or_default();
        Self { option, reason: format!("{path}{problem}") }
    }
}

#[cfg(test)]
pub(crate) mod tests;
