//! An e-mail as the page shows it: among the messages on the phone of its person, as a message of the business.

use serde_json::{Value, json};

use super::Email;

/// None for an e-mail whose person is not known.
pub(crate) fn message_json(email: &Email) -> Option<Value> {
    let person = email.person.as_ref()?;
    let body = format!("{}\n{}", email.template_id, variables(&email.variables));
    Some(json!({
        "sid": email.id, "direction": "outbound-api", "from": email.from, "to": email.to, "body": body.trim_end(),
        "status": status(&email.status), "error_code": null,
        "sandbox": {
            "person": person, "outbound": true, "at": email.at, "email": {"to": email.to},
            "media": [], "buttons": [], "answers": null, "answer": null, "content_sid": null, "location": null,
            "replied_to": null, "held": false, "send_at": null,
        },
    }))
}

/// The variables, one a line.
fn variables(variables: &Value) -> String {
    let lines = variables.as_object().into_iter().flatten().map(|(name, value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The status of a message that means the same.
fn status(event: &str) -> &'static str {
    match event {
        "processed" => "sent",
        "deferred" => "sending",
        "delivered" => "delivered",
        "open" => "read",
        "bounce" => "undelivered",
        "dropped" => "failed",
        _ => "accepted",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn email_is_a_message_on_its_persons_phone() {
        let email = |person: Option<&str>| Email {
            id: "EM1.sandbox".to_owned(),
            at: "2026-11-20T09:00:00Z".parse().unwrap(),
            from: "orders@example.com".to_owned(),
            to: "ava@example.com".to_owned(),
            template_id: "d-1".to_owned(),
            variables: json!({"name": "Ava", "order": {"number": 1}}),
            custom_args: BTreeMap::new(),
            unsubscribe_group: None,
            status: "open".to_owned(),
            person: person.map(str::to_owned),
        };
        let shown = message_json(&email(Some("whatsapp:+14155550123"))).unwrap();
        assert_eq!(shown["body"], "d-1\nname: Ava\norder: {\"number\":1}");
        assert_eq!((&shown["status"], &shown["sandbox"]["email"]["to"]), (&json!("read"), &json!("ava@example.com")));
        assert_eq!(message_json(&email(None)), None, "there is no phone for it");
    }
}
