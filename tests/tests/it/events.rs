//! The sample events parse, verify and are documented. Needs no stack; `make sam-local` compares the functions' answers.

use std::{collections::BTreeMap, fs, path::Path};

use aws_lambda_events::{apigw::ApiGatewayV2httpRequest, dynamodb, sqs::SqsEvent};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    callback_url::CallbackOrigin,
    consent::ConsentRequest,
    notification::Notification,
    templates::{StreamedEvent, StreamedEvents},
};
use sendgrid_client::{EventWebhookKey, SIGNATURE_HEADER, TIMESTAMP_HEADER, parse_events};
use serde_json::Value;
use shared::{queues::MediaReference, webhook::SpooledWebhook};
use stack::run::AUTH_TOKEN;
use twilio_webhook::{
    inbound_message::InboundMessage,
    signature::{SignatureError, SigningKeys, UnverifiedRequest, Verified, VerifiedForm},
    status_callback::StatusCallback,
};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name)).unwrap()
}

/// The events of a function, by name.
fn events(function: &str) -> BTreeMap<String, String> {
    let answers: BTreeMap<String, Value> = serde_json::from_str(&read("answers.json")).unwrap();
    let wanted = answers.into_iter().filter(|(_, answer)| answer["function"] == function);
    wanted.map(|(name, _)| (name.clone(), read(&format!("{name}.json")))).collect()
}

fn verify(event: &str) -> Result<VerifiedForm, SignatureError> {
    let event: ApiGatewayV2httpRequest = serde_json::from_str(event).unwrap();
    let (path, query) = (event.raw_path.unwrap(), event.raw_query_string.unwrap());
    let body = event.body.unwrap();
    let url = format!("https://wa.example.com{path}{}{query}", if query.is_empty() { "" } else { "?" });
    let body = if event.is_base64_encoded { STANDARD.decode(body).unwrap() } else { body.into_bytes() };
    let request = UnverifiedRequest::new(url, &event.headers, body);
    match request.verify(&SigningKeys::from_auth_tokens([AUTH_TOKEN]))? {
        Verified::Form(form) => Ok(form),
        _ => panic!("no form"),
    }
}

