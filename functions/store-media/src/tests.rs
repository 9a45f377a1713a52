//! The function with a Twilio that has a redirect, like the real one, and an AWS that remembers what it is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use domain::{account_settings::AccountSettings, digest::sha256_hex, media_settings::MediaSettings};
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use lambda_runtime::Context;
use serde_json::{Value, json};
use shared::secrets::{SecretMaxAge, Secrets};
use tokio::net::TcpListener;
use twilio_client::TwilioClient;

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGE: &str = "MM00000000000000000000000000000001";
const MEDIA: &str = "ME00000000000000000000000000000001";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the picture";
const KEY: &str = "inbound/AC00000000000000000000000000000001/MM00000000000000000000000000000001/0";

/// What Twilio does with requests for the file.
#[derive(Clone)]
enum AtTwilio {
    Has(Bytes),
    /// It does not have the file for this number of requests.
    LacksFor(usize),
    RedirectsTo(String),
    Fails(StatusCode),
    /// It sends a picture of this many megabytes without saying its length, and may stop there.
    Streams {
        megabytes: usize,
        is_endless: bool,
    },
    /// It sends the file with this content encoding.
    Encodes(&'static str),
}

#[derive(Clone)]
struct World(Arc<Mutex<Remembered>>);

struct Remembered {
    at_twilio: AtTwilio,
    /// What Twilio answers to deletions.
    deletion: StatusCode,
    /// The path of each request to Twilio, and whether it had credentials.
    requests: Vec<(String, bool)>,
    claimed: &'static str,
    url: String,
    item: Option<Value>,
    puts: usize,
    /// The objects and the parts by their paths: type and bytes.
    objects: BTreeMap<String, (String, usize)>,
    is_bucket_broken: bool,
    /// Whether a read does not have the item yet, as one that was a moment before the write.
    is_item_late: bool,
}

impl World {
    async fn start(at_twilio: AtTwilio) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let media_url = format!("{url}/2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{MEDIA}");
        let world = Self(Arc::new(Mutex::new(Remembered {
            at_twilio,
            deletion: StatusCode::NO_CONTENT,
            requests: Vec::new(),
            claimed: "image/png",
            url: media_url,
            item: None,
            puts: 0,
            objects: BTreeMap::new(),
            is_bucket_broken: false,
            is_item_late: false,
        })));
        let router = Router::new().fallback(answer).with_state(world.clone());
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async { axum::serve(listener, router).await });
        (world, url)
    }

    fn change(&self, change: impl FnOnce(&mut Remembered)) {
        change(&mut self.0.lock().unwrap());
    }

    fn read<T>(&self, read: impl FnOnce(&Remembered) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// The outcome in the item.
    fn outcome(&self) -> Value {
        self.read(|world| world.item.as_ref().map_or(Value::Null, |item| plain(&item["outcome"])))
    }

    fn reason(&self) -> String {
        self.outcome()["failed"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// A DynamoDB value as JSON.
fn plain(value: &Value) -> Value {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "M" => value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        "L" => value.as_array().unwrap().iter().map(plain).collect(),
        "N" => value.as_str().unwrap().parse().unwrap(),
        _ => value.clone(),
    }
}

async fn answer(State(world): State<World>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut world = world.0.lock().unwrap();
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target.starts_with("DynamoDB") {
        return dynamodb(&mut world, target, &serde_json::from_slice(&body).unwrap());
    }
    if uri.path().starts_with("/bucket/") {
        return bucket(&mut world, &method, &uri, &headers, &body);
    }
    if target == "secretsmanager.GetSecretValue" {
        let keys = json!({"accounts": {ACCOUNT: {"auth_tokens": ["token"]}}}).to_string();
        return Json(json!({"ARN": "arn", "Name": "twilio", "SecretString": keys})).into_response();
    }
    let has_credentials = headers.contains_key("authorization");
    world.requests.push((format!("{method} {}", uri.path()), has_credentials));
    match (&method, uri.path()) {
        (&Method::DELETE, _) => world.deletion.into_response(),
        (_, "/storage") if has_credentials => StatusCode::BAD_REQUEST.into_response(),
        (_, "/storage") => match &world.at_twilio {
            AtTwilio::Has(bytes) => bytes.clone().into_response(),
            AtTwilio::Streams { megabytes, is_endless } => streamed(*megabytes, *is_endless),
            AtTwilio::Encodes(encoding) => {
                assert_eq!(headers["accept-encoding"], "identity");
                ([("content-encoding", *encoding)], PNG).into_response()
            }
            _ => PNG.into_response(),
        },
        _ if !has_credentials => StatusCode::UNAUTHORIZED.into_response(),
        _ => twilio(&mut world),
    }
}

fn twilio(world: &mut Remembered) -> Response {
    match &mut world.at_twilio {
        AtTwilio::Has(_) | AtTwilio::LacksFor(0) | AtTwilio::Streams { .. } | AtTwilio::Encodes(_) => {
            Redirect::temporary("/storage").into_response()
        }
        AtTwilio::LacksFor(requests) => {
            *requests -= 1;
            StatusCode::NOT_FOUND.into_response()
        }
        AtTwilio::RedirectsTo(url) => Redirect::temporary(url).into_response(),
        AtTwilio::Fails(status) => status.into_response(),
    }
}

fn streamed(megabytes: usize, is_endless: bool) -> Response {
    let mut chunk = vec![0; 1024 * 1024];
    chunk[..PNG.len()].copy_from_slice(PNG);
    let chunks = stream::iter(vec![Ok::<_, Infallible>(Bytes::from(chunk)); megabytes]);
    let more = if is_endless { stream::pending().left_stream() } else { stream::empty().right_stream() };
    Body::from_stream(chunks.chain(more)).into_response()
}

fn dynamodb(world: &mut Remembered, target: &str, request: &Value) -> Response {
    if target.ends_with(".PutItem") {
        world.puts += 1;
        if world.item.is_some() {
            let problem = json!({"__type": "ConditionalCheckFailedException", "Item": world.item});
            return (StatusCode::BAD_REQUEST, Json(problem)).into_response();
        }
        world.item = Some(request["Item"].clone());
        return Json(json!({})).into_response();
    }
    let text = |value: &str| json!({"S": value});
    let raw = json!({
        "MessageSid": text(MESSAGE), "AccountSid": text(ACCOUNT), "From": text("whatsapp:+14155550123"),
        "To": text("whatsapp:+14155238886"), "NumMedia": text("1"), "MediaUrl0": text(&world.url),
        "MediaContentType0": text(world.claimed),
    });
    let inbound = json!({
        "subject": text(&format!("{ACCOUNT}#{MESSAGE}")), "event": text("inbound"), "message_sid": text(MESSAGE),
        "account_sid": text(ACCOUNT), "received_at": text("2026-11-20T09:00:00Z"), "expires_at": {"N": "1799000000"},
        "raw": {"M": raw},
    });
    let item = world.item.clone().filter(|_| !world.is_item_late);
    let items: Vec<_> = [Some(inbound), item].into_iter().flatten().collect();
    Json(json!({"Responses": {"messages": items}, "UnprocessedKeys": {}})).into_response()
}

fn bucket(world: &mut Remembered, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    if world.is_bucket_broken {
        return StatusCode::FORBIDDEN.into_response();
    }
    let xml = |name: &str| format!("<{name}><UploadId>upload</UploadId></{name}>").into_response();
    match (method, uri.query().unwrap_or_default()) {
        (&Method::POST, query) if query.starts_with("uploads") => xml("InitiateMultipartUploadResult"),
        (&Method::POST, _) => xml("CompleteMultipartUploadResult"),
        (&Method::DELETE, _) => {
            world.objects.insert("aborted".to_owned(), (String::new(), 0));
            StatusCode::NO_CONTENT.into_response()
        }
        (_, query) => {
            let part = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="));
            let path = uri.path().trim_start_matches("/bucket/");
            let path = part.map_or_else(|| path.to_owned(), |part| format!("{path} {part}"));
            let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
            world.objects.insert(path, (content_type.to_owned(), body.len()));
            ([("etag", "\"1\"")], "").into_response()
        }
    }
}

async fn function(url: &str) -> StoreMediaFunction {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
    let region = Region::new("us-east-1");
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials.clone());
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .endpoint_url(url)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials.clone());
    let secrets = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .endpoint_url(url)
        .credentials_provider(credentials);
    let secrets = aws_sdk_secretsmanager::Client::from_conf(secrets.build());
    let secrets = Secrets::load(secrets, "twilio".to_owned(), SecretMaxAge::default()).await.unwrap();
    let api = url.parse().unwrap();
    StoreMediaFunction {
        messages: Messages::new(aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), "messages".to_owned()),
        fetcher: MediaFetcher::new(&api).unwrap(),
        uploads: MediaUploads::new(aws_sdk_s3::Client::from_conf(s3.build()), "bucket".to_owned()),
        twilio: TwilioAccounts::new(TwilioClient::new(api).unwrap(), secrets),
        tenants: TenantCache::of_parameters(AccountSettings::default(), None),
    }
}

