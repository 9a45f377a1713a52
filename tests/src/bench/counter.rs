//! Counts requests to the AWS emulator, or to the sandbox.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::HOST},
    response::IntoResponse,
};
use tokio::net::TcpListener;

/// A proxy that counts the requests that it forwards.
#[derive(Debug)]
pub struct Counter {
    /// The proxy's URL, to be used instead of the server's.
    pub url: String,
    count: Arc<AtomicU64>,
}

#[derive(Clone)]
struct CountingProxy {
    endpoint: String,
    http: reqwest::Client,
    counted: Counted,
    count: Arc<AtomicU64>,
}

/// Which requests are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    DynamoDb,
    Aws,
    Everything,
}

impl Counter {
    /// Forwards all requests to the emulator at this endpoint, and counts those to `DynamoDB`.
    pub async fn of_dynamodb(endpoint: &str) -> Result<Self> {
        Self::start(endpoint, Counted::DynamoDb).await
    }

    /// Forwards all requests to the emulator at this endpoint, and counts them.
    pub async fn of_aws(endpoint: &str) -> Result<Self> {
        Self::start(endpoint, Counted::Aws).await
    }

    /// Forwards all requests to the server at this endpoint, and counts them.
    pub async fn of_everything(endpoint: &str) -> Result<Self> {
        Self::start(endpoint, Counted::Everything).await
    }

    async fn start(endpoint: &str, counted: Counted) -> Result<Self> {
        let count = Arc::new(AtomicU64::new(0));
        let proxy = CountingProxy {
            endpoint: endpoint.to_owned(),
            http: reqwest::Client::new(),
            counted,
            count: Arc::clone(&count),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(forward).with_state(proxy);
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, count })
    }

    /// The number of requests so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

async fn forward(
    State(proxy): State<CountingProxy>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let to_dynamodb = |value: &axum::http::HeaderValue| value.as_bytes().starts_with(b"DynamoDB_");
    if proxy.counted != Counted::DynamoDb || headers.get("x-amz-target").is_some_and(to_dynamodb) {
        proxy.count.fetch_add(1, Ordering::SeqCst);
    }
    // For AWS the Host header stays, because it is signed. The sandbox accepts only its own host name.
    if proxy.counted == Counted::Everything {
        headers.remove(HOST);
    }
    let request = proxy.http.request(method, format!("{}{uri}", proxy.endpoint)).headers(headers).body(body);
    match request.send().await {
        Ok(answer) => (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap_or_default()),
        Err(_) => (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new()),
    }
}
