//! Twilio's Content API: templates, their text for a person ([`render`]), Twilio's conditions ([`types`]) and WhatsApp's
//! approval ([`approval`]).
//!
//! Three templates are approved from the start. A new template is `unsubmitted`: if its type allows that, it can be sent while
//! the service window is open. A template that is submitted is reviewed for one minute of the sandbox's clock.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use twilio_types::address::Channel;

use self::{
    approval::{Approval, ApprovalChange, ApprovalStatus},
    render::RenderedContent,
    types::{ContentType, UnapprovedUse},
};
use crate::{
    config::Config,
    dates::iso_date,
    event_streams::{TemplateUpdate, UpdateKind},
};

pub(crate) mod api;
pub(crate) mod approval;
mod approved;
mod placeholders;
pub(crate) mod render;
pub(crate) mod review;
pub(crate) mod types;
mod variable_rules;

pub(crate) use approved::approved_templates;
pub use approved::{APPOINTMENT_REMINDER_SID, ORDER_UPDATE_SID, VERIFICATION_CODE_SID};

/// A content resource, which a message names by its SID. In Meta's words a template.
#[derive(Debug, Clone)]
pub(crate) struct ContentTemplate {
    pub(crate) sid: String,
    given: ContentDefinition,
    /// None before it is submitted.
    approval: Option<Approval>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The part that a request creates or changes.
#[derive(Debug, Clone, Deserialize)]
struct ContentDefinition {
    #[serde(default)]
    friendly_name: Option<String>,
    language: String,
    /// The samples, which are also the values of the variables that a message leaves out.
    #[serde(default)]
    variables: Option<BTreeMap<String, String>>,
    types: Map<String, Value>,
}

impl ContentTemplate {
    pub(crate) fn status(&self, now: Timestamp) -> ApprovalStatus {
        self.approval.as_ref().map_or(ApprovalStatus::Unsubmitted, |approval| approval.status(now))
    }

    /// Changes what WhatsApp changes of a submitted template, and gives the updates of its category and its quality. Its status
    /// is announced by [`ContentTemplate::announce`].
    pub(crate) fn change_approval(
        &mut self,
        change: ApprovalChange,
        now: Timestamp,
    ) -> Result<Vec<TemplateUpdate>, &'static str> {
        let approval = self.approval.as_mut().ok_or("the template was not submitted for approval")?;
        let values = |approval: &Approval| {
            let category = approval.category().as_str().to_lowercase();
            [(UpdateKind::Category, category), (UpdateKind::Quality, approval.quality().as_str().to_owned())]
        };
        let before = values(approval);
        approval.change(change, now)?;
        let pairs = before.into_iter().zip(values(approval));
        let changed = pairs.filter(|((_, before), (_, after))| before != after);
        self.updated_at = now;
        Ok(changed.map(|((kind, before), (_, after))| self.update(kind, (before, after), now)).collect())
    }

    /// The update of its status, if that changed since the last one.
    pub(crate) fn announce(&mut self, now: Timestamp) -> Option<TemplateUpdate> {
        let (before, after) = self.approval.as_mut()?.announce(now)?;
        let values = (before.as_str().to_owned(), after.as_str().to_owned());
        Some(self.update(UpdateKind::Status, values, now))
    }

    fn update(&self, kind: UpdateKind, (previous, current): (String, String), at: Timestamp) -> TemplateUpdate {
        TemplateUpdate {
            kind,
            template_sid: self.sid.clone(),
            friendly_name: self.given.friendly_name.clone().unwrap_or_default(),
            language: self.given.language.clone(),
            previous,
            current,
            at,
        }
    }

