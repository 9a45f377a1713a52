//! The events of Twilio's Event Streams, as a webhook sink posts them: a JSON array of `CloudEvents`.
//!
//! Source: Twilio, Event Streams, "Webhook Quickstart" and "Template Approval".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use twilio_types::sid::{AccountSid, ContentSid};

use super::{TemplateUpdate, UpdatedField};

/// The events of a request, by the account that each names. An account's events count if its own keys signed the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamedEvents {
    pub by_account: BTreeMap<AccountSid, Vec<StreamedEvent>>,
    /// Those that name no account, such as Twilio's test event.
    pub others: Vec<StreamedEvent>,
}

/// An event, as far as it concerns templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamedEvent {
    Update(TemplateUpdate),
    /// Another event about a template, such as a notice of WhatsApp's. It has this type.
    Notice {
        sid: Option<ContentSid>,
        kind: String,
    },
    /// An event about a template that cannot be read, because of this field.
    Unreadable {
        field: &'static str,
    },
    /// An event of another type.
    Other,
}

/// A body that holds no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("body: expected a JSON array of events")]
pub struct UnreadableEvents;

/// The type of the events about templates.
pub const TEMPLATE_EVENT_TYPE: &str = "com.twilio.messaging.template.approval.updated";

impl StreamedEvents {
    /// Reads a body. A template's change that names no time happened now. One event that cannot be read leaves the others as
    /// they are: Twilio does not send a part of a request again.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, UnreadableEvents> {
        let events = match serde_json::from_slice(body).map_err(|_| UnreadableEvents)? {
            Value::Array(events) => events,
            // Whether a sink that does not batch posts an array of one event is not documented.
            event @ Value::Object(_) => vec![event],
            _ => return Err(UnreadableEvents),
        };
        let mut read = Self::default();
        for event in &events {
            let account_sid = event.pointer("/data/accountSid").and_then(Value::as_str).map(str::parse);
            match account_sid {
                Some(Ok(account_sid)) => {
                    read.by_account.entry(account_sid).or_default().push(StreamedEvent::read(event, now));
                }
                None | Some(Err(_)) => read.others.push(StreamedEvent::without_account(event)),
            }
        }
        Ok(read)
    }
}

impl StreamedEvent {
    fn read(event: &Value, now: Timestamp) -> Self {
        if !is_about_template(event) {
            return Self::Other;
        }
        let text = |path: &str| event.pointer(path).and_then(Value::as_str);
        let sid = text("/data/template/sid").and_then(|sid| sid.parse::<ContentSid>().ok());
        let field = match text("/data/type") {
            Some("status_update") => UpdatedField::Status,
            Some("category_update") => UpdatedField::Category,
            Some("quality_update") => UpdatedField::Quality,
            Some(kind) => return Self::Notice { sid, kind: shortened(kind) },
            None => return Self::Unreadable { field: "data.type" },
        };
        let Some(sid) = sid else { return Self::Unreadable { field: "data.template.sid" } };
        let Some(value) = text("/data/template/currentValue").map(shortened).filter(|value| !value.is_empty()) else {
            return Self::Unreadable { field: "data.template.currentValue" };
        };
        let at = ["/data/dateUpdated", "/time"].into_iter().find_map(|path| text(path)?.parse::<Timestamp>().ok());
        // A time in the future would make every later update an old one.
        let at = at.map_or(now, |at| at.min(now));
        Self::Update(TemplateUpdate { sid, field, value: value.to_ascii_lowercase(), at })
    }

    fn without_account(event: &Value) -> Self {
        if is_about_template(event) { Self::Unreadable { field: "data.accountSid" } } else { Self::Other }
    }
}

fn is_about_template(event: &Value) -> bool {
    event.get("type").and_then(Value::as_str) == Some(TEMPLATE_EVENT_TYPE)
}

