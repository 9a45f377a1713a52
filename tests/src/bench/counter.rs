//! Counts requests on their way to the emulator of AWS.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::IntoResponse,
};
use tokio::net::TcpListener;

/// A proxy that counts what goes to `DynamoDB`.
#[derive(Debug)]
pub struct Counter {
    /// Where it is, instead of the emulator.
    pub url: String,
    count: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Shared {
    endpoint: String,
    http: reqwest::Client,
    count: Arc<AtomicU64>,
}

impl Counter {
    /// Passes everything on to this endpoint.
    pub async fn start(endpoint: &str) -> Result<Self> {
        let count = Arc::new(AtomicU64::new(0));
        let shared = Shared { endpoint: endpoint.to_owned(), http: reqwest::Client::new(), count: Arc::clone(&count) };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass_on).with_state(shared);
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, count })
    }

    /// Requests to `DynamoDB` so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

async fn pass_on(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let to_dynamodb = |value: &axum::http::HeaderValue| value.as_bytes().starts_with(b"DynamoDB_");
    if headers.get("x-amz-target").is_some_and(to_dynamodb) {
        shared.count.fetch_add(1, Ordering::SeqCst);
    }
    // The Host header stays: it is signed.
    let request = shared.http.request(method, format!("{}{uri}", shared.endpoint)).headers(headers).body(body);
    match request.send().await {
        Ok(answer) => (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap_or_default()),
        Err(_) => (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new()),
    }
}
