//! The webhook of Twilio from which an event was made.

use serde_json::Value;
use twilio_types::sid::AccountSid;
use twilio_webhook::form::{Form, RawForm};

/// The account and the form of the webhook; none for an event that no webhook brought.
pub(super) fn webhook_of(event: &Value) -> Option<(AccountSid, Form)> {
    // `reconcile` found it at Twilio, because the webhook did not arrive: its form is made up from the message.
    if event.get("recovered") == Some(&Value::Bool(true)) {
        return None;
    }
    let account_sid = event.get("account_sid")?.as_str()?.parse().ok()?;
    let raw: RawForm = serde_json::from_value(event.get("raw")?.clone()).ok()?;
    Some((account_sid, Form::from(raw)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn form_is_that_of_the_webhook() {
        let event = json!({"event_type": "twilio_inbound", "account_sid": "AC00000000000000000000000000000001",
                           "raw": {"Body": "hi", "MessageSid": "SM1", "A": ["1", "2"]}});
        let (_, form) = webhook_of(&event).unwrap();
        assert_eq!((form.get("Body"), form.pairs().len()), (Some("hi"), 4));
    }

    #[test]
    fn event_without_a_webhook_has_no_form() {
        let account = "AC00000000000000000000000000000001";
        for event in [
            json!({"event_type": "contact_opted_out", "account_sid": account}),
            json!({"event_type": "twilio_inbound", "account_sid": account, "raw": {"Body": "hi"}, "recovered": true}),
        ] {
            assert!(webhook_of(&event).is_none(), "{event}");
        }
    }
}
