//! What Twilio and WhatsApp accept as the value of a variable, whatever its template is.

use super::{Content, Notification};
use crate::{json_fields::FieldError, templates::value_problem};

/// Refuses a value that Twilio refuses, or with which WhatsApp never delivers a template.
pub(super) fn check(notification: &Notification) -> Result<(), FieldError> {
    for option in 0..=notification.fallback.len() {
        let Some((channel, Content::Template { variables, .. })) = notification.channel_option(option) else {
            continue;
        };
        for (name, value) in variables {
            if let Some(problem) = value_problem(channel, value) {
                let path = option.checked_sub(1).map(|index| format!("fallback[{index}].")).unwrap_or_default();
                return Err((format!("{path}content.variables.{name}"), problem.to_string()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::notification::{InvalidNotification, Notification};

    fn template(value: &str) -> Value {
        let sid = "HX00000000000000000000000000000001";
        json!({"type": "template", "content_sid": sid, "variables": {"1": "Ava", "2": value}})
    }

    fn with(content: &Value, channel: &str, fallback: &Value) -> Result<Notification, InvalidNotification> {
        let fallback = json!([{"channel": channel, "content": fallback}]);
        let notification = json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": content,
                                  "fallback": fallback});
        Notification::parse(&notification.to_string())
    }

    #[test]
    fn a_variable_that_whatsapp_refuses_is_named() {
        for (value, problem) in [
            ("", "expected a text that is not empty"),
            (" ", "expected a text that is not blank"),
            ("18473\n", "expected a text without line breaks and tabs"),
            ("18\r473", "expected a text without line breaks and tabs"),
            ("\t18473", "expected a text without line breaks and tabs"),
            ("184     73", "expected at most four spaces in a row"),
        ] {
            let error = with(&template(value), "whatsapp", &template("1")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("content.variables.2: {problem}")), "{value:?}: {error}");
            let error = with(&template("1"), "whatsapp", &template(value)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("fallback[0].content.variables.2: {problem}")), "{value:?}: {error}");
        }
    }

    #[test]
    fn other_values_are_accepted() {
        for value in ["1", "18    473", " a ", "ä\u{a0}\u{ffff}👋"] {
            assert!(with(&template(value), "whatsapp", &template(value)).is_ok(), "{value:?}");
        }
        let text = json!({"type": "text", "body": "two\nlines"});
        assert!(with(&text, "sms", &template("two\nlines     ")).is_ok(), "SMS has no such rule");
        let empty = with(&text, "sms", &template("")).unwrap_err();
        assert_eq!(empty.field, "fallback[0].content.variables.2", "Twilio refuses it on every channel");
    }
}
