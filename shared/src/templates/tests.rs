use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{Router, body::Bytes, http::HeaderMap};
use domain::templates::TemplateStatus;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::test_log::logged;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const SID: &str = "HX00000000000000000000000000000001";

/// A table with one template, which counts its requests.
#[derive(Default)]
struct Table {
    version: AtomicUsize,
    states: AtomicUsize,
    queries: AtomicUsize,
    is_down: std::sync::atomic::AtomicBool,
    /// Its one template is half written.
    is_half_written: std::sync::atomic::AtomicBool,
}

impl Table {
    fn answer(&self, operation: &str) -> (u16, Value) {
        if self.is_down.load(Relaxed) {
            return (400, json!({"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}));
        }
        let version = self.version.load(Relaxed);
        if operation.ends_with("GetItem") {
            self.states.fetch_add(1, Relaxed);
            if version == 0 {
                return (200, json!({}));
            }
            let synced_at = format!("2026-11-20T09:00:{:02}.000Z", self.states.load(Relaxed));
            return (200, json!({"Item": {"version": {"N": version.to_string()}, "synced_at": {"S": synced_at}}}));
        }
        self.queries.fetch_add(1, Relaxed);
        let status = if version == 1 { "approved" } else { "paused" };
        let entry = json!({
            "sid": {"S": SID}, "name": {"S": "order"}, "locale": {"S": "en"}, "shape": {"M": {}},
            "status": {"S": status}, "status_at": {"S": "2026-11-20T09:00:00Z"},
            "registered_at": {"S": "2026-11-20T09:00:00Z"},
        });
        let entry = if self.is_half_written.load(Relaxed) { json!({"sid": {"S": SID}}) } else { entry };
        let items = json!([
            {"account": {"S": ACCOUNT}, "template": {"S": SID}, "entry": {"M": entry}, "revision": {"N": "1"}},
            {"account": {"S": ACCOUNT}, "template": {"S": "HX2"}, "entry": {"M": {}}, "revision": {"N": "1"}},
        ]);
        (200, json!({"Items": items}))
    }
}

async fn registries() -> (TemplateRegistries, Arc<Table>) {
    let table = Arc::new(Table { version: AtomicUsize::new(1), ..Table::default() });
    let served = Arc::clone(&table);
    let serve = move |headers: HeaderMap, _: Bytes| {
        let (status, body) = served.answer(headers["x-amz-target"].to_str().unwrap());
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        async move { (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(serve)).await });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    (TemplateRegistries::new(TemplateStore::new(client, "Templates".to_owned())), table)
}

async fn status(registries: &TemplateRegistries) -> TemplateStatus {
    let registry = registries.current(&ACCOUNT.parse().unwrap()).await.unwrap();
    registry.get(&SID.parse().unwrap()).unwrap().status.clone()
}

/// As if the process had been frozen for the maximum age.
fn age(registries: &TemplateRegistries) {
    let accounts = registries.accounts.lock().unwrap();
    accounts[&ACCOUNT.parse::<AccountSid>().unwrap()].get().unwrap().freeze_for(MAX_AGE);
}

#[tokio::test]
async fn registry_is_not_read_for_each_message() {
    let (registries, table) = registries().await;
    for _ in 0..100 {
        status(&registries).await;
    }
    assert_eq!((table.states.load(Relaxed), table.queries.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn unchanged_registry_costs_one_read_of_one_item() {
    let (registries, table) = registries().await;
    status(&registries).await;
    for reads in 2..5 {
        age(&registries);
        assert_eq!(status(&registries).await, TemplateStatus::Approved);
        assert_eq!((table.states.load(Relaxed), table.queries.load(Relaxed)), (reads, 1));
    }
    let registry = registries.current(&ACCOUNT.parse().unwrap()).await.unwrap();
    assert_eq!(registry.synced_at().unwrap().to_string(), "2026-11-20T09:00:04Z", "the state is new");
}

#[tokio::test]
async fn change_is_known_once_the_registry_is_too_old() {
    let (registries, table) = registries().await;
    assert_eq!(status(&registries).await, TemplateStatus::Approved);
    table.version.fetch_add(1, Relaxed);
    assert_eq!(status(&registries).await, TemplateStatus::Approved);
    age(&registries);
    assert_eq!(status(&registries).await, TemplateStatus::Paused);
    assert!(MAX_AGE < Duration::from_secs(30), "a change is in force within a minute");
}

#[tokio::test]
async fn unreadable_table_leaves_the_last_registry_with_an_alarm() {
    let (registries, table) = registries().await;
    status(&registries).await;
    table.is_down.store(true, Relaxed);
    age(&registries);
    let (known, lines) = logged(status(&registries)).await;
    assert_eq!(known, TemplateStatus::Approved);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(r#""alarm":"registry""#), "{lines:?}");
    table.is_down.store(false, Relaxed);
    age(&registries);
    assert_eq!(status(&registries).await, TemplateStatus::Approved);
}

#[tokio::test]
async fn unreadable_first_registry_is_an_error_and_tried_again() {
    let (registries, table) = registries().await;
    table.is_down.store(true, Relaxed);
    assert!(registries.current(&ACCOUNT.parse().unwrap()).await.is_err());
    table.is_down.store(false, Relaxed);
    assert_eq!(status(&registries).await, TemplateStatus::Approved);
}

#[tokio::test]
async fn item_that_cannot_be_read_leaves_the_others_with_an_alarm() {
    let (registries, _) = registries().await;
    let (known, lines) = logged(status(&registries)).await;
    assert_eq!(known, TemplateStatus::Approved);
    assert!(lines.iter().any(|line| line.contains("HX2") && line.contains(r#""alarm":"registry""#)), "{lines:?}");
}

#[tokio::test]
async fn half_written_item_leaves_what_was_read_of_it_before() {
    let (registries, table) = registries().await;
    assert_eq!(status(&registries).await, TemplateStatus::Approved);
    table.is_half_written.store(true, Relaxed);
    table.version.fetch_add(1, Relaxed);
    age(&registries);
    let (known, lines) = logged(status(&registries)).await;
    assert_eq!(known, TemplateStatus::Approved);
    assert!(lines.iter().any(|line| line.contains(SID) && line.contains(r#""alarm":"registry""#)), "{lines:?}");
    table.is_half_written.store(false, Relaxed);
    table.version.fetch_add(1, Relaxed);
    age(&registries);
    assert_eq!(status(&registries).await, TemplateStatus::Paused, "it was written again");
}

#[tokio::test]
async fn registry_that_is_gone_leaves_the_last_one_with_an_alarm() {
    let (registries, table) = registries().await;
    status(&registries).await;
    table.version.store(0, Relaxed);
    age(&registries);
    let (known, lines) = logged(status(&registries)).await;
    assert_eq!(known, TemplateStatus::Approved);
    assert!(lines.iter().any(|line| line.contains(r#""alarm":"registry""#)), "{lines:?}");
}
