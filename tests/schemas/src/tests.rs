use domain::notification::Notification;
use serde_json::json;

use super::*;

/// The fields of every event.
const COMMON: [&str; 6] = ["event_type", "schema", "event_id", "account_sid", "occurred_at", "sequence"];

pub(super) fn notification_schema() -> Validator {
    // Formats are annotations here, as the draft has it: a notification's times may have more forms.
    jsonschema::draft202012::new(&documents()[NOTIFICATION]).unwrap()
}

/// The examples of docs/events.md.
#[test]
fn each_event_has_a_valid_example_in_its_document() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let examples = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap());
    let (schemas, mut seen) = (Schemas::read(), Vec::new());
    for event in examples.filter(|example| example.get("schema").is_some()) {
        assert_eq!(schemas.problems_of_event(&event), [""; 0], "{event}");
        seen.push(event["schema"].as_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, schemas.names().filter(|name| *name != NOTIFICATION).collect::<Vec<_>>());
}

#[test]
fn schema_has_its_name_as_its_file_and_its_id() {
    for (name, document) in documents() {
        assert_eq!(document["$id"], format!("urn:whatsapp-on-lambda:schema:{name}"));
        assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let version = name.rsplit('.').next().unwrap();
        assert!(version.strip_prefix('v').is_some_and(|number| number.parse::<u8>().is_ok()), "{name}");
        if name != NOTIFICATION {
            assert_eq!(document["properties"]["schema"]["const"], name);
        }
    }
}

#[test]
fn every_event_has_the_same_common_fields() {
    let documents = documents();
    let known = &documents["twilio.inbound.v1"]["properties"];
    for (name, document) in documents.iter().filter(|(name, _)| *name != NOTIFICATION) {
        for field in COMMON {
            assert!(document["required"].as_array().unwrap().contains(&json!(field)), "{name} {field}");
            if !["event_type", "schema"].contains(&field) {
                assert_eq!(document["properties"][field], known[field], "{name} {field}");
            }
        }
    }
}

/// A consumer that validates events must not refuse one that has a field more.
#[test]
fn events_may_have_more_fields_and_notifications_may_not() {
    fn is_closed(schema: &Value) -> bool {
        match schema {
            Value::Object(keywords) => {
                keywords.get("additionalProperties") == Some(&Value::Bool(false)) || keywords.values().any(is_closed)
            }
            Value::Array(schemas) => schemas.iter().any(is_closed),
            _ => false,
        }
    }
    for (name, document) in documents() {
        assert_eq!(is_closed(&document), name == NOTIFICATION, "{name}");
    }
}

#[test]
fn event_with_an_unknown_schema_or_field_is_a_problem() {
    let schemas = Schemas::read();
    assert_eq!(schemas.problems_of_event(&json!({"schema": "twilio.inbound.v9"})).len(), 1);
    let mut event = json!({
        "event_type": "twilio_unknown", "schema": "twilio.unknown.v1", "event_id": "form.1", "sequence": "1",
        "account_sid": "AC00000000000000000000000000000001", "occurred_at": "2026-11-20T09:00:00Z",
        "received_at": "2026-11-20T09:00:00Z", "path": "/twilio/inbound", "unreadable_parameters": [], "raw": {"a": ["b", "c"]},
    });
    assert_eq!(schemas.problems_of_event(&event), [""; 0]);
    event["colour"] = json!("red");
    assert_eq!(schemas.problems_of_event(&event).len(), 1);
    event.as_object_mut().unwrap().remove("colour");
    event["occurred_at"] = json!("yesterday");
    assert_eq!(schemas.problems_of_event(&event).len(), 1);
}

fn with(field: &str, value: Value) -> Value {
    let content = json!({"type": "text", "body": "Hi"});
    let mut notification = json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": content});
    notification[field] = value;
    notification
}

fn template(variable: &str) -> Value {
    json!({"type": "template", "content_sid": "HX00000000000000000000000000000001", "variables": {"1": variable}})
}

