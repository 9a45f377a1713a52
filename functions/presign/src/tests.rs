use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use domain::tenants::TenantsDocument;
use serde_json::{Value, json};

use super::*;

const UPLOAD: &str = include_str!("../../../events/presign-upload.json");
const DOWNLOAD: &str = include_str!("../../../events/presign-download.json");

const ONE: &str = "AC00000000000000000000000000000001";
const TWO: &str = "AC00000000000000000000000000000002";

/// An account that only one role may name.
fn tenants() -> Tenants {
    let document = json!({"format": 1, "accounts": {TWO: {"callers": ["arn:aws:iam::123456789012:role/shop"]}}});
    let document = TenantsDocument::parse(&document.to_string()).unwrap();
    Tenants::of_parameters(Arc::default(), ONE.parse().ok()).with_document(1, document)
}

/// Signs with made-up credentials. Signing needs no network.
fn presign() -> PresignFunction {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
    let media = MediaBucket::new(aws_sdk_s3::Client::from_conf(config.build()), "media".to_owned());
    PresignFunction { media, domain: None, tenants: TenantCache::fixed(tenants()), account_sid: ONE.parse().unwrap() }
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn answer(event: &Value) -> (u16, Value) {
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let response = presign().handle(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test]
async fn upload_is_answered_with_a_link_and_its_headers() {
    let (status, upload) = answer(&event(UPLOAD)).await;
    assert_eq!((status, &upload["method"]), (201, &json!("PUT")), "{upload}");
    assert_eq!(
        (&upload["headers"]["content-type"], &upload["headers"]["content-length"]),
        (&json!("image/jpeg"), &json!("204800"))
    );
    assert_eq!(upload["headers"]["if-none-match"], "*", "the link is for one file");
    let key: MediaKey = serde_json::from_value(upload["key"].clone()).unwrap();
    let url = upload["upload_url"].as_str().unwrap();
    assert!(url.contains(key.as_str()) && url.contains("X-Amz-Expires=900"), "{url}");
    let expires_at: Timestamp = serde_json::from_value(upload["expires_at"].clone()).unwrap();
    assert!(expires_at > Timestamp::now());
}

fn called_by(mut event: Value, role: &str) -> Value {
    event["requestContext"]["authorizer"]["iam"]["userArn"] =
        json!(format!("arn:aws:sts::123456789012:assumed-role/{role}/session"));
    event
}

#[tokio::test]
async fn upload_for_an_account_has_its_key() {
    let upload = |account: &str, role: &str| {
        let mut upload = called_by(event(UPLOAD), role);
        upload["rawQueryString"] = json!(format!("account_sid={account}"));
        upload
    };
    let (status, answered) = answer(&upload(TWO, "shop")).await;
    assert_eq!(status, 201, "{answered}");
    assert!(answered["key"].as_str().unwrap().starts_with(&format!("uploads/{TWO}/")), "{answered}");
    for (account, role) in [(TWO, "other"), (ONE, "shop")] {
        let (status, problem) = answer(&upload(account, role)).await;
        assert_eq!((status, &problem["error"]["field"]), (403, &json!("account_sid")), "{account} {role}");
    }
    let (status, problem) = answer(&called_by(event(UPLOAD), "shop")).await;
    assert_eq!(status, 403, "the default account's: {problem}");
}

#[tokio::test]
async fn link_to_a_file_of_another_tenant_is_refused() {
    let download = |key: &str, account: Option<&str>, role: &str| {
        let mut download = called_by(event(DOWNLOAD), role);
        download["rawPath"] = json!(format!("/media/{key}"));
        download["rawQueryString"] = json!(account.map(|sid| format!("account_sid={sid}")).unwrap_or_default());
        download
    };
    let (of_one, of_two) = (format!("inbound/{ONE}/SM1/0"), format!("uploads/{TWO}/a.jpg"));
    for (key, account, role, status) in [
        (&of_two, None, "other", 403),
        (&of_two, Some(ONE), "other", 404),
        (&of_two, Some(TWO), "other", 403),
        (&of_one, None, "shop", 403),
        (&of_one, Some(TWO), "shop", 404),
        (&"uploads/a.jpg".to_owned(), Some(TWO), "shop", 404),
        (&"uploads/a.jpg".to_owned(), None, "shop", 403),
    ] {
        let (answered, problem) = answer(&download(key, account, role)).await;
        assert_eq!(answered, status, "{key} {account:?} {role}: {problem}");
    }
}

#[tokio::test]
async fn body_in_base64_is_decoded() {
    let mut upload = event(UPLOAD);
    upload["body"] = json!("eyJjb250ZW50X3R5cGUiOiAiYXBwbGljYXRpb24vcGRmIiwgImNvbnRlbnRfbGVuZ3RoIjogMX0=");
    upload["isBase64Encoded"] = json!(true);
    assert_eq!(answer(&upload).await.1["headers"]["content-type"], "application/pdf");
}

#[tokio::test]
async fn invalid_request_is_refused_by_status_and_field() {
    let body = |body: &str| {
        let mut upload = event(UPLOAD);
        upload["body"] = json!(body);
        upload
    };
    let key = |key: &str, query: &str| {
        let mut download = event(DOWNLOAD);
        download["rawPath"] = json!(format!("/media/{key}"));
        download["rawQueryString"] = json!(query);
        download
    };
    let method = |text: &str, method: &str| {
        let mut event = event(text);
        event["requestContext"]["http"]["method"] = json!(method);
        event
    };
    let cases = [
        (body(""), 400, "body"),
        (body(r#"{"content_type": "image/jpeg", "content_length": 1, "acl": "public-read"}"#), 400, "acl"),
        (body(r#"{"content_type": "image/jpeg; name=gr\u00f6\u00dfe", "content_length": 1}"#), 415, "content_type"),
        (body(r#"{"content_type": "video/mp4", "content_length": 16777217}"#), 413, "content_length"),
        (key("../secret", ""), 400, "key"),
        (key("uploads/../../secret", ""), 400, "key"),
        (key("a.jpg", "expires_in=599"), 400, "expires_in"),
        (key("a.jpg", "expires_in="), 400, "expires_in"),
        (method(DOWNLOAD, "POST"), 405, "method"),
        (method(UPLOAD, "GET"), 400, "key"),
        (method(DOWNLOAD, "DELETE"), 405, "method"),
    ];
    for (event, status, field) in cases {
        let (answered, problem) = answer(&event).await;
        assert_eq!((answered, &problem["error"]["field"]), (status, &json!(field)), "{event}");
        assert!(!problem["error"]["message"].as_str().unwrap().is_empty());
    }
}