fn deletes_at_twilio() -> TenantCache {
    let media = MediaSettings { store_inbound: true, delete_at_twilio: true };
    TenantCache::of_parameters(AccountSettings { media, ..AccountSettings::default() }, None)
}

/// Delivers the message of the queue that has been there for this time. Whether it comes again.
async fn deliver(function: &StoreMediaFunction, age: SignedDuration) -> bool {
    deliver_in(function, age, Context::default()).await
}

async fn deliver_in(function: &StoreMediaFunction, age: SignedDuration, context: Context) -> bool {
    let reference = json!({"account_sid": ACCOUNT, "message_sid": MESSAGE, "index": 0});
    let sent_at = (Timestamp::now() - age).as_millisecond().to_string();
    let message = json!({
        "messageId": "1", "body": reference.to_string(), "messageAttributes": {},
        "attributes": {"SentTimestamp": sent_at, "ApproximateReceiveCount": "1"},
    });
    let event = serde_json::from_value(json!({"Records": [message]})).unwrap();
    let response = function.handle(LambdaEvent::new(event, context)).await.unwrap();
    !response.batch_item_failures.is_empty()
}

/// Delivers it once, new. Whether it comes again.
async fn deliver_new(function: &StoreMediaFunction) -> bool {
    deliver(function, SignedDuration::ZERO).await
}

