//! Real inputs: those of the sample events, and of the domain's tests.

use std::{fs, path::PathBuf, sync::LazyLock};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn events(function: &str) -> Vec<Value> {
    let read = |name: &str| fs::read_to_string(root().join("events").join(name)).expect("a sample event");
    let answers: Value = serde_json::from_str(&read("answers.json")).expect("JSON");
    let answers = answers.as_object().expect("the answers by event");
    let names = answers.iter().filter(|(_, answer)| answer["function"] == function).map(|(name, _)| name);
    names.map(|name| serde_json::from_str(&read(&format!("{name}.json"))).expect("JSON")).collect()
}

/// The bodies of Twilio's webhooks.
pub fn forms() -> &'static [String] {
    static FORMS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let events = events("InboundFunction").into_iter().chain(events("StatusFunction"));
        let mut forms: Vec<String> = events
            .filter_map(|event| event["body"].as_str().map(str::to_owned))
            .filter(|body| body.contains('='))
            .collect();
        forms.push(EVERYTHING.to_owned());
        forms
    });
    &FORMS
}

/// Every parameter that is read.
const EVERYTHING: &str = "MessageSid=SM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
    &From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&NumMedia=2&MediaUrl0=https%3A%2F%2Fa&MediaContentType0=image%2Fjpeg\
    &MediaUrl1=https%3A%2F%2Fb&Body=STOP&MessageStatus=undelivered&ErrorCode=63016&Latitude=37.78&Longitude=-122.39&Label=L\
    &Address=A&ButtonText=Yes&ButtonPayload=STOP&ButtonType=REPLY&ListId=START&ListTitle=Start&OptOutType=STOP&ProfileName=Ava\
    &WaId=14155550123&ExternalUserId=whatsapp%3AUS.13491208655302741918&ParentExternalUserId=whatsapp%3AUS.ENT.1349120865\
    &ReferralSourceId=120&ReferralCtwaClid=c&ReferralMediaUrl=https%3A%2F%2Fc&OriginalRepliedMessageSid=SM9&Forwarded=true\
    &FrequentlyForwarded=false&MessagingServiceSid=MG00000000000000000000000000000001&InteractiveData=%7B%7D&FlowData=%7B%7D\
    &ChannelMetadata=%7B%22type%22%3A%22whatsapp%22%7D&RawDlrDoneDate=2611200900&ChannelPrefix=whatsapp&EventType=READ";

/// The records of the streams that `publish` reads.
pub fn stream_records() -> &'static [Value] {
    static RECORDS: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let events = events("PublishFunction").into_iter();
        events.flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default()).collect()
    });
    &RECORDS
}

/// Notifications as systems put them on a queue.
pub fn notifications() -> &'static [Value] {
    static NOTIFICATIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let events = events("SendFunction").into_iter();
        let records = events.flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default());
        let bodies = records.filter_map(|record| serde_json::from_str(record["body"].as_str()?).ok());
        let full = include_str!("../../../shared/domain/src/notification/full.json");
        let mut notifications: Vec<Value> = bodies.collect();
        notifications.extend([full, WAITING, MEDIA, CHANNELS].map(|text| serde_json::from_str(text).expect("JSON")));
        notifications
    });
    &NOTIFICATIONS
}

const WAITING: &str = r#"{"id": "w/1 ?", "to": "US.13491208655302741918", "category": "service", "wait_for_reply": true,
    "content": {"type": "text", "body": "Hello"}, "from": "whatsapp:+14155238886",
    "fallback": [{"channel": "whatsapp", "content": {"type": "template", "name": "order", "locale": "en", "variables": {"1": "a"}}}]}"#;

const CHANNELS: &str = r#"{"id": "c", "to": "+14155550123", "category": "utility",
    "content": {"type": "template", "content_sid": "HX00000000000000000000000000000001"},
    "fallback": [{"channel": "email", "to": "ava@example.com", "after": "10m", "content": {"type": "email_template",
        "template_id": "d-00000000000000000000000000000001", "variables": {"items": [{"name": "Tea", "price": 4.5}]}}},
        {"channel": "sms", "content": {"type": "studio", "flow_sid": "FW00000000000000000000000000000001",
        "parameters": {"order": 18473}}}]}"#;

const MEDIA: &str = r#"{"id": "m", "to": "+5511987654321", "category": "marketing",
    "content": {"type": "media", "body": "Look", "media": [{"key": "uploads/a.jpg"}]},
    "fallback": [{"channel": "sms", "content": {"type": "media", "media": [{"url": "https://example.com/a.jpg"}]}}]}"#;
