//! Sending as the business without a system: the message is created as a call of the API would create it.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use crate::{
    api::{self, create},
    api_error::{ApiError, error_title},
    rules::verdict::verdict,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// The part of a notification that a message has. The rest needs a system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectNotification {
    id: String,
    to: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    messaging_service_sid: Option<String>,
    content: DirectContent,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum DirectContent {
    Text {
        body: String,
    },
    Media {
        media: Vec<MediaFile>,
        #[serde(default)]
        body: Option<String>,
    },
    Template {
        #[serde(default)]
        content_sid: Option<String>,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        locale: Option<String>,
        #[serde(default)]
        variables: BTreeMap<String, String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MediaFile {
    url: String,
}

/// What the sandbox's own rules say about the message.
pub(super) async fn preview(sandbox: &Arc<Sandbox>, notification: Value) -> Result<Value, String> {
    let notification = read(notification)?;
    let refused = |reason: String| json!({"decision": "refuse", "reason": reason});
    let message = match create::message(sandbox, &notification.form(sandbox)?) {
        Ok(message) => message,
        Err(error) => return Ok(refused(words(&error))),
    };
    Ok(match verdict(sandbox, &message).await {
        Some(code) => refused(format!("{code}: {}", error_title(code))),
        None => json!({"decision": "send", "reason": null}),
    })
}

pub(super) fn send(sandbox: &Arc<Sandbox>, notification: Value) -> Result<Value, String> {
    let notification = read(notification)?;
    let sent = api::send(sandbox, &notification.form(sandbox)?).map_err(|error| words(&error))?;
    let sid = sent.and_then(|sent| sent.sid);
    let DirectNotification { id, to, category, .. } = notification;
    let event = TimelineEvent::new("api_call", TimelineOutcome::Good, "A message is created as the business");
    sandbox.record(event.of(&to, sid.as_deref()));
    Ok(json!({"id": id, "to": to, "category": category, "outcome": "queued"}))
}

fn read(notification: Value) -> Result<DirectNotification, String> {
    serde_json::from_value(notification).map_err(|error| format!("{error}, without a system under test"))
}

fn words(error: &ApiError) -> String {
    format!("{}: {}", error.code, error.message)
}

impl DirectNotification {
    fn form(&self, sandbox: &Sandbox) -> Result<Form, String> {
        let to = self.to.strip_prefix("whatsapp:").unwrap_or(&self.to);
        let mut pairs = vec![("To", format!("whatsapp:{to}"))];
        let service = self.messaging_service_sid.clone();
        let own_service = || sandbox.config.messaging_service_sid.to_string();
        pairs.push(
            self.from
                .clone()
                .map_or_else(|| ("MessagingServiceSid", service.unwrap_or_else(own_service)), |from| ("From", from)),
        );
        match &self.content {
            DirectContent::Text { body } => pairs.push(("Body", body.clone())),
            DirectContent::Media { media, body } => {
                pairs.extend(media.iter().map(|file| ("MediaUrl", file.url.clone())));
                pairs.extend(body.iter().map(|body| ("Body", body.clone())));
            }
            DirectContent::Template { content_sid, name, locale, variables } => {
                let sid = content_sid.clone().or_else(|| find(sandbox, name.as_deref()?, locale.as_deref()?));
                let sid = sid.ok_or("content: expected content_sid, or name and locale of a template")?;
                pairs.push(("ContentSid", sid));
                if !variables.is_empty() {
                    pairs.push(("ContentVariables", json!(variables).to_string()));
                }
            }
        }
        Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The SID of a template with this name in this language.
fn find(sandbox: &Sandbox, name: &str, locale: &str) -> Option<String> {
    let contents = sandbox.products.contents.all();
    contents.iter().find(|content| content.is_named(name, locale)).map(|content| content.sid.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, content::ORDER_UPDATE_SID};

    fn notification(content: &Value) -> Value {
        json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": content})
    }

    #[tokio::test]
    async fn preview_has_the_decision_of_the_sandboxs_rules() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let template = json!({"type": "template", "name": "order_update", "locale": "en", "variables": {"1": "Ava", "2": "18473"}});
        let text = json!({"type": "text", "body": "Hi"});
        let long = json!({"type": "text", "body": "a".repeat(1_601)});
        let unknown = json!({"type": "template", "content_sid": "HX1"});
        for (content, decision, reason) in [
            (template, "send", None),
            (text, "refuse", Some("63016: ")),
            (long, "refuse", Some("21617: ")),
            (unknown, "refuse", Some("21655: ")),
        ] {
            let shown = preview(&sandbox, notification(&content)).await.unwrap();
            assert_eq!(shown["decision"], decision, "{content}: {shown}");
            assert_eq!(shown["reason"].as_str().map(|reason| &reason[..7]), reason, "{shown}");
        }
        assert_eq!(sandbox.memory().messages.iter().count(), 0, "a preview sends nothing");
    }

    #[tokio::test]
    async fn message_is_sent_as_the_template() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let template =
            json!({"type": "template", "content_sid": ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "7"}});
        let sent = send(&sandbox, notification(&template)).unwrap();
        assert_eq!((&sent["id"], &sent["outcome"]), (&json!("order-1"), &json!("queued")));
        let memory = sandbox.memory();
        let message = memory.messages.iter().next().unwrap();
        assert_eq!(
            (message.to.as_str(), message.body.as_str()),
            ("whatsapp:+14155550123", "Hello Ava, your order 7 is on its way.")
        );
    }

    #[test]
    fn field_that_needs_a_system_is_refused_by_name() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let mut later = notification(&json!({"type": "text", "body": "Hi"}));
        later["send_at"] = json!("2026-11-20T09:00:00Z");
        let error = send(&sandbox, later).unwrap_err();
        assert!(error.contains("`send_at`") && error.ends_with("without a system under test"), "{error}");
    }
}
