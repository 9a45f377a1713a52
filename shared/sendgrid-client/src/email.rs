//! An e-mail to send.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value, json};

/// An e-mail by a dynamic template.
///
/// Source: SendGrid's `OpenAPI` description, `tsg_mail_v3.json`, `POST /v3/mail/send`.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEmail {
    pub from: EmailSender,
    pub to: String,
    /// `d-...`
    pub template_id: String,
    /// `dynamic_template_data`
    pub variables: Map<String, Value>,
    /// The unsubscribe group (`asm`): SendGrid drops an e-mail to a recipient who unsubscribed from it.
    pub unsubscribe_group: Option<u32>,
    /// Come back with each event. SendGrid stores them for long and treats them as no personal data ("Event Webhook
    /// Reference"), so that they must hold none.
    pub custom_args: BTreeMap<String, String>,
}

/// Who sends. SendGrid sends for verified senders and authenticated domains only.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailSender {
    pub address: String,
    pub name: Option<String>,
}

/// An e-mail that SendGrid accepted (202).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEmail {
    /// The header `X-Message-Id`; the `sg_message_id` of its events begins with it. SendGrid's API description does not
    /// promise the header, so that nothing depends on it.
    pub message_id: Option<String>,
}

impl fmt::Debug for NewEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEmail")
            .field("template_id", &self.template_id)
            .field("unsubscribe_group", &self.unsubscribe_group)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EmailSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailSender").finish_non_exhaustive()
    }
}

impl NewEmail {
    /// The body of the request.
    pub(crate) fn to_json(&self) -> Value {
        let mut from = Map::from_iter([("email".to_owned(), json!(self.from.address))]);
        from.extend(self.from.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
        let personalization = json!({
            "to": [{"email": self.to}], "dynamic_template_data": self.variables, "custom_args": self.custom_args,
        });
        let mut email = Map::from_iter([
            ("from".to_owned(), Value::Object(from)),
            ("personalizations".to_owned(), json!([personalization])),
            ("template_id".to_owned(), json!(self.template_id)),
        ]);
        email.extend(self.unsubscribe_group.map(|group| ("asm".to_owned(), json!({"group_id": group}))));
        Value::Object(email)
    }
}
