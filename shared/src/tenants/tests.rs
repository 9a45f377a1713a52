use std::{collections::BTreeMap, sync::Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::test_log::logged;

const ONE: &str = "AC00000000000000000000000000000001";
const TWO: &str = "AC00000000000000000000000000000002";

/// The Tenants table of a test.
#[derive(Default)]
struct Stored {
    current: Option<u64>,
    versions: BTreeMap<u64, String>,
    fails: bool,
    requests: Vec<Value>,
}

type Shared = Arc<Mutex<Stored>>;

fn document(rate: u32) -> String {
    let settings = json!({"policy": {"rates": {"default": {"per_second": rate}}}});
    json!({"format": 1, "accounts": {TWO: settings}}).to_string()
}

fn stored(versions: &[(u64, &str)]) -> Shared {
    let versions: BTreeMap<_, _> = versions.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    Arc::new(Mutex::new(Stored { current: versions.keys().last().copied(), versions, ..Stored::default() }))
}

/// A version; without its text if that is empty, as no transaction leaves it.
fn item_of((number, text): (&u64, &String)) -> Value {
    let mut item = json!({"number": {"N": number.to_string()}});
    if !text.is_empty() {
        item["text"] = json!({"S": text});
    }
    item
}

fn answer(stored: &Shared, headers: &HeaderMap, body: &str) -> Response {
    let mut stored = stored.lock().unwrap();
    let request: Value = serde_json::from_str(body).unwrap();
    stored.requests.push(request.clone());
    if stored.fails {
        let error = json!({"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    let target = headers["x-amz-target"].to_str().unwrap();
    Json(match target.rsplit('.').next().unwrap() {
        "GetItem" => {
            let version = request["Key"]["version"]["S"].as_str().unwrap();
            let found = match version.strip_prefix('v') {
                Some(number) => stored.versions.get_key_value(&number.parse().unwrap()).map(item_of),
                None => stored.current.map(|number| json!({"number": {"N": number.to_string()}})),
            };
            found.map_or_else(|| json!({}), |item| json!({"Item": item}))
        }
        "Query" => {
            let limit = usize::try_from(request["Limit"].as_u64().unwrap()).unwrap();
            json!({"Items": stored.versions.iter().rev().take(limit).map(item_of).collect::<Vec<_>>()})
        }
        other => panic!("{other}"),
    })
    .into_response()
}

async fn load(stored: &Shared) -> Result<TenantCache, TenantsError> {
    TenantCache::load(table(stored).await, AccountSettings::default(), Some(ONE.parse().unwrap())).await
}

async fn table(stored: &Shared) -> TenantsTable {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::clone(stored);
    let handler = move |headers: HeaderMap, body: String| std::future::ready(answer(&state, &headers, &body));
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(handler)).await });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
    TenantsTable::new(Client::from_conf(config.build()), "Tenants".to_owned())
}

async fn rate(cache: &TenantCache, account: &str) -> u32 {
    cache.of(&account.parse().unwrap()).await.policy.rate_limit("x").per_second()
}

fn freeze_for(cache: &TenantCache, duration: Duration) {
    let Cached::Document(document) = &cache.0 else { panic!("it has a document") };
    document.freeze_for(duration);
}

fn change(stored: &Shared, change: impl FnOnce(&mut Stored)) {
    change(&mut stored.lock().unwrap());
}

fn requests(stored: &Shared) -> usize {
    stored.lock().unwrap().requests.len()
}

#[tokio::test]
async fn every_account_has_the_parameters_without_a_document() {
    let stored = stored(&[]);
    let cache = load(&stored).await.unwrap();
    assert_eq!((rate(&cache, ONE).await, rate(&cache, TWO).await), (80, 80));
    freeze_for(&cache, MAX_AGE);
    change(&stored, |stored| {
        stored.versions.insert(1, document(7));
        stored.current = Some(1);
    });
    assert_eq!((rate(&cache, ONE).await, rate(&cache, TWO).await), (80, 7), "the first document");
}

#[tokio::test]
async fn new_version_is_in_force_after_half_a_minute() {
    let stored = stored(&[(1, &document(7))]);
    let cache = load(&stored).await.unwrap();
    change(&stored, |stored| {
        stored.versions.insert(2, document(9));
        stored.current = Some(2);
    });
    let before = requests(&stored);
    for _ in 0..100 {
        assert_eq!(rate(&cache, TWO).await, 7);
    }
    assert_eq!(requests(&stored), before, "a message makes no request");
    freeze_for(&cache, MAX_AGE);
    assert_eq!(rate(&cache, TWO).await, 9);
}

#[tokio::test]
async fn unchanged_document_is_not_read_again() {
    let stored = stored(&[(1, &document(7))]);
    let cache = load(&stored).await.unwrap();
    let before = requests(&stored);
    freeze_for(&cache, MAX_AGE);
    assert_eq!(rate(&cache, TWO).await, 7);
    let requests = stored.lock().unwrap().requests.split_off(before);
    let keys: Vec<_> = requests.iter().map(|request| &request["Key"]["version"]["S"]).collect();
    assert_eq!(keys, ["current"]);
}

#[tokio::test]
async fn last_document_counts_while_none_can_be_read() {
    let stored = stored(&[(1, &document(7))]);
    let cache = load(&stored).await.unwrap();
    let cases: [fn(&mut Stored); 3] = [
        |stored| stored.fails = true,
        |stored| (stored.fails, stored.current) = (false, None),
        |stored| {
            stored.versions.insert(2, r#"{"format": 1, "accounts": "#.to_owned());
            stored.current = Some(2);
        },
    ];
    for broken in cases {
        change(&stored, broken);
        // Far longer than a secret would count.
        freeze_for(&cache, Duration::from_hours(24));
        let (counts, lines) = logged(rate(&cache, TWO)).await;
        assert_eq!(counts, 7);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(r#""alarm":"tenants""#), "{lines:?}");
    }
    change(&stored, |stored| {
        stored.versions.insert(3, document(9));
        stored.current = Some(3);
    });
    freeze_for(&cache, MAX_AGE);
    assert_eq!(rate(&cache, TWO).await, 9, "it was applied again");
}

#[tokio::test]
async fn new_process_uses_the_last_version_that_can_be_read() {
    for (broken, case) in [
        (Some(r#"{"format": 2}"#), "a format of a newer version"),
        (Some(r#"{"format": 1, "acc"#), "half a document"),
        (None, "the version that counts is not known"),
    ] {
        let stored = stored(&[(1, &document(5)), (2, &document(7))]);
        change(&stored, |stored| match broken {
            Some(text) => {
                stored.versions.insert(3, text.to_owned());
                stored.current = Some(3);
            }
            None => stored.current = None,
        });
        let (loaded, lines) = logged(load(&stored)).await;
        assert_eq!(rate(&loaded.unwrap(), TWO).await, 7, "{case}");
        assert!(lines.iter().any(|line| line.contains(r#""alarm":"tenants""#)), "{case}: {lines:?}");
    }
}

#[tokio::test]
async fn new_process_without_a_readable_document_does_not_start() {
    let invalid = stored(&[(1, "{}")]);
    assert!(matches!(load(&invalid).await, Err(TenantsError::Invalid { version: 1, .. })));
    let damaged = stored(&[(1, "")]);
    change(&damaged, |stored| stored.current = None);
    assert!(matches!(load(&damaged).await, Err(TenantsError::Lost)), "a document was applied once");
    let unreadable = stored(&[(1, &document(7))]);
    change(&unreadable, |stored| stored.fails = true);
    assert!(matches!(load(&unreadable).await, Err(TenantsError::Store(_))), "the parameters are not the tenant's");
}

#[test]
fn caller_of_another_tenant_is_refused() {
    let text = json!({"format": 1, "accounts": {TWO: {"callers": ["arn:aws:iam::123456789012:role/shop"]}}});
    let tenants = Tenants::of_parameters(Arc::default(), Some(ONE.parse().unwrap()))
        .with_document(1, TenantsDocument::parse(&text.to_string()).unwrap());
    let shop = Some("arn:aws:sts::123456789012:assumed-role/shop/session");
    assert_eq!(authorize(&tenants, &TWO.parse().unwrap(), shop), Ok(()));
    let refused = authorize(&tenants, &ONE.parse().unwrap(), shop).unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.field.as_ref()), (403, "account_sid"));
}

#[tokio::test]
async fn deferred_settings_are_read_by_the_first_event_that_can() {
    let (stored, two) = (stored(&[(1, &document(7))]), TWO.parse().unwrap());
    let table = Some(table(&stored).await);
    let setup = TenantsSetup { table, parameters: AccountSettings::default(), default_account: None };
    let tenants = DeferredTenants::new(setup);
    change(&stored, |stored| stored.fails = true);
    assert!(matches!(tenants.of(&two).await, Err(TenantsError::Store(_))));
    change(&stored, |stored| stored.fails = false);
    assert_eq!(tenants.of(&two).await.unwrap().policy.rate_limit("x").per_second(), 7);
    change(&stored, |stored| stored.fails = true);
    assert!(tenants.of(&two).await.is_ok(), "once it is read, it counts");
}