#[test]
fn event_files_and_documented_answers_have_the_same_names() {
    let answers: BTreeMap<String, Value> = serde_json::from_str(&read("answers.json")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let names = files.iter().filter_map(|file| file.to_str()?.strip_suffix(".json"));
    let mut names: Vec<_> = names.filter(|name| *name != "answers").collect();
    names.sort_unstable();
    assert_eq!(names, answers.keys().collect::<Vec<_>>());
}

#[test]
fn inbound_events_are_signed_with_the_documented_token() {
    let events = events("InboundFunction");
    assert!(events.len() >= 7);
    for (name, event) in events {
        match verify(&event) {
            Ok(form) => assert!(InboundMessage::parse(&form).is_ok(), "{name}"),
            Err(error) => {
                assert_eq!(error, SignatureError::Mismatch, "{name}");
                assert_eq!(name, "inbound-bad-signature");
            }
        }
    }
}

#[test]
fn status_events_are_signed_and_name_their_notification() {
    let events = events("StatusFunction");
    assert!(events.len() >= 6);
    for (name, event) in events {
        let callback = StatusCallback::parse(&verify(&event).unwrap()).unwrap();
        assert_eq!(name, format!("status-{}", callback.status));
        let request: ApiGatewayV2httpRequest = serde_json::from_str(&event).unwrap();
        let id = CallbackOrigin::in_query(&request.raw_query_string.unwrap()).unwrap().notification_id;
        assert_eq!(id.as_str(), "order-18473-shipped");
    }
}

#[test]
fn sqs_event_has_a_valid_and_an_invalid_notification() {
    for event in events("SendFunction").values() {
        let event: SqsEvent = serde_json::from_str(event).unwrap();
        let parsed: Vec<_> = event.records.iter().map(|r| Notification::parse(r.body.as_deref().unwrap())).collect();
        assert!(parsed[0].is_ok());
        assert_eq!(parsed[1].as_ref().unwrap_err().field, "to");
    }
}

#[test]
fn consent_events_parse_as_their_names_say() {
    let events = events("ContactsFunction");
    let parse = |name: &str| {
        let event: ApiGatewayV2httpRequest = serde_json::from_str(&events[name]).unwrap();
        ConsentRequest::parse(&event.body.unwrap(), jiff::Timestamp::now(), None)
    };
    assert!(parse("contacts-consent").is_ok());
    assert_eq!(parse("contacts-consent-without-text").unwrap_err().field, "text");
}

#[test]
fn stream_events_parse_and_have_a_new_image() {
    let events = events("PublishFunction");
    assert!(events.len() >= 4);
    for (name, event) in events {
        let event: dynamodb::Event = serde_json::from_str(&event).unwrap();
        assert!(!event.records[0].change.new_image.is_empty(), "{name}");
    }
}

#[test]
fn release_event_is_that_of_the_schedule() {
    let events = events("ReleaseFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["release-due"]);
    assert_eq!(events["release-due"].trim(), "{}", "as the schedule in template.yaml has it");
}

#[test]
fn media_event_names_a_file_of_a_message() {
    let events = events("StoreMediaFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["store-media-file"]);
    let event: SqsEvent = serde_json::from_str(&events["store-media-file"]).unwrap();
    let file: MediaReference = serde_json::from_str(event.records[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(file.index, 0);
}

#[test]
fn spool_event_has_a_webhook_that_is_read() {
    let events = events("ApplyWebhooksFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["apply-webhooks-stop"]);
    let event: SqsEvent = serde_json::from_str(&events["apply-webhooks-stop"]).unwrap();
    let spooled = SpooledWebhook::read(event.records[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(spooled.form.get("Body"), Some("STOP"));
}

#[test]
fn reconcile_events_are_a_sweep_and_an_opt_out() {
    let events = events("ReconcileFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["reconcile-opt-out", "reconcile-sweep"]);
    let changes: dynamodb::Event = serde_json::from_str(&events["reconcile-opt-out"]).unwrap();
    assert!(changes.records[0].change.new_image.contains_key("preference_change"));
    assert_eq!(events["reconcile-sweep"].trim(), "{}", "as the schedule in template.yaml has it");
}

#[test]
fn template_events_are_signed_with_the_hash_of_their_body() {
    let events = events("TemplateEventsFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["template-events-other-body", "template-events-paused"]);
    for (name, event) in events {
        let event: ApiGatewayV2httpRequest = serde_json::from_str(&event).unwrap();
        let (query, body) = (event.raw_query_string.unwrap(), event.body.unwrap());
        let url = format!("https://wa.example.com{}?{query}", event.raw_path.unwrap());
        let request = UnverifiedRequest::new(url, &event.headers, body.clone().into_bytes());
        let verified = request.verify(&SigningKeys::from_auth_tokens([AUTH_TOKEN]));
        let expected =
            if name == "template-events-paused" { Ok(Verified::Body) } else { Err(SignatureError::Mismatch) };
        assert_eq!(verified, expected, "{name}");
        let events = StreamedEvents::parse(body.as_bytes(), jiff::Timestamp::now()).unwrap();
        let events: Vec<_> = events.by_account.into_values().flatten().collect();
        assert!(matches!(events.as_slice(), [StreamedEvent::Update(update)] if update.value == "paused"));
    }
    assert_eq!(read("template-sync.json").trim(), "{}", "as the schedule in template.yaml has it");
}

#[test]
fn events_of_emails_are_signed_with_the_sandboxs_key() {
    let events = events("SendGridEventsFunction");
    assert_eq!(events.keys().collect::<Vec<_>>(), ["sendgrid-events-delivered", "sendgrid-events-other-body"]);
    let key = EventWebhookKey::try_from(sandbox::SENDGRID_PUBLIC_KEY.to_owned()).unwrap();
    for (name, event) in events {
        let event: ApiGatewayV2httpRequest = serde_json::from_str(&event).unwrap();
        let header = |name: &str| event.headers[name].to_str().unwrap();
        let body = event.body.as_deref().unwrap().as_bytes();
        let verified = key.verify(header(TIMESTAMP_HEADER), body, header(SIGNATURE_HEADER));
        assert_eq!(verified.is_ok(), name == "sendgrid-events-delivered", "{name}");
        let parsed = parse_events(body).unwrap();
        assert_eq!((parsed.events.len(), parsed.unreadable), (4, 0));
        let names_attempt = |text: &str| parsed.events.iter().filter(|event| event.texts.contains_key(text)).count();
        assert_eq!(names_attempt(domain::email::custom_args::ATTEMPT), 3, "the last one is of another system");
    }
}
