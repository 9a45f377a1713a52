//! A Twilio that has a redirect, like the real one, and an AWS that remembers what it is given.

use std::{
    collections::BTreeMap,
    convert::Infallible,
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
use domain::account_settings::AccountSettings;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use shared::{
    secrets::{SecretMaxAge, Secrets},
    tenants::TenantCache,
    twilio::TwilioAccounts,
};
use stores::messages::Messages;
use tokio::net::TcpListener;
use twilio_client::TwilioClient;

use crate::{StoreMediaFunction, fetch::MediaFetcher, uploads::MediaUploads};

pub(super) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(super) const MESSAGE: &str = "MM00000000000000000000000000000001";
pub(super) const MEDIA: &str = "ME00000000000000000000000000000001";
pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the picture";
pub(super) const KEY: &str = "inbound/AC00000000000000000000000000000001/MM00000000000000000000000000000001/0";

/// What Twilio does with requests for the file.
#[derive(Clone)]
pub(super) enum AtTwilio {
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
pub(super) struct World(Arc<Mutex<Remembered>>);

pub(super) struct Remembered {
    pub(super) at_twilio: AtTwilio,
    /// What Twilio answers to deletions.
    pub(super) deletion: StatusCode,
    /// The path of each request to Twilio, and whether it had credentials.
    pub(super) requests: Vec<(String, bool)>,
    pub(super) claimed: &'static str,
    pub(super) url: String,
    pub(super) item: Option<Value>,
    pub(super) puts: usize,
    /// The objects and the parts by their paths: type and bytes.
    pub(super) objects: BTreeMap<String, (String, usize)>,
    pub(super) is_bucket_broken: bool,
    /// Whether a read does not have the item yet, as one that was a moment before the write.
    pub(super) is_item_late: bool,
}

impl World {
    pub(super) async fn start(at_twilio: AtTwilio) -> (Self, String) {
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

    pub(super) fn change(&self, change: impl FnOnce(&mut Remembered)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Remembered) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// The outcome in the item.
    pub(super) fn outcome(&self) -> Value {
        self.read(|world| world.item.as_ref().map_or(Value::Null, |item| plain(&item["outcome"])))
    }

    pub(super) fn reason(&self) -> String {
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

pub(super) async fn function(url: &str) -> StoreMediaFunction {
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
