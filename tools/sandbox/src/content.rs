//! The Content API, as far as templates are looked up (`GET /v1/Content` and `GET /v1/Content/{sid}`), and what a template
//! says.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, Router, extract::Path, response::IntoResponse, routing::get};
use serde_json::{Value, json};

use crate::{auth::Authenticated, refusal::Refusal, state::Sandbox};

/// The approved template `order_update` in `en`.
pub const ORDER_UPDATE_SID: &str = "HX00000000000000000000000000000001";
/// The approved template `appointment_reminder` in `en`.
pub const APPOINTMENT_REMINDER_SID: &str = "HX00000000000000000000000000000002";
/// The approved template `verification_code` in `en`.
pub const VERIFICATION_CODE_SID: &str = "HX00000000000000000000000000000003";

/// An approved template.
#[derive(Debug)]
pub(crate) struct Template {
    sid: &'static str,
    name: &'static str,
    body: &'static str,
    /// Its variables, and what stands for those that a message does not give.
    defaults: &'static [(&'static str, &'static str)],
}

const TEMPLATES: [Template; 3] = [
    Template {
        sid: ORDER_UPDATE_SID,
        name: "order_update",
        body: "Hello {{1}}, your order {{2}} is on its way.",
        defaults: &[("1", "Ava"), ("2", "18473")],
    },
    Template {
        sid: APPOINTMENT_REMINDER_SID,
        name: "appointment_reminder",
        body: "Your appointment is on {{1}} at {{2}}.",
        defaults: &[("1", "21 November"), ("2", "10:30")],
    },
    Template {
        sid: VERIFICATION_CODE_SID,
        name: "verification_code",
        body: "{{1}} is your verification code.",
        defaults: &[("1", "123456")],
    },
];

pub(crate) fn template(sid: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.sid == sid)
}

impl Template {
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.default(name).is_some()
    }

    /// What the person reads. A value is never read for variables itself.
    pub(crate) fn render(&self, given: &BTreeMap<String, String>) -> String {
        let mut rendered = String::new();
        let mut rest = self.body;
        while let Some((before, (name, after))) =
            rest.split_once("{{").and_then(|(before, from)| Some((before, from.split_once("}}")?)))
        {
            let value = given.get(name).map(String::as_str).or_else(|| self.default(name));
            rendered.push_str(before);
            rendered.push_str(value.unwrap_or_default());
            rest = after;
        }
        rendered + rest
    }

    fn default(&self, name: &str) -> Option<&'static str> {
        self.defaults.iter().find(|(variable, _)| *variable == name).map(|(_, value)| *value)
    }

    fn resource(&self) -> Value {
        let variables: BTreeMap<_, _> = self.defaults.iter().copied().collect();
        json!({
            "sid": self.sid, "friendly_name": self.name, "language": "en", "variables": variables,
            "types": {"twilio/text": {"body": self.body}},
            "url": format!("https://content.twilio.com/v1/Content/{}", self.sid),
        })
    }
}

/// The templates for who looks on.
pub(crate) fn overview() -> Value {
    let shown = TEMPLATES.iter().map(|template| {
        let variables: BTreeMap<_, _> = template.defaults.iter().copied().collect();
        json!({"sid": template.sid, "name": template.name, "body": template.body, "variables": variables, "buttons": []})
    });
    shown.collect()
}

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/v1/Content", get(list)).route("/v1/Content/{sid}", get(fetch))
}

async fn list(_: Authenticated) -> impl IntoResponse {
    let meta = json!({
        "key": "contents", "page": 0, "page_size": 50, "url": "https://content.twilio.com/v1/Content?PageSize=50&Page=0",
        "first_page_url": "https://content.twilio.com/v1/Content?PageSize=50&Page=0",
        "next_page_url": null, "previous_page_url": null,
    });
    let contents: Vec<_> = TEMPLATES.iter().map(Template::resource).collect();
    Json(json!({"contents": contents, "meta": meta})).into_response()
}

async fn fetch(_: Authenticated, Path(sid): Path<String>) -> Result<impl IntoResponse, Refusal> {
    let template = template(&sid).ok_or_else(|| Refusal::not_found(&format!("/v1/Content/{sid}")))?;
    Ok(Json(template.resource()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_says_what_it_is_given_and_its_defaults_otherwise() {
        let cases = [
            (ORDER_UPDATE_SID, "{}", "Hello Ava, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "Ben"}"#, "Hello Ben, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "{{2}}", "2": ""}"#, "Hello {{2}}, your order  is on its way."),
            (APPOINTMENT_REMINDER_SID, r#"{"1": "1 May", "2": "9:00"}"#, "Your appointment is on 1 May at 9:00."),
            (VERIFICATION_CODE_SID, r#"{"1": "000042"}"#, "000042 is your verification code."),
        ];
        for (sid, given, said) in cases {
            let given = serde_json::from_str(given).unwrap();
            assert_eq!(template(sid).unwrap().render(&given), said);
        }
    }
}
