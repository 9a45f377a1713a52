//! What an operator learns of a template's change, by the log.

use domain::templates::{RegisteredTemplate, TemplateStatus};
use twilio_types::sid::AccountSid;

/// Whether a change of the status needs an operator: messages that were sent a moment ago are not sent now.
fn needs_operator(before: Option<&RegisteredTemplate>, after: &RegisteredTemplate) -> bool {
    let was_approved = before.is_some_and(|before| before.status == TemplateStatus::Approved);
    let is_withdrawn = after.status.is_withdrawn() || matches!(after.status, TemplateStatus::Other(_));
    before.is_some_and(|before| before.status != after.status) && (is_withdrawn || was_approved)
}

/// Writes a change of a template into the log. `before` is none for a template that was not known.
pub fn log_change(account_sid: &AccountSid, before: Option<&RegisteredTemplate>, after: &RegisteredTemplate) {
    let content_sid = &after.sid;
    let name = after.name.as_deref();
    let locale = after.locale.as_ref().map(tracing::field::display);
    let was = |of: fn(&RegisteredTemplate) -> Option<&str>| before.and_then(of);
    let (status, category, quality) = (after.status.as_str(), after.category.as_deref(), after.quality.as_deref());
    if needs_operator(before, after) {
        tracing::error!(
            %account_sid,
            %content_sid,
            name,
            locale,
            status,
            was = was(|before| Some(before.status.as_str())),
            alarm = "template",
            "a template cannot be sent any more: notifications that name it go on with their fallback"
        );
        return;
    }
    if before.is_some() && was(|before| before.category.as_deref()) != category {
        tracing::warn!(%account_sid, %content_sid, name, category, "WhatsApp changed the category of a template");
    }
    tracing::info!(%account_sid, %content_sid, name, locale, status, category, quality, "a template has changed");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_log::logged;

    fn template(status: &str) -> RegisteredTemplate {
        let at = "2026-11-20T09:00:00Z";
        let template = json!({"sid": "HX00000000000000000000000000000001", "status": status, "status_at": at,
                              "registered_at": at, "shape": {}});
        serde_json::from_value(template).unwrap()
    }

    #[tokio::test]
    async fn paused_template_is_named_with_the_alarm() {
        let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
        let change = async |before: &str, after: &str| {
            let (before, after) = (template(before), template(after));
            logged(async { log_change(&account_sid, Some(&before), &after) }).await.1
        };
        let paused = change("approved", "paused").await;
        assert!(paused.iter().any(|line| line.contains(r#""alarm":"template""#)), "{paused:?}");
        assert!(paused[0].contains("HX00000000000000000000000000000001"), "{paused:?}");
        let resumed = change("paused", "approved").await;
        assert!(!resumed.iter().any(|line| line.contains("alarm")), "{resumed:?}");
    }

    #[test]
    fn template_that_cannot_be_sent_any_more_rings_an_alarm() {
        for (before, after, rings) in [
            (Some("approved"), "paused", true),
            (Some("approved"), "disabled", true),
            (Some("approved"), "archived", true),
            (Some("approved"), "rejected", true),
            (Some("paused"), "disabled", true),
            (Some("paused"), "approved", false),
            (Some("paused"), "paused", false),
            (Some("pending"), "rejected", false),
            (Some("unsubmitted"), "received", false),
            (None, "paused", false),
        ] {
            let before = before.map(template);
            assert_eq!(needs_operator(before.as_ref(), &template(after)), rings, "{before:?} {after}");
        }
    }
}
