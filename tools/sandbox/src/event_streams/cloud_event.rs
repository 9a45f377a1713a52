//! The event that tells of a change of a template.
//!
//! Sources: Twilio, "Template Approval" event types (`data`) and "Twilio Event Streams for WhatsApp" (the fields around it).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::TEMPLATE_APPROVAL_UPDATED;
use crate::{config::Config, dates::iso_date};

/// What changed of a template, from which value to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateUpdate {
    pub(crate) kind: UpdateKind,
    pub(crate) template_sid: String,
    pub(crate) friendly_name: String,
    pub(crate) language: String,
    /// In lower case, as Twilio's events have them.
    pub(crate) previous: String,
    pub(crate) current: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateKind {
    Status,
    Category,
    Quality,
}

impl UpdateKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status_update",
            Self::Category => "category_update",
            Self::Quality => "quality_update",
        }
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Category => "category",
            Self::Quality => "quality",
        }
    }
}

impl TemplateUpdate {
    /// The event as Event Streams has it. Its id is the same for each delivery.
    pub(crate) fn cloud_event(&self, id: &str, config: &Config) -> Value {
        let sid = &self.template_sid;
        json!({
            "specversion": "1.0", "type": TEMPLATE_APPROVAL_UPDATED, "source": format!("/v1/Templates/{sid}"),
            "id": id, "dataschema": "https://events-schemas.twilio.com/Messaging.ApprovalUpdated/1",
            "datacontenttype": "application/json", "time": self.at,
            "data": {
                "type": self.kind.as_str(), "accountSid": config.account_sid, "dateUpdated": iso_date(self.at),
                "channel": "whatsapp",
                "template": {
                    "sid": sid, "friendlyName": self.friendly_name,
                    "externalTemplateName": format!("{}_{}", self.friendly_name, sid.to_lowercase()),
                    "language": self.language, "previousValue": self.previous, "currentValue": self.current,
                },
            },
        })
    }
}
