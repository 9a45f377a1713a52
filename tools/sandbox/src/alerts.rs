//! What Twilio's debugger shows: webhooks that failed, answers that are no TwiML, messages that failed, and requests to create a
//! message that were refused. It arises by itself from what happens here.
//!
//! Sources: Twilio, "Monitor REST API: Alerts" and "Error and warning dictionary". The text of an alert has the form that Twilio's
//! client libraries have in their examples (`sourceComponent=14100&httpResponse=500&...`).

use std::collections::VecDeque;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use crate::{
    api_error::error_title,
    capacity,
    config::Config,
    dates::iso_date,
    messages::Message,
    twiml::{self, DebuggerReport, FAILED, UNANSWERED},
    webhook::{OutgoingWebhook, WebhookDelivery},
};

pub(crate) mod api;

/// The alerts, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct AlertLog(VecDeque<Alert>);

/// An entry of the debugger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    sid: String,
    at: Timestamp,
    code: u32,
    level: &'static str,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    message_sid: Option<String>,
    /// The request to the system under test, or that of the system.
    method: Option<&'static str>,
    url: Option<String>,
    request_variables: Option<String>,
    response_headers: Option<String>,
    response_body: Option<String>,
}

impl AlertLog {
    pub(crate) fn extend(&mut self, alerts: impl IntoIterator<Item = Alert>) {
        for alert in alerts {
            if self.0.len() == capacity::ALERTS {
                self.0.pop_front();
            }
            self.0.push_back(alert);
        }
    }

    /// The alerts, the newest first.
    fn newest_first(&self) -> impl Iterator<Item = &Alert> {
        self.0.iter().rev()
    }

    fn get(&self, sid: &str) -> Option<&Alert> {
        self.0.iter().find(|alert| alert.sid == sid)
    }
}

impl Alert {
    fn new(code: u32, level: &'static str, message_sid: Option<&str>, at: Timestamp) -> Self {
        Self {
            // Random, and not from the seed: an alert must not change the SIDs that a seed gives.
            sid: format!("NO{}", uuid::Uuid::new_v4().simple()),
            at,
            code,
            level,
            status: None,
            message_sid: message_sid.map(str::to_owned),
            method: None,
            url: None,
            request_variables: None,
            response_headers: None,
            response_body: None,
        }
    }

    /// The alerts of a webhook: it was not answered, or with an HTTP error, or a person's message was answered with something
    /// that is not the expected TwiML. One that was lost on purpose has none.
    pub(crate) fn of_webhook(webhook: &OutgoingWebhook, delivery: &WebhookDelivery, at: Timestamp) -> Vec<Self> {
        let url = webhook.url.split_once('#').map_or(webhook.url.as_str(), |(url, _)| url);
        let (_, reports) = twiml::read(delivery);
        // The answer to a status callback is not read.
        let reports =
            reports.into_iter().filter(|report| webhook.status.is_none() || [FAILED, UNANSWERED].contains(report));
        let alert = |report: DebuggerReport| {
            let level = if report.is_error() { "error" } else { "warning" };
            let alert = Self::new(report.code, level, Some(webhook.message_sid.as_str()), at);
            alert.with_request(url, &webhook.form, delivery)
        };
        reports.map(alert).collect()
    }

    /// The alert of a message that failed.
    pub(crate) fn of_message(message: &Message, code: u32, at: Timestamp) -> Self {
        Self::new(code, "error", Some(message.sid.as_str()), at)
    }

    /// The alert of an event that a sink did not take. Source: Twilio, errors 91300 to 91308: 91302 is a warning.
    pub(crate) fn of_sink(code: u32, sink_sid: &str, url: &str, status: Option<u16>, at: Timestamp) -> Self {
        let level = if code == 91302 { "warning" } else { "error" };
        Self { status, method: Some("POST"), url: Some(url.to_owned()), ..Self::new(code, level, Some(sink_sid), at) }
    }

    /// The alert of a request to create a message that was refused. The debugger shows no other calls here.
    pub(crate) fn of_call(method: &Method, path: &str, code: u32, status: u16, at: Timestamp) -> Option<Self> {
        let creates = *method == Method::POST && path.ends_with("/Messages.json");
        creates.then(|| Self {
            status: Some(status),
            method: Some("POST"),
            url: Some(format!("https://api.twilio.com{path}")),
            ..Self::new(code, "error", None, at)
        })
    }

