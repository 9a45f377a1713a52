//! Checks whether Twilio can reach the stack, through the tunnel from a public URL to this machine.

use std::{fmt, time::Duration};

use anyhow::Result;
use twilio_types::base_url::BaseUrl;

const TIMEOUT: Duration = Duration::from_secs(10);
/// A webhook's function answers a request without a signature with this status and this text in the body.
const REFUSAL_STATUS: u16 = 403;
const REFUSAL_TEXT: &str = "X-Twilio-Signature";

/// Where a public URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tunnel {
    /// To a stack.
    Here,
    /// To another server, which answered with this HTTP status.
    Elsewhere(u16),
    /// To no server: the request was not answered.
    Nowhere,
}

impl Tunnel {
    /// Calls the webhook without a signature. Only a stack refuses this with its own message.
    pub async fn probe(public_base_url: &BaseUrl) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        let Ok(answer) = client.post(public_base_url.join("/twilio/inbound")).send().await else {
            return Ok(Self::Nowhere);
        };
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        Ok(if status == REFUSAL_STATUS && body.contains(REFUSAL_TEXT) { Self::Here } else { Self::Elsewhere(status) })
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("it does"),
            Self::Elsewhere(status) => {
                write!(f, "it does not yet: another server answers there, with HTTP status {status}")
            }
            Self::Nowhere => f.write_str("it does not yet: no server answers there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode};

    use super::*;

    async fn probed(status: StatusCode, body: &'static str) -> Tunnel {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(async move || (status, body));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let tunnel = Tunnel::probe(&url).await.unwrap();
        serving.abort();
        tunnel
    }

    #[tokio::test]
    async fn tunnel_leads_here_only_if_a_stack_answers() {
        let missing = twilio_webhook::signature::SignatureError::Missing.to_string().leak();
        assert_eq!(probed(StatusCode::FORBIDDEN, missing).await, Tunnel::Here);
        assert_eq!(probed(StatusCode::FORBIDDEN, "go away").await, Tunnel::Elsewhere(403));
        assert_eq!(probed(StatusCode::NOT_FOUND, "").await, Tunnel::Elsewhere(404));
        assert_eq!(Tunnel::probe(&"http://127.0.0.1:1".parse().unwrap()).await.unwrap(), Tunnel::Nowhere);
    }
}
