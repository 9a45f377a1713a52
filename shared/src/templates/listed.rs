//! Templates as Twilio's Content API has them.

use domain::templates::{ListedTemplate, Locale, TemplateShape, TemplateStatus};
use twilio_client::{ContentWithApproval, TwilioError};
use twilio_types::sid::{AccountSid, ContentSid};

use crate::{
    deadline::Deadline,
    twilio::{AccountCallError, TwilioAccounts},
};

/// Reads templates of Twilio.
#[derive(Debug)]
pub struct ListedTemplates {
    pub twilio: TwilioAccounts,
}

const NOT_FOUND: u16 = 404;

impl ListedTemplates {
    /// One template; none if the account does not have it.
    pub async fn one(
        &self,
        account_sid: &AccountSid,
        sid: &ContentSid,
        deadline: Deadline,
    ) -> Result<Option<ListedTemplate>, AccountCallError> {
        let read = self.twilio.call(account_sid, deadline, async |account| account.content_with_approval(sid).await);
        match Box::pin(read).await {
            Ok(content) => Ok(Some(listed(content))),
            Err(AccountCallError::Twilio(TwilioError::Rejected(response))) if response.status == NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What the registry needs of a template. One without an approval was not submitted.
pub fn listed(content: ContentWithApproval) -> ListedTemplate {
    let approval = content.approval.unwrap_or_default();
    let status = approval.status.as_deref().map_or(TemplateStatus::Unsubmitted, TemplateStatus::of);
    let samples = content.variables.keys().map(String::as_str);
    ListedTemplate {
        sid: content.sid,
        name: content.friendly_name,
        locale: content.language.as_deref().map(Locale::of),
        created_at: content.date_created.and_then(|created| created.parse().ok()),
        shape: TemplateShape::of(&content.types, approval.content_type.as_deref(), samples),
        status,
        category: approval.category.map(|category| category.to_ascii_lowercase()),
        rejection_reason: approval.rejection_reason.map(|reason| reason.chars().take(300).collect()),
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::FallbackChannel;
    use serde_json::json;

    use super::*;

    #[test]
    fn entry_is_made_of_twilios_content() {
        let content = json!({
            "sid": "HX00000000000000000000000000000001", "friendly_name": "order", "language": "pt-BR",
            "date_created": "2026-11-20T09:00:00Z", "variables": {"1": "Ava"},
            "types": {"twilio/text": {"body": "{{1}} {{2}}"}, "twilio/card": {"title": "{{1}}"}},
            "approval_requests": {"status": "Paused", "category": "UTILITY", "content_type": "twilio/text"},
        });
        let read = listed(serde_json::from_value(content).unwrap());
        assert_eq!((read.status.as_str(), read.category.as_deref()), ("paused", Some("utility")));
        assert_eq!(read.locale, Some(Locale::of("pt_BR")));
        assert!(read.created_at.is_some());
        assert_eq!(read.shape.variables(FallbackChannel::WhatsApp).unwrap().names.len(), 2, "of the approved type");
        let bare = json!({"sid": "HX00000000000000000000000000000001", "types": null});
        assert_eq!(listed(serde_json::from_value(bare).unwrap()).status, TemplateStatus::Unsubmitted);
    }
}