/// What both accept.
pub(super) fn accepted() -> Vec<Value> {
    let files = |number: usize| json!({"type": "media", "media": vec![json!({"key": "a.jpg"}); number]});
    let over = |channel: &str, content: &Value| json!([{"channel": channel, "content": content}]);
    let mut several = files(10);
    several["one_message_per_file"] = json!(true);
    let mut ten = with("content", several);
    ten["id"] = json!("x".repeat(125));
    let mut waiting = with("fallback", over("whatsapp", &template("Ava")));
    waiting["wait_for_reply"] = json!(true);
    let mut to_user_id = with("to", json!("whatsapp:us.ent.1349"));
    to_user_id["fallback"] = over("whatsapp", &template("Ava"));
    vec![
        with("id", json!("bestellung ä/1")),
        with("to", json!("US.13491208655302741918")),
        to_user_id,
        with("content", json!({"type": "template", "name": "order_update", "locale": "en", "content_sid": null})),
        with("content", json!({"type": "template", "name": "order_update"})),
        with("fallback", over("sms", &json!({"type": "template", "name": "order_update", "locale": null}))),
        with(
            "content",
            json!({"type": "media", "media": [{"key": null, "url": "https://example.com/a.pdf"}], "body": null}),
        ),
        with("content", json!({"type": "text", "body": "👋".repeat(1_600)})),
        with("fallback", over("sms", &files(10))),
        with("fallback", over("sms", &template("two\nlines"))),
        with(
            "fallback",
            over("sms", &json!({"type": "media", "media": [{"key": "a"}], "one_message_per_file": false})),
        ),
        with("from", Value::Null),
        with("metadata", Value::Null),
        with("validity_period", json!(36_000)),
        with("send_at", json!("2026-11-20T09:00:00+01:00")),
        ten,
        waiting,
    ]
}

fn email(to: &Value) -> Value {
    let content = json!({"type": "email_template", "template_id": format!("d-{:032}", 1)});
    json!({"channel": "email", "to": to, "content": content})
}

fn studio() -> Value {
    json!({"type": "studio", "flow_sid": "FW00000000000000000000000000000001"})
}

/// What both accept of the other channels.
pub(super) fn accepted_on_other_channels() -> Vec<Value> {
    let after = |time: &str| {
        let mut fallback = json!({"channel": "sms", "content": {"type": "text", "body": "Hi"}});
        fallback["after"] = json!(time);
        with("fallback", json!([fallback]))
    };
    let mut to_user_id =
        with("fallback", json!([email(&json!("ava@example.com")), {"channel": "whatsapp", "content": studio()}]));
    (to_user_id["to"], to_user_id["category"]) = (json!("US.1349"), json!("authentication"));
    let mut of_variables = email(&json!("ava@example.com"));
    of_variables["content"]["variables"] = json!({"items": [{"name": "Tea", "price": 4.5}], "": null});
    of_variables["after"] = Value::Null;
    let mut sms_after_flow = with("content", studio());
    sms_after_flow["fallback"] = json!([{"channel": "sms", "to": null, "after": null, "content": studio()}]);
    let addresses = ["a.b+c@mail.example.co.uk", "josé@exämple.de", "x@a-b.io", "ava@a-.example"];
    let times = [
        "60s", "0090s", "999s", "9999s", "79999s", "85999s", "86399s", "86400s", "1m", "10m", "1439m", "1440m", "1h",
        "24h",
    ];
    let mut accepted = vec![to_user_id, with("fallback", json!([of_variables])), sms_after_flow];
    accepted.extend(addresses.map(|address| with("fallback", json!([email(&json!(address))]))));
    accepted.extend(times.map(after));
    accepted
}

/// What both refuse of the other channels, with the field that the parser names.
fn refused_on_other_channels() -> Vec<(Value, &'static str)> {
    let first = |field: &str, value: Value| {
        let mut fallback = email(&json!("ava@example.com"));
        fallback[field] = value;
        with("fallback", json!([fallback]))
    };
    let over = |channel: &str, content: &Value| with("fallback", json!([{"channel": channel, "content": content}]));
    let of_email = |field: &str, value: Value| {
        let mut content = email(&Value::Null)["content"].clone();
        content[field] = value;
        first("content", content)
    };
    let mut flow = studio();
    flow["flow_sid"] = json!("FW1");
    let mut after_flow = first("after", json!("10m"));
    after_flow["content"] = studio();
    let mut sms_to_address = over("sms", &json!({"type": "text", "body": "Hi"}));
    sms_to_address["fallback"][0]["to"] = json!("ava@example.com");
    let mut refused = vec![
        (with("content", email(&Value::Null)["content"].clone()), "content.type"),
        (first("to", Value::Null), "fallback[0].to"),
        (sms_to_address, "fallback[0].to"),
        (first("content", studio()), "fallback[0].content.type"),
        (over("sms", &email(&Value::Null)["content"]), "fallback[0].content.type"),
        (over("email", &json!({"type": "text", "body": "Hi"})), "fallback[0].content.type"),
        (of_email("template_id", json!("d-1")), "fallback[0].content.template_id"),
        (of_email("variables", json!([])), "fallback[0].content.variables"),
        (over("whatsapp", &flow), "fallback[0].content.flow_sid"),
        (after_flow, "fallback[0].after"),
    ];
    let addresses = [
        "",
        "ava",
        "ava@",
        "@example.com",
        "ava@example",
        "a va@example.com",
        "a@b@c.com",
        "ava@example..com",
        "ava@-a.com",
    ];
    refused.extend(addresses.map(|address| (first("to", json!(address)), "fallback[0].to")));
    let times =
        ["", "10", "0s", "59s", "86401s", "100000s", "0m", "1441m", "0h", "25h", "1d", "+10m", "1.5h", " 10m", "10m\n"];
    refused.extend(times.map(|time| (first("after", json!(time)), "fallback[0].after")));
    refused
}