#[tokio::test]
async fn file_is_fetched_with_credentials_from_twilio_alone() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    assert!(!deliver_new(&function(&url).await).await);
    let path = format!("GET /2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{MEDIA}");
    assert_eq!(world.read(|world| world.requests.clone()), [(path, true), ("GET /storage".to_owned(), false)]);
    let stored = json!({
        "key": KEY, "content_type": "image/png", "bytes": PNG.len(), "sha256": sha256_hex(PNG),
    });
    assert_eq!(world.outcome(), json!({"stored": stored}));
    assert_eq!(world.read(|world| world.objects[KEY].clone()), ("image/png".to_owned(), PNG.len()));
}

#[tokio::test]
async fn largest_file_is_written_in_parts() {
    let mut bytes = vec![0; 16 * 1024 * 1024];
    bytes[..PNG.len()].copy_from_slice(PNG);
    let sha256 = sha256_hex(&bytes);
    let (world, url) = World::start(AtTwilio::Has(bytes.into())).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.outcome()["stored"]["sha256"], sha256);
    let parts: Vec<_> = world.read(|world| world.objects.values().map(|(_, bytes)| *bytes).collect());
    assert_eq!(parts, [5 << 20, 5 << 20, 5 << 20, 1 << 20]);
}

#[tokio::test]
async fn file_of_another_size_or_type_is_recorded_with_its_reason() {
    let large = vec![0x89; 17 * 1024 * 1024];
    let cases: [(&str, Bytes, &str); 4] = [
        ("image/png", Bytes::new(), "empty"),
        ("image/png", large.into(), "too_large"),
        ("application/pdf", Bytes::from_static(PNG), "type_mismatch"),
        ("text/vcard", Bytes::from_static(PNG), "type_mismatch"),
    ];
    for (claimed, bytes, reason) in cases {
        let (world, url) = World::start(AtTwilio::Has(bytes)).await;
        world.change(|world| world.claimed = claimed);
        assert!(!deliver_new(&function(&url).await).await, "{reason}: it never becomes another file");
        assert_eq!(world.reason(), reason);
        assert_eq!(world.read(|world| world.objects.len()), 0, "{reason}");
        if reason == "type_mismatch" {
            assert_eq!(world.outcome()["failed"]["content_type"], "image/png");
        }
    }
}

