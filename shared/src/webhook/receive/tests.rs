use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_lambda_events::http::{HeaderMap, HeaderValue};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;
use twilio_webhook::{
    form::Form,
    signature::{SIGNATURE, sign},
};

use super::*;
use crate::{
    secrets::tests::{ONE, secrets},
    test_log::logged,
};

const SECRET: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["token"]}}}"#;
const URL: &str = "https://api.example.com/twilio/status";
const SID: &str = "SM00000000000000000000000000000001";

#[derive(Debug, Clone, Copy)]
enum Service {
    Works,
    Fails,
    Hangs,
}

/// The bodies of the messages that SQS got.
type Sent = Arc<Mutex<Vec<Value>>>;

/// A server that is DynamoDB and SQS.
async fn aws(dynamodb: Service, sqs: Service) -> (SdkConfig, Sent) {
    let sent = Sent::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Arc::clone(&sent);
    let handler = async move |headers: HeaderMap, body: String| {
        let is_sqs = headers["x-amz-target"].to_str().unwrap().starts_with("AmazonSQS.");
        if is_sqs {
            bodies.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        }
        match if is_sqs { sqs } else { dynamodb } {
            Service::Works => (StatusCode::OK, r#"{"MessageId": "1", "MD5OfMessageBody": ""}"#),
            Service::Fails => (StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type": "InternalServerError"}"#),
            Service::Hangs => pending().await,
        }
    };
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(handler)).await });
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    (aws::for_webhooks(&config.build()), sent)
}

async fn receiver(config: &SdkConfig, has_spool: bool) -> WebhookReceiver {
    let spool = || SpoolQueue::new(aws_sdk_sqs::Client::new(config), "http://sqs/spool".to_owned());
    WebhookReceiver {
        verifier: WebhookVerifier { secrets: secrets(&[SECRET, SECRET]).await.into(), public_base_url: None },
        recorder: WebhookRecorder::of_tables(aws_sdk_dynamodb::Client::new(config)),
        spool: has_spool.then(spool),
    }
}

fn event(query: &str, form: &str, token: &str) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    event.raw_path = Some("/twilio/status".to_owned());
    event.raw_query_string = Some(query.to_owned());
    event.request_context.domain_name = Some("api.example.com".to_owned());
    event.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let signature = sign(&token.into(), &format!("{URL}?{query}"), &Form::parse(form.as_bytes()));
    event.headers.insert(SIGNATURE, signature.try_into().unwrap());
    event.body = Some(form.to_owned());
    event
}

fn delivered() -> ApiGatewayV2httpRequest {
    event(
        "notification=order-1&key=secret",
        &format!("AccountSid={ONE}&MessageSid={SID}&MessageStatus=delivered"),
        "token",
    )
}

fn stop() -> ApiGatewayV2httpRequest {
    let from = "whatsapp%3A%2B14155550123";
    event("a", &format!("AccountSid={ONE}&MessageSid={SID}&From={from}&To={from}&Body=STOP"), "token")
}

/// The status and the body that a request is answered with.
async fn answer(receiver: &WebhookReceiver, event: ApiGatewayV2httpRequest) -> (i64, String) {
    let answer = receiver.handle(event, 0).await;
    let text = answer.body.map(|body| String::from_utf8(body.to_vec()).unwrap());
    (answer.status_code, text.unwrap_or_default())
}

#[tokio::test]
async fn webhook_that_is_not_stored_is_spooled_with_an_alarm() {
    let (config, sent) = aws(Service::Fails, Service::Works).await;
    let receiver = receiver(&config, true).await;
    let (answered, lines) = logged(Box::pin(answer(&receiver, delivered()))).await;
    assert_eq!(answered, (204, String::new()));
    let sent = sent.lock().unwrap();
    assert_eq!((sent.len(), &sent[0]["MessageGroupId"]), (1, &ONE.into()));
    let spooled = SpooledWebhook::read(sent[0]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!((spooled.path.as_str(), spooled.form.get("MessageSid")), ("/twilio/status", Some(SID)));
    assert_eq!(spooled.origin.unwrap().notification_id.as_str(), "order-1");
    let alarms: Vec<_> = lines.iter().filter(|line| line.contains(r#""alarm":"spooled""#)).collect();
    assert!(alarms.len() == 1 && alarms[0].contains(SID) && alarms[0].contains("InternalServerError"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
}

#[tokio::test]
async fn spooled_stop_is_answered_without_a_confirmation() {
    let (config, sent) = aws(Service::Fails, Service::Works).await;
    assert_eq!(answer(&receiver(&config, true).await, stop()).await, (200, twiml::EMPTY.to_owned()));
    assert_eq!(sent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn webhook_is_answered_in_time_while_dynamodb_and_sqs_hang() {
    for (sqs, expected) in [(Service::Works, 204), (Service::Hangs, 500)] {
        let (config, _) = aws(Service::Hangs, sqs).await;
        let receiver = receiver(&config, true).await;
        let begin = Instant::now();
        assert_eq!(answer(&receiver, delivered()).await.0, expected, "{sqs:?}");
        // The budget has six and a half seconds, and Twilio waits 15.
        assert!(begin.elapsed() < Duration::from_millis(7_500), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn webhook_is_answered_with_500_where_nothing_stores_it() {
    let (config, _) = aws(Service::Fails, Service::Fails).await;
    let receiver_with_spool = receiver(&config, true).await;
    let (answered, lines) = logged(Box::pin(answer(&receiver_with_spool, delivered()))).await;
    assert_eq!(answered, (500, "internal error".to_owned()));
    let line = lines.iter().find(|line| line.contains("was answered with status 500")).unwrap();
    assert!(
        line.contains("the webhook cannot be stored") && line.contains("writing to the spool queue failed"),
        "{line}"
    );
    let (config, sent) = aws(Service::Fails, Service::Works).await;
    assert_eq!(answer(&receiver(&config, false).await, delivered()).await.0, 500, "it has no spool");
    assert!(sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refused_webhook_is_never_spooled() {
    let (config, sent) = aws(Service::Fails, Service::Works).await;
    let receiver = receiver(&config, true).await;
    let form = format!("AccountSid={ONE}&MessageSid={SID}&MessageStatus=delivered");
    assert_eq!(answer(&receiver, event("a", &form, "forged")).await.0, 403);
    assert_eq!(answer(&receiver, event("a", "MessageSid=SM1", "token")).await.0, 400);
    assert_eq!(answer(&receiver, event("a", &format!("AccountSid={ONE}"), "token")).await.0, 204, "nothing to store");
    assert!(sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stored_webhook_is_not_spooled() {
    let (config, sent) = aws(Service::Works, Service::Works).await;
    assert_eq!(answer(&receiver(&config, true).await, delivered()).await.0, 204);
    assert!(sent.lock().unwrap().is_empty());
}