/// What both refuse, with the field that the parser names.
fn refused() -> Vec<(Value, &'static str)> {
    let files = |number: usize| json!({"type": "media", "media": vec![json!({"key": "a.jpg"}); number]});
    let over = |channel: &str, content: &Value| json!([{"channel": channel, "content": content}]);
    let mut several = files(2);
    several["one_message_per_file"] = json!(true);
    let mut long_id = with("content", several.clone());
    long_id["id"] = json!("x".repeat(127));
    let mut waiting = with("wait_for_reply", json!(true));
    waiting["content"] = several.clone();
    waiting["fallback"] = over("whatsapp", &template("Ava"));
    let mut sms_to_user_id = with("to", json!("US.1349"));
    sms_to_user_id["fallback"] = over("sms", &json!({"type": "text", "body": "Hi"}));
    let mut password_to_user_id = with("content", template("1234"));
    (password_to_user_id["to"], password_to_user_id["category"]) = (json!("US.1349"), json!("authentication"));
    vec![
        (json!("Hi"), "body"),
        (json!({}), "id"),
        (with("id", json!("")), "id"),
        (with("id", json!("a\nb")), "id"),
        (with("id", json!("x".repeat(129))), "id"),
        (with("to", json!("whatsapp:+14155550123")), "to"),
        (with("to", json!("+04155550123")), "to"),
        (with("category", json!("promo")), "category"),
        (with("content", json!({"type": "poll"})), "content.type"),
        (with("content", json!({"type": "text", "body": " \u{a0}\u{2003}"})), "content.body"),
        (with("content", json!({"type": "text", "body": "x".repeat(1_601)})), "content.body"),
        (with("content", json!({"type": "text", "body": "Hi", "bold": true})), "content.bold"),
        (with("content", files(2)), "content.media"),
        (with("content", files(11)), "content.media"),
        (with("content", json!({"type": "media", "media": [{"key": "../secret"}]})), "content.media[0].key"),
        (with("content", json!({"type": "media", "media": [{"key": " "}]})), "content.media[0].key"),
        (with("content", json!({"type": "media", "media": [{"key": "a", "url": "https://x/y"}]})), "content.media[0]"),
        (with("content", json!({"type": "template", "locale": "en"})), "content.content_sid"),
        (with("content", template("")), "content.variables.1"),
        (with("content", template(" ")), "content.variables.1"),
        (with("content", template("two\nlines")), "content.variables.1"),
        (with("content", template("a     b")), "content.variables.1"),
        (with("fallback", over("fax", &template("Ava"))), "fallback[0].channel"),
        (with("fallback", over("sms", &template(""))), "fallback[0].content.variables.1"),
        (with("fallback", over("whatsapp", &files(2))), "fallback[0].content.media"),
        (with("fallback", over("sms", &several)), "fallback[0].content.one_message_per_file"),
        (with("fallback", Value::Null), "fallback"),
        (with("from", json!("+14155238886")), "from"),
        (with("messaging_service_sid", json!("AC00000000000000000000000000000001")), "messaging_service_sid"),
        (with("account_sid", json!("AC1")), "account_sid"),
        (with("validity_period", json!(0)), "validity_period"),
        (with("metadata", json!({"order": 18_473})), "metadata"),
        (with("metadata", json!({"": "18473"})), "metadata"),
        (with("metdata", json!({})), "metdata"),
        (with("wait_for_reply", json!(true)), "wait_for_reply"),
        (waiting, "wait_for_reply"),
        (long_id, "id"),
        (sms_to_user_id, "fallback[0].channel"),
        (password_to_user_id, "to"),
    ]
}

#[test]
fn schema_accepts_what_the_parser_accepts() {
    let schema = notification_schema();
    for notification in &[accepted(), accepted_on_other_channels()].concat() {
        let problem = schema.validate(notification).err().map(|error| error.to_string());
        assert_eq!(problem, None, "{notification}");
        let parsed = Notification::parse(&notification.to_string());
        assert!(parsed.is_ok(), "{notification} {parsed:?}");
    }
}

#[test]
fn schema_refuses_what_the_parser_refuses() {
    let schema = notification_schema();
    for (notification, field) in refused().into_iter().chain(refused_on_other_channels()) {
        assert!(!schema.is_valid(&notification), "{notification}");
        assert_eq!(Notification::parse(&notification.to_string()).unwrap_err().field, field, "{notification}");
    }
}
