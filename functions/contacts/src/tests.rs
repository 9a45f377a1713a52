use std::{
    net::TcpListener,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use domain::tenants::{Tenants, TenantsDocument};
use lambda_http::Context;
use serde_json::{Value, json};

use super::*;

const CONSENT: &str = include_str!("../../../events/contacts-consent.json");
const OVERVIEW: &str = include_str!("../../../events/contacts-overview.json");
const NOTIFICATION: &str = include_str!("../../../events/contacts-notification.json");
const CANCELLATION: &str = include_str!("../../../events/contacts-cancellation.json");

/// Reaches no table: invalid requests are refused before a table is read, and all others fail with an error of ours.
fn contacts() -> ContactsFunction {
    contacts_at("http://127.0.0.1:9")
}

fn contacts_at(dynamodb_url: &str) -> ContactsFunction {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(dynamodb_url)
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    ContactsFunction::new(
        Contacts::new(client.clone(), "contacts".to_owned(), "k".repeat(64).try_into().unwrap()),
        Notifications::new(client.clone(), "notifications".to_owned()),
        Messages::new(client, "messages".to_owned()),
        TenantCache::fixed(tenants()),
        "AC00000000000000000000000000000001".parse().unwrap(),
    )
}

/// An account that only one role may name.
fn tenants() -> Tenants {
    let document = json!({"format": 1, "accounts": {
        "AC00000000000000000000000000000002": {"callers": ["arn:aws:iam::123456789012:role/shop"]}}});
    let document = TenantsDocument::parse(&document.to_string()).unwrap();
    let default_account = "AC00000000000000000000000000000001".parse().ok();
    Tenants::of_parameters(std::sync::Arc::default(), default_account).with_document(1, document)
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn answer(event: &Value) -> (u16, Value) {
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let response = contacts().handle(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test]
async fn account_of_another_tenant_is_refused_on_every_route() {
    let suppression = |method: &str| {
        let mut event = event(CONSENT);
        event["rawPath"] = json!("/contacts/+14155550123/suppression");
        event["requestContext"]["http"]["method"] = json!(method);
        event["body"] = json!(r#"{"scope": "all", "reason": "a letter"}"#);
        event
    };
    for mut event in [
        event(CONSENT),
        suppression("PUT"),
        suppression("DELETE"),
        event(OVERVIEW),
        event(NOTIFICATION),
        event(CANCELLATION),
    ] {
        for (account, role, refused) in [
            ("AC00000000000000000000000000000002", "other", true),
            ("AC00000000000000000000000000000001", "shop", true),
            ("AC00000000000000000000000000000002", "shop", false),
            ("AC00000000000000000000000000000001", "other", false),
        ] {
            event["rawQueryString"] = json!(format!("account_sid={account}"));
            event["requestContext"]["authorizer"]["iam"]["userArn"] =
                json!(format!("arn:aws:sts::123456789012:assumed-role/{role}/session"));
            let (status, problem) = answer(&event).await;
            // What may be asked for fails at the table, which this function cannot reach.
            assert_eq!(status, if refused { 403 } else { 500 }, "{account} {role}: {problem} {event}");
            if refused {
                assert_eq!(problem["error"]["field"], "account_sid");
            }
        }
    }
}

#[tokio::test]
async fn invalid_request_is_refused_by_status_and_field() {
    let body = |body: &str, base64: bool| {
        let mut consent = event(CONSENT);
        consent["body"] = json!(body);
        consent["isBase64Encoded"] = json!(base64);
        consent
    };
    let with = |text: &str, field: &str, value: Value| {
        let mut event = event(text);
        event[field] = value;
        event
    };
    let account = json!("account_sid=AC1");
    let cases = [
        (body("", false), 400, "body"),
        (body("/w==", true), 400, "body"),
        (body("{}", false), 400, "category"),
        (body("e30=", true), 400, "category"),
        (body(r#"{"category": "marketing", "source": "x", "text": "y", "state": "gone"}"#, false), 400, "state"),
        (body(r#"{"category": "marketing", "source": "x", "text": "y", "stat": 1}"#, false), 400, "stat"),
        (with(CONSENT, "rawPath", json!("/contacts/0/consent")), 400, "contact"),
        (with(OVERVIEW, "rawPath", json!("/contacts/0")), 400, "contact"),
        (with(OVERVIEW, "rawQueryString", account.clone()), 400, "account_sid"),
        (with(NOTIFICATION, "rawQueryString", account.clone()), 400, "account_sid"),
        (with(CANCELLATION, "rawQueryString", account), 400, "account_sid"),
        (with(CANCELLATION, "rawPath", json!("/notifications/")), 400, "id"),
        (with(NOTIFICATION, "rawPath", json!("/notifications/")), 400, "id"),
        (with(NOTIFICATION, "rawPath", json!("/elsewhere")), 405, "method"),
    ];
    for (event, status, field) in cases {
        let (answered, problem) = answer(&event).await;
        assert_eq!((answered, &problem["error"]["field"]), (status, &json!(field)), "{event}");
        assert!(!problem["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn internal_error_is_not_explained_to_the_caller() {
    for text in [CONSENT, OVERVIEW, NOTIFICATION, CANCELLATION] {
        assert_eq!(answer(&event(text)).await, (500, json!({"error": {"field": "", "message": "internal error"}})));
    }
}

#[tokio::test]
async fn request_that_is_not_answered_by_the_deadline_fails() {
    // Connections are made, and nothing is ever answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let contacts = contacts_at(&format!("http://{}", silent.local_addr().unwrap()));
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let mut context = Context::default();
    context.deadline = u64::try_from(soon.as_millis()).unwrap();
    let request = lambda_http::request::from_str(OVERVIEW).unwrap().with_lambda_context(context);
    assert_eq!(contacts.handle(request).await.unwrap().status(), 500);
}

#[test]
fn caller_is_the_authorized_principal() {
    let request = lambda_http::request::from_str(CONSENT).unwrap();
    assert_eq!(caller(&request).as_deref(), Some("arn:aws:iam::123456789012:user/shop"));
}