    fn with_request(self, url: &str, form: &Form, delivery: &WebhookDelivery) -> Self {
        let answer = delivery.answer();
        Self {
            status: answer.map(|answer| answer.status),
            method: Some("POST"),
            url: Some(url.to_owned()),
            request_variables: Some(encoded(form.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())))),
            response_headers: answer.map(|answer| encoded([("Content-Type", answer.content_type.as_str())])),
            response_body: answer.map(|answer| answer.body.clone()),
            ..self
        }
    }

    /// The text of the alert, which has the form of a query.
    fn text(&self) -> String {
        let (code, status) = (self.code.to_string(), self.status.map(|status| status.to_string()));
        let level = self.level.to_ascii_uppercase();
        let fields = [
            ("Msg", Some(error_title(self.code))),
            ("EmailNotification", Some("false")),
            ("LogLevel", Some(level.as_str())),
            ("sourceComponent", Some("14100")),
            ("httpResponse", status.as_deref()),
            ("url", self.url.as_deref()),
            ("ErrorCode", Some(code.as_str())),
        ];
        encoded(fields.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }

    /// What a list shows of it.
    fn json(&self, config: &Config) -> Value {
        let (sid, code, at) = (&self.sid, self.code.to_string(), iso_date(self.at));
        json!({
            "sid": sid, "account_sid": config.account_sid, "alert_text": self.text(), "api_version": "2010-04-01",
            "date_created": at, "date_generated": at, "date_updated": at, "error_code": code, "log_level": self.level,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"), "request_method": self.method,
            "request_url": self.url, "resource_sid": self.message_sid, "service_sid": null,
            "url": format!("https://monitor.twilio.com/v1/Alerts/{sid}"),
        })
    }

    /// What a fetch shows of it: the request and the answer too.
    fn whole_json(&self, config: &Config) -> Value {
        let mut shown = self.json(config);
        if let Some(fields) = shown.as_object_mut() {
            let more = [
                ("request_headers", None),
                ("request_variables", self.request_variables.clone()),
                ("response_headers", self.response_headers.clone()),
                ("response_body", self.response_body.clone()),
            ];
            fields.extend(more.map(|(name, value)| (name.to_owned(), json!(value))));
        }
        shown
    }
}

fn encoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;

    use super::*;
    use crate::webhook::WebhookAnswer;

    const SID: &str = "SM00000000000000000000000000000001";

    fn alerts(status: Option<MessageStatus>, delivery: &WebhookDelivery) -> Vec<Alert> {
        let webhook = OutgoingWebhook {
            url: "https://wa.example.com/twilio/inbound#rc=2".to_owned(),
            form: [("Body".to_owned(), "hi".to_owned())].into_iter().collect(),
            message_sid: SID.parse().unwrap(),
            person: "whatsapp:+14155550123".to_owned(),
            status,
        };
        Alert::of_webhook(&webhook, delivery, Timestamp::UNIX_EPOCH)
    }

    fn answered(status: u16) -> WebhookDelivery {
        WebhookDelivery::Answered(WebhookAnswer {
            status,
            content_type: "text/plain".to_owned(),
            body: "no".to_owned(),
        })
    }

    #[test]
    fn failed_webhook_is_an_alert() {
        let callback = Some(MessageStatus::Sent);
        for (status, delivery, codes) in [
            (None, answered(200), &[12300][..]),
            (callback, answered(200), &[]),
            (None, answered(403), &[11200]),
            (callback, answered(502), &[11200]),
            (callback, WebhookDelivery::Unanswered, &[11205]),
            (None, WebhookDelivery::Lost, &[]),
        ] {
            let found: Vec<_> = alerts(status, &delivery).iter().map(|alert| alert.code).collect();
            assert_eq!(found, codes, "{status:?} {delivery:?}");
        }
    }

    #[test]
    fn alert_has_the_fields_of_twilio() {
        let config = Config::documented(String::new());
        let refused = &alerts(None, &answered(403))[0];
        let shown = refused.json(&config);
        assert_eq!(
            shown["alert_text"],
            "Msg=HTTP+retrieval+failure&EmailNotification=false&LogLevel=ERROR&sourceComponent=14100&httpResponse=403\
             &url=https%3A%2F%2Fwa.example.com%2Ftwilio%2Finbound&ErrorCode=11200"
        );
        assert_eq!((&shown["error_code"], &shown["log_level"]), (&json!("11200"), &json!("error")));
        assert_eq!((&shown["resource_sid"], &shown["date_created"]), (&json!(SID), &json!("1970-01-01T00:00:00Z")));
        assert!(shown.get("request_variables").is_none(), "a list has no request");
        let whole = refused.whole_json(&config);
        assert_eq!((&whole["request_variables"], &whole["response_body"]), (&json!("Body=hi"), &json!("no")));
    }

    #[test]
    fn only_a_refused_message_is_an_alert_of_a_call() {
        let alert = |method, path| Alert::of_call(&method, path, 21211, 400, Timestamp::UNIX_EPOCH);
        let messages = "/2010-04-01/Accounts/AC1/Messages.json";
        assert_eq!(alert(Method::POST, messages).and_then(|alert| alert.status), Some(400));
        assert_eq!(alert(Method::GET, messages), None);
        assert_eq!(alert(Method::POST, "/v1/Services"), None);
    }
}
