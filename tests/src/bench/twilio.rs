//! A sandbox for one benchmark: no other program's messages count in its measurements and rate limits.

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use reqwest::StatusCode;
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, serve_on_free_port};
use serde::Deserialize;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID};

/// The sender whose pace is measured.
pub const SENDER: &str = "whatsapp:+14155238886";

/// A sandbox that is served until this value is dropped.
#[derive(Debug)]
pub struct BenchSandbox {
    /// Its base URL.
    pub url: String,
    http: reqwest::Client,
    _server: SandboxServer,
}

/// The response to a request to create a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreateResponse {
    Created,
    /// Too many requests (429).
    Refused,
}

/// How fast messages were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Rates {
    /// The number of messages created.
    pub messages: u32,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The most messages created within one second.
    pub busiest_second: u32,
}

impl Rates {
    /// Messages a second, on average.
    pub fn average(&self) -> f64 {
        let (Some(first), Some(last)) = (self.first_at, self.last_at) else { return 0.0 };
        f64::from(self.messages.saturating_sub(1)) / last.duration_since(first).as_secs_f64()
    }
}

impl BenchSandbox {
    /// Serves on a free port and posts no status callbacks: answering them would take processor time from what is
    /// measured.
    pub async fn start() -> Result<Self> {
        let server = serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await?;
        let twilio = Self { url: server.url.clone(), http: reqwest::Client::new(), _server: server };
        twilio.put("drops", &json!({"to_prefix": "", "fraction": 1})).await?;
        Ok(twilio)
    }

    /// Sets the sandbox's rate limits.
    pub async fn limit(&self, limits: &Value) -> Result<()> {
        self.put("limits", limits).await
    }

    async fn put(&self, what: &str, value: &Value) -> Result<()> {
        self.http.put(format!("{}/sandbox/{what}", self.url)).json(value).send().await?.error_for_status()?;
        Ok(())
    }

    /// How fast all messages were created.
    pub async fn rates(&self) -> Result<Rates> {
        let answer = self.http.get(format!("{}/sandbox/rates", self.url)).send().await?.error_for_status()?;
        answer.json().await.context("the sandbox's answer to GET /sandbox/rates has another form than expected")
    }

    /// Creates a message of the sender.
    pub(super) async fn create(&self, to: &str) -> Result<CreateResponse> {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", self.url);
        let form = [("From", SENDER), ("To", to), ("ContentSid", ORDER_UPDATE_SID)];
        let request = self.http.post(url).basic_auth(API_KEY_SID, Some(API_KEY_SECRET)).form(&form);
        match request.send().await?.status() {
            StatusCode::CREATED => Ok(CreateResponse::Created),
            StatusCode::TOO_MANY_REQUESTS => Ok(CreateResponse::Refused),
            status => bail!("the sandbox answered {status} to a message"),
        }
    }
}