/// Only the bytes themselves say how many there are.
#[tokio::test]
async fn upload_of_a_file_that_is_too_large_is_abandoned() {
    let (world, url) = World::start(AtTwilio::Streams { megabytes: 17, is_endless: false }).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.reason(), "too_large");
    assert!(world.read(|world| world.objects.contains_key("aborted") && !world.objects.contains_key(KEY)));
}

#[tokio::test]
async fn upload_of_a_file_that_does_not_end_is_abandoned() {
    // A busy machine needs longer for the first part.
    for seconds in [2, 8] {
        let (world, url) = World::start(AtTwilio::Streams { megabytes: 6, is_endless: true }).await;
        let mut context = Context::default();
        let left = LOG_RESERVE + READ_RESERVE + Duration::from_secs(seconds);
        context.deadline = u64::try_from((Timestamp::now() + left).as_millisecond()).unwrap();
        assert!(deliver_in(&function(&url).await, SignedDuration::ZERO, context).await, "it comes again");
        assert_eq!(world.outcome(), Value::Null);
        let objects = world.read(|world| world.objects.keys().cloned().collect::<Vec<_>>());
        if !objects.is_empty() {
            assert_eq!(objects, ["aborted".to_owned(), format!("{KEY} 1")]);
            return;
        }
    }
    panic!("no part was written");
}

#[tokio::test]
async fn file_in_another_encoding_is_not_stored() {
    let (world, url) = World::start(AtTwilio::Encodes("gzip")).await;
    let function = function(&url).await;
    assert!(deliver_new(&function).await, "it comes again");
    assert!(!deliver(&function, job::UNAVAILABLE_FOR).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.objects.len())), ("unavailable", 0));
    world.change(|world| (world.at_twilio, world.item) = (AtTwilio::Encodes("Identity"), None));
    assert!(!deliver_new(&function).await);
    assert_eq!(world.outcome()["stored"]["sha256"], sha256_hex(PNG));
}

#[tokio::test]
async fn redirect_elsewhere_is_not_followed() {
    for elsewhere in ["https://127.0.0.1/a", "https://169.254.169.254/a", "http://example.com/a", "https://localhost/a"]
    {
        let (world, url) = World::start(AtTwilio::RedirectsTo(elsewhere.to_owned())).await;
        assert!(!deliver_new(&function(&url).await).await, "{elsewhere}");
        assert_eq!(world.reason(), "redirect", "{elsewhere}");
        assert_eq!(world.read(|world| world.requests.len()), 1);
    }
    let (world, url) = World::start(AtTwilio::RedirectsTo("/2010-04-01/again".to_owned())).await;
    world.change(|world| world.at_twilio = AtTwilio::RedirectsTo(world.url.clone()));
    assert!(deliver_new(&function(&url).await).await, "without credentials Twilio answers 401, which may pass");
}

#[tokio::test]
async fn url_that_is_not_twilios_is_not_requested() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    world.change(|world| world.url = "https://api.twilio.com/2010-04-01/a".to_owned());
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.requests.len())), ("foreign_url", 0));
}

#[tokio::test]
async fn file_that_twilio_lacks_at_first_is_stored() {
    let (world, url) = World::start(AtTwilio::LacksFor(2)).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.outcome()["stored"]["key"], KEY);
}

#[tokio::test]
async fn file_that_twilio_does_not_get_is_given_up_after_minutes() {
    let (world, url) = World::start(AtTwilio::LacksFor(usize::MAX)).await;
    let function = function(&url).await;
    assert!(deliver_new(&function).await, "it comes again");
    assert_eq!(world.outcome(), Value::Null);
    assert!(!deliver(&function, job::NOT_FOUND_FOR).await);
    assert_eq!(world.reason(), "not_found");
}

