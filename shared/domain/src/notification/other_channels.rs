//! Contents that are no messages of Twilio's: an e-mail by SendGrid, and a flow of Twilio Studio.

use serde_json::{Map, Value};

use super::{Content, FallbackChannel, Notification};
use crate::json_fields::{FieldError, JsonFields, parsed, parsed_owned};

pub(super) fn email_template(fields: &mut JsonFields) -> Result<Content, FieldError> {
    Ok(Content::EmailTemplate {
        template_id: fields.required("template_id", "d- and 32 hexadecimal digits", parsed_owned)?,
        variables: fields.optional("variables", "an object", object)?.unwrap_or_default(),
    })
}

/// The parameters of a flow's execution that name its attempt, beside those of the notification.
pub mod flow_parameters {
    pub const NOTIFICATION: &str = "notification_id";
    pub const ATTEMPT: &str = "notification_attempt";
}

pub(super) fn studio(fields: &mut JsonFields) -> Result<Content, FieldError> {
    let parameters = |value| object(value).filter(|object| !reserved().any(|name| object.contains_key(name)));
    let expected = "an object without notification_id and notification_attempt, which each execution has";
    Ok(Content::Studio {
        flow_sid: fields.required("flow_sid", "FW and 32 hexadecimal digits", parsed)?,
        parameters: fields.optional("parameters", expected, parameters)?.unwrap_or_default(),
    })
}

fn reserved() -> impl Iterator<Item = &'static str> {
    [flow_parameters::NOTIFICATION, flow_parameters::ATTEMPT].into_iter()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(map) = value { Some(map) } else { None }
}

/// Checks what belongs together: an e-mail has an address, and nothing else has one. Of a flow no delivery is reported, so that
/// an option cannot wait for it.
pub(super) fn check(notification: &Notification) -> Result<(), FieldError> {
    if matches!(notification.content, Content::EmailTemplate { .. }) {
        let problem = "expected text, media, template or studio: an e-mail is a fallback";
        return Err(("content.type".to_owned(), problem.to_owned()));
    }
    let mut after_flow = matches!(notification.content, Content::Studio { .. });
    for (index, fallback) in notification.fallback.iter().enumerate() {
        let field = |name: &str| format!("fallback[{index}].{name}");
        let is_email = fallback.channel == FallbackChannel::Email;
        if is_email != matches!(fallback.content, Content::EmailTemplate { .. }) {
            let problem = "expected email_template on the channel email, and on no other channel";
            return Err((field("content.type"), problem.to_owned()));
        }
        match (&fallback.to, is_email) {
            (None, true) => return Err((field("to"), "missing, and required for an e-mail".to_owned())),
            (Some(_), false) => {
                let problem = "expected no such field: the notification names the recipient";
                return Err((field("to"), problem.to_owned()));
            }
            _ => {}
        }
        if fallback.after.is_some() && after_flow {
            let problem = "expected no time after a studio flow, of which no delivery is reported";
            return Err((field("after"), problem.to_owned()));
        }
        after_flow |= matches!(fallback.content, Content::Studio { .. });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notification::InvalidNotification;

    const TEMPLATE_ID: &str = "d-00000000000000000000000000000001";

    fn email() -> Value {
        let content = json!({"type": "email_template", "template_id": TEMPLATE_ID,
                             "variables": {"items": [{"name": "Tea", "price": 4.5}], "paid": true}});
        json!({"channel": "email", "to": "ava@example.com", "content": content, "after": "10m"})
    }

    fn studio() -> Value {
        json!({"type": "studio", "flow_sid": "FW00000000000000000000000000000001", "parameters": {"order": 18473}})
    }

    fn parse(content: &Value, fallback: &Value) -> Result<Notification, InvalidNotification> {
        let notification = json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": content,
                                  "fallback": fallback});
        Notification::parse(&notification.to_string())
    }

    fn with(mut value: Value, field: &str, to: Value) -> Value {
        value[field] = to;
        value
    }

    #[test]
    fn email_is_read_with_its_address_and_variables() {
        let text = json!({"type": "text", "body": "Hello"});
        let notification = parse(&text, &json!([email()])).unwrap();
        assert_eq!(
            notification.email_recipient(1).map(|to| to.as_str().to_owned()).as_deref(),
            Some("ava@example.com")
        );
        let Some((FallbackChannel::Email, Content::EmailTemplate { template_id, variables })) =
            notification.channel_option(1)
        else {
            panic!("{notification:?}");
        };
        assert_eq!((template_id.as_str(), &variables["paid"]), (TEMPLATE_ID, &json!(true)));
        assert!(!format!("{notification:?}").contains("Tea") && !format!("{notification:?}").contains("ava@"));
    }

    #[test]
    fn flow_is_read_with_its_parameters() {
        let notification = parse(&studio(), &json!([])).unwrap();
        let Content::Studio { parameters, .. } = &notification.content else { panic!() };
        assert_eq!(parameters["order"], 18_473);
    }

    #[test]
    fn what_does_not_belong_together_is_named() {
        let text = json!({"type": "text", "body": "Hello"});
        let sms = json!({"channel": "sms", "content": text, "after": "10m"});
        let email_content = email()["content"].clone();
        for (content, fallback, field) in [
            (&email_content, json!([]), "content.type"),
            (&text, json!([with(email(), "to", json!(null))]), "fallback[0].to"),
            (&text, json!([with(email(), "to", json!("ava"))]), "fallback[0].to"),
            (&text, json!([with(sms.clone(), "to", json!("ava@example.com"))]), "fallback[0].to"),
            (&text, json!([with(email(), "content", text.clone())]), "fallback[0].content.type"),
            (&text, json!([with(sms.clone(), "content", email_content.clone())]), "fallback[0].content.type"),
            (
                &text,
                json!([with(email(), "content", with(email_content.clone(), "template_id", json!("d-1")))]),
                "fallback[0].content.template_id",
            ),
            (
                &text,
                json!([with(email(), "content", with(email_content.clone(), "variables", json!([])))]),
                "fallback[0].content.variables",
            ),
            (&text, json!([with(email(), "after", json!("1s"))]), "fallback[0].after"),
            (&with(studio(), "flow_sid", json!("FW1")), json!([]), "content.flow_sid"),
            (&studio(), json!([sms]), "fallback[0].after"),
            (&with(studio(), "parameters", json!({"notification_id": "mine"})), json!([]), "content.parameters"),
        ] {
            let error = parse(content, &fallback).unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
    }

    #[test]
    fn same_notification_has_the_same_digest_as_before() {
        let text = json!({"type": "text", "body": "Hello"});
        let notification = parse(&text, &json!([{"channel": "sms", "content": text}])).unwrap();
        let json = serde_json::to_value(&notification).unwrap();
        assert_eq!(json["fallback"][0], json!({"channel": "sms", "content": {"text": {"body": "Hello"}}}));
    }
}