/// A word of Twilio's, which may be new here, but is stored and logged.
fn shortened(word: &str) -> String {
    const MAX_CHARS: usize = 60;
    word.trim().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::templates::tests::{SID, at};

    const ONE: &str = "AC00000000000000000000000000000001";
    const TWO: &str = "AC00000000000000000000000000000002";

    /// Twilio's example of its page "Template Approval", with these values.
    fn event(kind: &str, from: &str, to: &str, updated: &str) -> Value {
        json!({
            "specversion": "1.0", "type": TEMPLATE_EVENT_TYPE, "source": "AB00000000000000000000000001",
            "id": "NO00000000000000000000000001",
            "dataschema": "https://events-schemas.twilio.com/Messaging.ApprovalUpdated/1",
            "datacontenttype": "application/json", "time": "2026-09-21T14:13:25.472Z",
            "data": {
                "type": kind, "accountSid": ONE, "dateUpdated": updated, "channel": "whatsapp",
                "template": {"sid": SID, "friendlyName": "owl_update", "externalTemplateName": "owl_update_hx123456",
                             "language": "en", "previousValue": from, "currentValue": to},
            },
        })
    }

    fn parsed(events: &Value) -> Result<StreamedEvents, UnreadableEvents> {
        StreamedEvents::parse(events.to_string().as_bytes(), at(0))
    }

    fn first(event: &Value) -> StreamedEvent {
        parsed(&json!([event])).unwrap().by_account.remove(&ONE.parse().unwrap()).unwrap().remove(0)
    }

    #[test]
    fn update_of_each_kind_is_read_with_its_time() {
        let updated = "2026-09-21T14:13:19Z";
        for (kind, field, to) in [
            ("status_update", UpdatedField::Status, "PAUSED"),
            ("category_update", UpdatedField::Category, "marketing"),
            ("quality_update", UpdatedField::Quality, "yellow"),
        ] {
            let update = TemplateUpdate {
                sid: SID.parse().unwrap(),
                field,
                value: to.to_lowercase(),
                at: updated.parse().unwrap(),
            };
            assert_eq!(first(&event(kind, "approved", to, updated)), StreamedEvent::Update(update), "{kind}");
        }
    }

    #[test]
    fn time_is_the_events_own_and_never_in_the_future() {
        let at_of = |updated: &str| match first(&event("status_update", "a", "paused", updated)) {
            StreamedEvent::Update(update) => update.at,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            at_of("yesterday").to_string(),
            "2026-09-21T14:13:25.472Z".parse::<Timestamp>().unwrap().min(at(0)).to_string()
        );
        assert_eq!(at_of("2099-01-01T00:00:00Z"), at(0));
    }

    #[test]
    fn event_that_changes_nothing_is_told_apart() {
        let notice = event("direct_send_category_notice", "utility", "marketing", "");
        let expected = StreamedEvent::Notice { sid: SID.parse().ok(), kind: "direct_send_category_notice".to_owned() };
        assert_eq!(first(&notice), expected);
        let mut without_sid = event("status_update", "approved", "paused", "");
        without_sid["data"]["template"]["sid"] = json!("owl");
        assert_eq!(first(&without_sid), StreamedEvent::Unreadable { field: "data.template.sid" });
        let empty = event("status_update", "approved", "", "");
        assert_eq!(first(&empty), StreamedEvent::Unreadable { field: "data.template.currentValue" });
        let test = json!({"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "1"}});
        let alone = StreamedEvents { others: vec![StreamedEvent::Other], ..StreamedEvents::default() };
        assert_eq!(parsed(&test), Ok(alone));
    }

    #[test]
    fn each_event_is_of_the_account_that_it_names() {
        let named = |account: Value| {
            let mut event = event("status_update", "approved", "paused", "");
            event["data"]["accountSid"] = account;
            event
        };
        let events = [ONE, TWO, ONE, "AC1"].map(|account| named(json!(account)));
        let several = parsed(&json!([events[0], events[1], events[2], events[3], named(Value::Null), 7])).unwrap();
        let counts: Vec<_> = several.by_account.iter().map(|(sid, events)| (sid.as_str(), events.len())).collect();
        assert_eq!(counts, [(ONE, 2), (TWO, 1)]);
        let without = StreamedEvent::Unreadable { field: "data.accountSid" };
        assert_eq!(several.others, [without.clone(), without, StreamedEvent::Other]);
        assert_eq!(parsed(&json!("a")), Err(UnreadableEvents));
        assert_eq!(StreamedEvents::parse(b"[", at(0)), Err(UnreadableEvents));
    }

    #[test]
    fn word_that_is_new_is_kept_short() {
        let long = "x".repeat(100_000);
        let StreamedEvent::Update(update) = first(&event("quality_update", "green", &long, "")) else { panic!() };
        assert_eq!(update.value.len(), 60);
        let blank = event("status_update", "approved", " \n", "");
        assert_eq!(first(&blank), StreamedEvent::Unreadable { field: "data.template.currentValue" });
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = StreamedEvents::parse(&body, at(0));
        }
    }
}
