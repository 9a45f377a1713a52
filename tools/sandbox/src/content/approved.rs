//! The templates that are approved from the start.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ContentDefinition, ContentTemplate,
    approval::{Approval, TemplateCategory},
};

/// The approved template `order_update` in `en`.
pub const ORDER_UPDATE_SID: &str = "HX00000000000000000000000000000001";
/// The approved template `appointment_reminder` in `en`, with two buttons on WhatsApp.
pub const APPOINTMENT_REMINDER_SID: &str = "HX00000000000000000000000000000002";
/// The approved template `verification_code` in `en`.
pub const VERIFICATION_CODE_SID: &str = "HX00000000000000000000000000000003";

pub(crate) fn approved_templates(at: Timestamp) -> [ContentTemplate; 3] {
    let text = |body: &str| ("twilio/text", json!({"body": body}));
    let appointment = "Your appointment is on {{1}} at {{2}}.";
    let buttons = json!([
        {"type": "QUICK_REPLY", "title": "Confirm", "id": "confirm"},
        {"type": "QUICK_REPLY", "title": "Reschedule", "id": "reschedule"},
    ]);
    let reminder = ("twilio/quick-reply", json!({"body": appointment, "actions": buttons}));
    [
        approved(
            (ORDER_UPDATE_SID, "order_update", TemplateCategory::Utility),
            [("1", "Ava"), ("2", "18473")].as_slice(),
            vec![text("Hello {{1}}, your order {{2}} is on its way.")],
            at,
        ),
        approved(
            (APPOINTMENT_REMINDER_SID, "appointment_reminder", TemplateCategory::Utility),
            &[("1", "21 November"), ("2", "10:30")],
            vec![text(appointment), reminder],
            at,
        ),
        approved(
            (VERIFICATION_CODE_SID, "verification_code", TemplateCategory::Authentication),
            &[("1", "123456")],
            vec![text("{{1}} is your verification code.")],
            at,
        ),
    ]
}

fn approved(
    (sid, name, category): (&str, &str, TemplateCategory),
    variables: &[(&str, &str)],
    types: Vec<(&str, Value)>,
    at: Timestamp,
) -> ContentTemplate {
    let variables = variables.iter().map(|(variable, sample)| ((*variable).to_owned(), (*sample).to_owned())).collect();
    let types = types.into_iter().map(|(key, content)| (key.to_owned(), content)).collect();
    ContentTemplate {
        sid: sid.to_owned(),
        given: ContentDefinition {
            friendly_name: Some(name.to_owned()),
            language: "en".to_owned(),
            variables: Some(variables),
            types,
        },
        approval: Some(Approval::granted(name, category)),
        created_at: at,
        updated_at: at,
    }
}