#[tokio::test]
async fn file_is_given_up_after_a_day_without_twilio() {
    let (world, url) = World::start(AtTwilio::Fails(StatusCode::SERVICE_UNAVAILABLE)).await;
    let function = function(&url).await;
    assert!(deliver(&function, SignedDuration::from_hours(23)).await);
    assert!(!deliver(&function, job::UNAVAILABLE_FOR).await);
    assert_eq!(world.reason(), "unavailable");
    assert!(world.outcome()["failed"]["detail"].as_str().unwrap().contains("503"));
}

#[tokio::test]
async fn credentials_that_twilio_refuses_give_no_file_up() {
    for refusal in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let (world, url) = World::start(AtTwilio::Fails(refusal)).await;
        assert!(deliver(&function(&url).await, SignedDuration::from_hours(48)).await, "the operator changes them");
        assert_eq!(world.outcome(), Value::Null, "{refusal}");
    }
}

#[tokio::test]
async fn broken_bucket_gives_no_file_up() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    world.change(|world| world.is_bucket_broken = true);
    let function = function(&url).await;
    assert!(deliver(&function, SignedDuration::from_hours(48)).await);
    assert_eq!(world.outcome(), Value::Null);
    world.change(|world| world.is_bucket_broken = false);
    assert!(!deliver(&function, SignedDuration::from_hours(49)).await);
    assert_eq!(world.outcome()["stored"]["key"], KEY);
}

#[tokio::test]
async fn second_delivery_fetches_nothing() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let function = function(&url).await;
    assert!(!deliver_new(&function).await && !deliver_new(&function).await);
    assert_eq!(world.read(|world| (world.requests.len(), world.puts)), (2, 1));
}

#[tokio::test]
async fn deletion_at_twilio_is_repeated_until_it_is_done() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    world.change(|world| world.deletion = StatusCode::SERVICE_UNAVAILABLE);
    assert!(deliver_new(&function).await, "it comes again");
    assert_eq!(world.outcome()["stored"]["key"], KEY, "the file is stored first");
    for answer in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        world.change(|world| world.deletion = answer);
        assert!(!deliver_new(&function).await, "{answer}");
    }
    let path = format!("DELETE /2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{MEDIA}.json");
    let deletions = world.read(|world| world.requests.iter().filter(|(request, _)| *request == path).count());
    assert_eq!(deletions, 3);
    assert_eq!(world.read(|world| world.puts), 1, "it was fetched and recorded once");
}

/// Two deliveries at the same time: the one that gave the file up was faster.
#[tokio::test]
async fn file_that_another_delivery_gave_up_stays_at_twilio() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    world.change(|world| world.is_item_late = true);
    world.change(|world| world.at_twilio = AtTwilio::LacksFor(usize::MAX));
    assert!(!deliver(&function, job::NOT_FOUND_FOR).await);
    world.change(|world| world.at_twilio = AtTwilio::Has(Bytes::from_static(PNG)));
    assert!(!deliver_new(&function).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.puts)), ("not_found", 2));
    assert!(world.read(|world| world.requests.iter().all(|(request, _)| request.starts_with("GET "))));
}

#[tokio::test]
async fn file_that_is_not_stored_stays_at_twilio() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(b"a lie"))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    assert!(!deliver_new(&function).await);
    assert_eq!(world.reason(), "type_mismatch");
    assert!(world.read(|world| world.requests.iter().all(|(request, _)| request.starts_with("GET "))));
}

#[tokio::test]
async fn contact_card_is_recorded_with_its_file() {
    let card = b"BEGIN:VCARD\nFN:Ada\nTEL;waid=14155550199:+14155550199\nEND:VCARD\n";
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(card))).await;
    world.change(|world| world.claimed = "text/x-vcard");
    assert!(!deliver_new(&function(&url).await).await);
    let stored = world.outcome()["stored"].clone();
    assert_eq!(stored["content_type"], "text/vcard");
    assert_eq!(stored["contacts"][0]["phones"][0]["wa_id"], "14155550199");
}