    /// When its status changes by itself; none where it does not.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.approval.as_ref()?.next_change(now)
    }

    /// Undoes all that WhatsApp decided after the review.
    pub(crate) fn restore_approval(&mut self, now: Timestamp) {
        if let Some(approval) = &mut self.approval {
            approval.restore(now);
        }
    }

    /// Whether it has a type that the channel supports.
    pub(crate) fn supports(&self, channel: &Channel) -> bool {
        self.content_type_on(channel).is_some()
    }

    /// Whether it can be sent without approval while the service window is open.
    pub(crate) fn unapproved(&self) -> UnapprovedUse {
        self.whatsapp_type().map_or(UnapprovedUse::Never, |(kind, content)| kind.unapproved(content))
    }

    /// Whether it is a template for a one-time password: copy-code, one-tap or zero-tap.
    pub(crate) fn is_authentication(&self) -> bool {
        self.whatsapp_type().is_some_and(|(kind, _)| kind.key == "whatsapp/authentication")
    }

    /// Whether a message has a value for each variable of the content, its own or the content's, and no other values.
    pub(crate) fn matches_values(&self, given: &BTreeMap<String, String>) -> bool {
        let names = self.placeholders();
        let is_known = |name: &String| self.default(name).is_some() || names.contains(name);
        let has_value = |name: &String| given.contains_key(name) || self.default(name).is_some();
        given.keys().all(is_known) && names.iter().all(has_value)
    }

    fn default(&self, name: &str) -> Option<&str> {
        self.given.variables.as_ref()?.get(name).map(String::as_str)
    }

    fn placeholders(&self) -> Vec<String> {
        placeholders::names(&Value::Object(self.given.types.clone()))
    }

    fn whatsapp_type(&self) -> Option<(&'static ContentType, &Value)> {
        self.content_type_on(&Channel::WhatsApp)
    }

    /// Its richest type that the channel supports.
    fn content_type_on(&self, channel: &Channel) -> Option<(&'static ContentType, &Value)> {
        types::on(channel).find_map(|kind| Some((kind, self.given.types.get(kind.key)?)))
    }

    /// Its text, buttons and files on a channel, with a message's values for the variables.
    pub(crate) fn render(&self, channel: &Channel, given: &BTreeMap<String, String>) -> RenderedContent {
        let value = |name: &str| given.get(name).map(String::as_str).or_else(|| self.default(name)).unwrap_or_default();
        self.content_type_on(channel)
            .map(|(kind, content)| render::render(kind.key, content, &value))
            .unwrap_or_default()
    }

    pub(crate) fn is_named(&self, name: &str, language: &str) -> bool {
        self.given.friendly_name.as_deref() == Some(name) && self.given.language == language
    }

    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://content.twilio.com/v1/Content/{}", self.sid);
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "friendly_name": self.given.friendly_name,
            "language": self.given.language, "variables": self.given.variables.clone().unwrap_or_default(),
            "types": self.given.types, "date_created": iso_date(self.created_at),
            "date_updated": iso_date(self.updated_at),
            "links": {
                "approval_create": format!("{url}/ApprovalRequests/whatsapp"),
                "approval_fetch": format!("{url}/ApprovalRequests"),
            },
            "url": url,
        })
    }

    /// What the page shows of the template: its text on WhatsApp, with the samples.
    pub(crate) fn overview(&self, now: Timestamp) -> Value {
        let body = self.whatsapp_type().and_then(|(_, content)| content["body"].as_str());
        let approval = self.approval.as_ref();
        json!({
            "sid": self.sid, "name": self.given.friendly_name, "language": self.given.language,
            "category": approval.map(|approval| approval.category().as_str()), "body": body,
            "status": self.status(now).as_str(), "quality": approval.map(Approval::quality),
            "rejection_reason": approval.map(|approval| approval.rejection_reason(now)),
            "content_type": self.whatsapp_type().map(|(kind, _)| kind.key),
            "variables": self.given.variables.clone().unwrap_or_default(),
            "buttons": self.render(&Channel::WhatsApp, &BTreeMap::new()).buttons,
        })
    }

    fn approval_resource(&self, now: Timestamp) -> Value {
        let content_type = self.whatsapp_type().map(|(kind, _)| kind.key);
        match &self.approval {
            Some(approval) => approval.resource(content_type, now),
            None => json!({
                "name": "", "category": "", "content_type": content_type,
                "status": ApprovalStatus::Unsubmitted.as_str(), "rejection_reason": "", "allow_category_change": true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(sid: &str, channel: &Channel, given: &str) -> RenderedContent {
        let content = approved_templates(Timestamp::UNIX_EPOCH).into_iter().find(|content| content.sid == sid).unwrap();
        content.render(channel, &serde_json::from_str(given).unwrap())
    }

    #[test]
    fn template_takes_the_samples_for_missing_values() {
        let cases = [
            (ORDER_UPDATE_SID, "{}", "Hello Ava, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "Ben"}"#, "Hello Ben, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "{{2}}", "2": " "}"#, "Hello {{2}}, your order   is on its way."),
            (APPOINTMENT_REMINDER_SID, r#"{"1": "1 May", "2": "9:00"}"#, "Your appointment is on 1 May at 9:00."),
            (VERIFICATION_CODE_SID, r#"{"1": "000042"}"#, "000042 is your verification code."),
        ];
        for (sid, given, text) in cases {
            assert_eq!(rendered(sid, &Channel::WhatsApp, given).body, text);
            assert_eq!(rendered(sid, &Channel::Sms, given).body, text);
        }
    }

    #[test]
    fn each_variable_needs_a_value_and_each_value_a_variable() {
        let [order, ..] = approved_templates(Timestamp::UNIX_EPOCH);
        let without_samples = ContentDefinition { variables: None, ..order.given.clone() };
        let without_samples = ContentTemplate { given: without_samples, ..order.clone() };
        let cases = [
            (&order, "{}", true),
            (&order, r#"{"1": "Ben"}"#, true),
            (&order, r#"{"3": "x"}"#, false),
            (&without_samples, r#"{"1": "Ben", "2": "A-17"}"#, true),
            (&without_samples, r#"{"1": "Ben"}"#, false),
            (&without_samples, r#"{"1": "Ben", "2": "A-17", "3": "x"}"#, false),
        ];
        for (content, given, matches) in cases {
            assert_eq!(content.matches_values(&serde_json::from_str(given).unwrap()), matches, "{given}");
        }
    }

    #[test]
    fn buttons_are_rendered_on_whatsapp_only() {
        let titles = |channel| {
            let rendered = rendered(APPOINTMENT_REMINDER_SID, channel, "{}");
            rendered.buttons.into_iter().map(|button| (button.title, button.id)).collect::<Vec<_>>()
        };
        let button = |title: &str, id: &str| (title.to_owned(), Some(id.to_owned()));
        assert_eq!(titles(&Channel::WhatsApp), [button("Confirm", "confirm"), button("Reschedule", "reschedule")]);
        assert_eq!(titles(&Channel::Sms), []);
    }
}
