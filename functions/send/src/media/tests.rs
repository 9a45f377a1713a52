use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use axum::{Router, extract::Request, http::Method};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    media_domain::LinkKeyPair,
    secrets::{AgedSecret, SecretMaxAge},
};
use tokio::net::TcpListener;
use twilio_types::{limits::VALIDITY_PERIOD_SECONDS, media::MediaChannel};

use super::*;

const FUNCTION: &str = "ASIAFUNCTION";

/// A bucket that answers by the method and the access key of a request.
struct Bucket {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Bucket {
    async fn new(status: fn(&Method, &str) -> u16) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let url = serve(move |request: Request| {
            let url = url::Url::parse(&format!("http://s3{}", request.uri())).unwrap();
            let credential = url.query_pairs().find(|(name, _)| name == "X-Amz-Credential").unwrap().1.into_owned();
            let (access_key, _) = credential.split_once('/').unwrap();
            seen.lock().unwrap().push(format!("{} {access_key}", request.method()));
            let answer = axum::http::Response::builder().status(status(request.method(), access_key));
            answer.header("content-type", "image/png").body("a picture".to_owned()).unwrap()
        })
        .await;
        Self { url, requests }
    }

    fn files(&self, signer: MediaSigner) -> MediaFiles {
        MediaFiles {
            http: Client::new(),
            bucket: MediaBucket::at_endpoint(&self.url, "media", "us-east-1".to_owned()),
            credentials: credentials(FUNCTION),
            signer,
            domain: None,
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(answer: impl Fn(Request) -> axum::http::Response<String> + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(move |request: Request| async move { answer(request) });
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

fn credentials(access_key: &str) -> Credentials {
    Credentials::new(access_key, "not-a-secret", None, None, "test")
}

fn function() -> MediaSigner {
    MediaSigner::Function(credentials(FUNCTION))
}

/// A user whose secret has these access keys, one after another.
async fn user(keys: &[&str]) -> MediaSigner {
    let keys = keys.iter().map(|key| json!({"access_key_id": key, "secret_access_key": "hidden"}));
    MediaSigner::User(secret(keys.collect()).await)
}

/// A secret with these contents, one after another.
async fn secret<T: DeserializeOwned + Send + Sync>(contents: Vec<Value>) -> AgedSecret<T> {
    let contents = contents.iter().map(Value::to_string);
    let answers = contents.map(|content| json!({"ARN": "arn", "Name": "signer", "SecretString": content}).to_string());
    let answers = Arc::new(Mutex::new(answers.collect::<Vec<_>>().into_iter()));
    let url = serve(move |_| axum::http::Response::new(answers.lock().unwrap().next().unwrap_or_default())).await;
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials(FUNCTION));
    let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
    AgedSecret::load(client, "signer".to_owned(), SecretMaxAge::default()).await.unwrap()
}

/// A media domain that answers links of the key `KNEW` with a file, and whose secret has these keys, one after another.
async fn domain(keys: &[&str]) -> MediaDomain {
    let url = serve(|request: Request| {
        let is_known = request.uri().query().is_some_and(|query| query.contains("&Key-Pair-Id=KNEW&"));
        let answer = axum::http::Response::builder().status(if is_known { 206 } else { 403 });
        answer.body("a".to_owned()).unwrap()
    })
    .await;
    let keys = keys.iter().map(|key| {
        let private_key = LinkKeyPair::generate().unwrap().private_key().unwrap();
        json!({"signing": {"key_pair_id": key, "private_key": private_key.expose_secret()}})
    });
    MediaDomain::new(url.parse().unwrap(), secret(keys.collect()).await)
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// A message over WhatsApp, before its first file.
fn no_files() -> MessageFiles {
    MessageFiles::new(MediaChannel::WhatsApp)
}

async fn link(files: &MediaFiles) -> Result<String, MediaError> {
    files.link(&"a.png".parse().unwrap(), &mut no_files(), deadline()).await.map(|link| link.url)
}

#[tokio::test]
async fn file_is_looked_at_by_the_function_and_by_its_link() {
    let bucket = Bucket::new(|_, _| 200).await;
    let link = link(&bucket.files(user(&["AKIAUSER"]).await)).await.unwrap();
    assert!(link.contains("X-Amz-Credential=AKIAUSER"), "{link}");
    assert_eq!(bucket.requests(), ["HEAD ASIAFUNCTION", "GET AKIAUSER"]);
}

#[tokio::test]
async fn missing_file_is_refused_by_its_name() {
    let bucket = Bucket::new(|_, _| 404).await;
    let refused = link(&bucket.files(function())).await.unwrap_err();
    assert!(matches!(&refused, MediaError::Invalid(reason) if reason.contains("none of this key")), "{refused:?}");
    assert_eq!(bucket.requests(), ["HEAD ASIAFUNCTION"]);
}

#[tokio::test]
async fn file_that_the_function_may_not_see_is_not_sent() {
    let bucket = Bucket::new(|method, _| if method == Method::HEAD { 403 } else { 200 }).await;
    let unclear = link(&bucket.files(function())).await.unwrap_err();
    assert!(matches!(unclear, MediaError::Look(StatusCode::FORBIDDEN)), "{unclear:?}");
}

#[tokio::test]
async fn failure_of_s3_is_asked_again_and_then_not_sent() {
    let bucket = Bucket::new(|_, _| 503).await;
    let unclear = link(&bucket.files(function())).await.unwrap_err();
    assert!(matches!(unclear, MediaError::Unavailable(StatusCode::SERVICE_UNAVAILABLE)), "{unclear:?}");
    assert_eq!(bucket.requests().len(), 2);
}

#[tokio::test]
async fn unreachable_bucket_is_named_without_its_signed_url() {
    let files = MediaFiles {
        bucket: MediaBucket::at_endpoint("http://127.0.0.1:9", "media", "us-east-1".to_owned()),
        ..Bucket::new(|_, _| 200).await.files(function())
    };
    let unclear = link(&files).await.unwrap_err();
    let shown = format!("{} {unclear:?}", shared::report::Chain(&unclear));
    assert!(matches!(unclear, MediaError::NoAnswer(Some(_))) && !shown.contains("X-Amz"), "{shown}");
}

#[tokio::test]
async fn link_that_nobody_can_fetch_is_not_sent() {
    let bucket = Bucket::new(|method, _| if method == Method::GET { 403 } else { 200 }).await;
    let unclear = link(&bucket.files(function())).await.unwrap_err();
    assert!(matches!(unclear, MediaError::Link(StatusCode::FORBIDDEN)), "{unclear:?}");
}

#[tokio::test]
async fn replaced_user_key_is_read_when_the_old_one_is_refused() {
    let bucket = Bucket::new(|_, access_key| if access_key == "AKIAOLD" { 403 } else { 200 }).await;
    let files = bucket.files(user(&["AKIAOLD", "AKIANEW"]).await);
    for _ in 0..2 {
        let link = link(&files).await.unwrap();
        assert!(link.contains("X-Amz-Credential=AKIANEW"), "{link}");
    }
    let by_link: Vec<_> = bucket.requests().into_iter().filter(|request| request.starts_with("GET")).collect();
    assert_eq!(by_link, ["GET AKIAOLD", "GET AKIANEW", "GET AKIANEW"]);
}

#[tokio::test]
async fn refused_user_key_that_was_not_replaced_is_not_sent() {
    let bucket = Bucket::new(|_, access_key| if access_key == "AKIAOLD" { 403 } else { 200 }).await;
    let files = bucket.files(user(&["AKIAOLD", "AKIAOLD"]).await);
    for _ in 0..2 {
        let unclear = link(&files).await.unwrap_err();
        assert!(matches!(unclear, MediaError::Link(StatusCode::FORBIDDEN)), "{unclear:?}");
    }
}

#[tokio::test]
async fn link_on_the_media_domain_lasts_as_long_as_any_message() {
    let bucket = Bucket::new(|_, _| 200).await;
    let files = MediaFiles { domain: Some(domain(&["KNEW"]).await), ..bucket.files(function()) };
    let link = files.link(&"a.png".parse().unwrap(), &mut no_files(), deadline()).await.unwrap();
    assert!(link.url.contains("/a.png?Expires=") && link.url.contains("&Key-Pair-Id=KNEW&"), "{}", link.url);
    assert_eq!(link.longest_validity.as_secs(), i64::from(*VALIDITY_PERIOD_SECONDS.end()));
    assert_eq!(bucket.requests(), ["HEAD ASIAFUNCTION"], "the link does not lead to S3");
}

#[tokio::test]
async fn new_key_of_the_domain_is_read_when_the_old_one_is_refused() {
    let bucket = Bucket::new(|_, _| 200).await;
    let files = MediaFiles { domain: Some(domain(&["KOLD", "KNEW"]).await), ..bucket.files(function()) };
    for _ in 0..2 {
        let link = link(&files).await.unwrap();
        assert!(link.contains("&Key-Pair-Id=KNEW&"), "{link}");
    }
}

#[tokio::test]
async fn link_that_the_media_domain_refuses_is_not_sent() {
    let bucket = Bucket::new(|_, _| 200).await;
    let files = MediaFiles { domain: Some(domain(&["KOLD", "KOLD"]).await), ..bucket.files(function()) };
    for _ in 0..2 {
        let unclear = link(&files).await.unwrap_err();
        assert!(matches!(unclear, MediaError::DomainLink(StatusCode::FORBIDDEN)), "{unclear:?}");
    }
}

#[tokio::test]
async fn link_leads_to_s3_until_the_domain_has_a_key() {
    let bucket = Bucket::new(|_, _| 200).await;
    let without_key = MediaDomain::new("http://127.0.0.1:9".parse().unwrap(), secret(vec![json!({})]).await);
    let files = MediaFiles { domain: Some(without_key), ..bucket.files(user(&["AKIAUSER"]).await) };
    let link = link(&files).await.unwrap();
    assert!(link.contains("X-Amz-Credential=AKIAUSER"), "{link}");
}

#[test]
fn size_and_type_of_a_file_are_those_of_its_headers() {
    let headers = |all: &[(HeaderName, &'static str)]| -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    };
    let check = |headers: &HeaderMap| check(headers, &mut no_files());
    assert!(check(&headers(&[(CONTENT_TYPE, "image/png"), (CONTENT_LENGTH, "99")])).is_ok());
    for wrong in [
        [(CONTENT_TYPE, "image/png"), (CONTENT_LENGTH, "5242881")],
        [(CONTENT_TYPE, "text/html"), (CONTENT_LENGTH, "1")],
    ] {
        assert!(matches!(check(&headers(&wrong)), Err(MediaError::Invalid(_))), "{wrong:?}");
    }
    for unclear in [
        &[(CONTENT_TYPE, "image/png")][..],
        &[(CONTENT_LENGTH, "99")],
        &[(CONTENT_TYPE, "image/png"), (CONTENT_LENGTH, "?")],
    ] {
        assert!(matches!(check(&headers(unclear)), Err(MediaError::NoAnswer(None))), "{unclear:?}");
    }
}
