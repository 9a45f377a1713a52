//! The Lambda Runtime API of one function: gives it events and accepts its responses.
//!
//! Source: AWS Lambda, "Using the Lambda runtime API for custom runtimes".

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// A Runtime API that is served until this value is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    /// The address for `AWS_LAMBDA_RUNTIME_API`.
    pub address: SocketAddr,
    events: mpsc::UnboundedSender<Bytes>,
    answers: mpsc::UnboundedReceiver<Bytes>,
    asked: mpsc::UnboundedReceiver<Instant>,
    _server: JoinSet<std::io::Result<()>>,
}

struct InvocationQueue {
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    answers: mpsc::UnboundedSender<Bytes>,
    asked: mpsc::UnboundedSender<Instant>,
}

impl RuntimeApi {
    /// Serves on a free port.
    pub async fn start() -> Result<Self> {
        let (events, handed_out) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let invocations = InvocationQueue { events: Mutex::new(handed_out), answers: answered, asked: asks };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
            .with_state(Arc::new(invocations));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router).await });
        Ok(Self { address, events, answers, asked, _server: server })
    }

    /// Waits until the function requests its first event.
    pub async fn asked(&mut self) -> Result<Instant> {
        self.asked.recv().await.context("the Runtime API has ended")
    }

    /// Invokes the function, and returns the time that it took and its response.
    pub async fn invoke(&mut self, event: &Bytes) -> Result<(Duration, Value)> {
        let start = Instant::now();
        self.events.send(event.clone())?;
        let answer = self.answers.recv().await.context("the Runtime API has ended")?;
        Ok((start.elapsed(), serde_json::from_slice(&answer)?))
    }
}

async fn next(State(invocations): State<Arc<InvocationQueue>>) -> (HeaderMap, Bytes) {
    let _ = invocations.asked.send(Instant::now());
    let event = invocations.events.lock().await.recv().await.unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert("lambda-runtime-aws-request-id", HeaderValue::from_static("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from_static("4102444800000"));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:bench";
    headers.insert("lambda-runtime-invoked-function-arn", HeaderValue::from_static(arn));
    (headers, event)
}

async fn answer(State(invocations): State<Arc<InvocationQueue>>, body: Bytes) {
    let _ = invocations.answers.send(body);
}
