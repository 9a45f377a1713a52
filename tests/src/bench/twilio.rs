//! A stand-in for Twilio of a benchmark's own: what it measures is this benchmark's alone, and so are its limits.

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use reqwest::StatusCode;
use sandbox::{Config, ORDER_UPDATE_SID};
use serde::Deserialize;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID};
use tokio::{net::TcpListener, task::JoinHandle};

/// The sender whose pace is measured.
pub const SENDER: &str = "whatsapp:+14155238886";

/// A stand-in that lives as long as this value.
#[derive(Debug)]
pub struct Twilio {
    /// Where it is.
    pub url: String,
    http: reqwest::Client,
    serving: JoinHandle<std::io::Result<()>>,
}

/// What became of a request to create a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Created,
    /// Too many at a time.
    Refused,
}

/// How fast messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Rates {
    /// All of them.
    pub messages: u32,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The most in any one second.
    pub busiest_second: u32,
}

impl Rates {
    /// Messages a second, on average.
    pub fn average(&self) -> f64 {
        let (Some(first), Some(last)) = (self.first_at, self.last_at) else { return 0.0 };
        f64::from(self.messages.saturating_sub(1)) / last.duration_since(first).as_secs_f64()
    }
}

impl Drop for Twilio {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Twilio {
    /// Serves on a free port, and tells nobody what becomes of its messages: answering webhooks would take time of the
    /// processor from what is measured.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(sandbox::serve(Config::documented(format!("{url}/nobody")), listener));
        let twilio = Self { url, http: reqwest::Client::new(), serving };
        twilio.put("drops", &json!({"to_prefix": "", "fraction": 1})).await?;
        Ok(twilio)
    }

    /// Holds callers to these limits.
    pub async fn limit(&self, limits: &Value) -> Result<()> {
        self.put("limits", limits).await
    }

    async fn put(&self, what: &str, value: &Value) -> Result<()> {
        self.http.put(format!("{}/sandbox/{what}", self.url)).json(value).send().await?.error_for_status()?;
        Ok(())
    }

    /// How fast all messages came.
    pub async fn rates(&self) -> Result<Rates> {
        let answer = self.http.get(format!("{}/sandbox/rates", self.url)).send().await?.error_for_status()?;
        answer.json().await.context("the sandbox does not tell rates as it did")
    }

    /// Creates a message of the sender.
    pub(super) async fn create(&self, to: &str) -> Result<Answer> {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", self.url);
        let form = [("From", SENDER), ("To", to), ("ContentSid", ORDER_UPDATE_SID)];
        let request = self.http.post(url).basic_auth(API_KEY_SID, Some(API_KEY_SECRET)).form(&form);
        match request.send().await?.status() {
            StatusCode::CREATED => Ok(Answer::Created),
            StatusCode::TOO_MANY_REQUESTS => Ok(Answer::Refused),
            status => bail!("the sandbox answered {status} to a message"),
        }
    }
}
