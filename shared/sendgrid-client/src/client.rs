//! Calls to SendGrid's Web API.

use std::time::{Duration, Instant};

use futures::future::join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use twilio_types::base_url::BaseUrl;

use crate::{NewEmail, SendGridError, SentEmail, SuppressionList};

/// The host of the global region. Accounts of the European region use `https://api.eu.sendgrid.com`.
///
/// Source: Twilio SendGrid, "Web API v3", regions.
pub const DEFAULT_BASE_URL: &str = "https://api.sendgrid.com";

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for SendGrid's Web API. It uses the connections of an HTTP client that follows no redirects.
#[derive(Debug, Clone)]
pub struct SendGridClient {
    http: reqwest::Client,
    base_url: BaseUrl,
}

impl SendGridClient {
    pub fn new(http: reqwest::Client, base_url: BaseUrl) -> Self {
        Self { http, base_url }
    }

    /// Sends an e-mail. After [`SendGridError::Unknown`] it may have been accepted all the same: SendGrid has no idempotency key.
    pub async fn send(
        &self,
        key: &SecretString,
        email: &NewEmail,
        deadline: Instant,
    ) -> Result<SentEmail, SendGridError> {
        let request = self.http.post(self.base_url.join("/v3/mail/send")).json(&email.to_json());
        let response = call(request, key, deadline).await?;
        let message_id = response.headers().get("x-message-id").and_then(|value| value.to_str().ok());
        Ok(SentEmail { message_id: message_id.filter(|id| !id.is_empty()).map(str::to_owned) })
    }

    /// The list, of those that concern an e-mail of this unsubscribe group, that holds an address; none if none does. The
    /// lists are asked at the same time. What one of them says counts also if another one cannot be read.
    pub async fn suppression(
        &self,
        key: &SecretString,
        address: &str,
        group: Option<u32>,
        deadline: Instant,
    ) -> Result<Option<SuppressionList>, SendGridError> {
        let address = utf8_percent_encode(address, NON_ALPHANUMERIC).to_string();
        let lists: Vec<_> = SuppressionList::of(group).collect();
        let answers =
            join_all(lists.iter().map(async |list| self.get(&list.path(&address), key, deadline).await)).await;
        let mut failure = None;
        for (list, answer) in lists.into_iter().zip(answers) {
            match answer {
                Ok(answer) if list.holds_by(&answer) => return Ok(Some(list)),
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Reads a resource. One that does not exist is `null`.
    async fn get(&self, path: &str, key: &SecretString, deadline: Instant) -> Result<Value, SendGridError> {
        const NOT_FOUND: u16 = 404;
        let response = match call(self.http.get(self.base_url.join(path)), key, deadline).await {
            Err(SendGridError::Rejected(response)) if response.status == NOT_FOUND => return Ok(Value::Null),
            answered => answered?,
        };
        response.json().await.map_err(SendGridError::of_send)
    }
}

async fn call(request: RequestBuilder, key: &SecretString, deadline: Instant) -> Result<Response, SendGridError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(SendGridError::deadline_passed());
    }
    let request = request.timeout(REQUEST_TIMEOUT.min(left)).bearer_auth(key.expose_secret());
    let response = request.send().await.map_err(SendGridError::of_send)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    // Without its body the answer still has its status.
    let body = response.bytes().await.unwrap_or_default();
    Err(SendGridError::of_response(status, &headers, &body))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use axum::{Router, body::Bytes, http::HeaderMap, http::Uri};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::EmailSender;

    type Requests = Arc<Mutex<Vec<(String, String, String)>>>;

    /// A SendGrid that notes what it is asked, and answers all with this status and body.
    async fn sendgrid(status: u16, body: &'static str) -> (SendGridClient, Requests) {
        let requests = Requests::default();
        let noted = Arc::clone(&requests);
        let answer = move |uri: Uri, headers: HeaderMap, sent: Bytes| async move {
            let authorization = headers["authorization"].to_str().unwrap().to_owned();
            let sent = String::from_utf8(sent.to_vec()).unwrap();
            noted.lock().unwrap().push((uri.to_string(), authorization, sent));
            (axum::http::StatusCode::from_u16(status).unwrap(), [("X-Message-Id", "14c5d75ce93")], body)
        };
        (serve(Router::new().fallback(answer)).await, requests)
    }

    async fn serve(routes: Router) -> SendGridClient {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        SendGridClient::new(reqwest::Client::new(), url.parse().unwrap())
    }

    fn key() -> SecretString {
        "SG.key".into()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn email_is_sent_by_its_template() {
        let (client, requests) = sendgrid(202, "").await;
        let email = NewEmail {
            from: EmailSender { address: "orders@example.com".to_owned(), name: Some("Shop".to_owned()) },
            to: "ava@example.com".to_owned(),
            template_id: "d-1".to_owned(),
            variables: json!({"items": [1, 2]}).as_object().unwrap().clone(),
            unsubscribe_group: Some(7),
            custom_args: BTreeMap::from([("attempt".to_owned(), "0".to_owned())]),
        };
        let sent = client.send(&key(), &email, soon()).await.unwrap();
        assert_eq!(sent.message_id.as_deref(), Some("14c5d75ce93"));
        let (path, authorization, body) = requests.lock().unwrap().remove(0);
        assert_eq!((path.as_str(), authorization.as_str()), ("/v3/mail/send", "Bearer SG.key"));
        let expected = json!({
            "from": {"email": "orders@example.com", "name": "Shop"}, "template_id": "d-1", "asm": {"group_id": 7},
            "personalizations": [{"to": [{"email": "ava@example.com"}], "dynamic_template_data": {"items": [1, 2]},
                                  "custom_args": {"attempt": "0"}}],
        });
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn every_list_is_asked_and_one_that_holds_the_address_counts() {
        let (client, requests) = sendgrid(200, "[]").await;
        assert_eq!(client.suppression(&key(), "a+b@example.com", Some(7), soon()).await.unwrap(), None);
        let paths: Vec<_> = requests.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect();
        let escaped = "a%2Bb%40example%2Ecom";
        assert_eq!(paths.len(), 5);
        assert!(paths.iter().all(|path| path.ends_with(escaped)), "{paths:?}");
        let (client, requests) = sendgrid(200, r#"[{"email": "a@example.com"}]"#).await;
        let found = client.suppression(&key(), "a@example.com", None, soon()).await.unwrap();
        assert_eq!(found, Some(SuppressionList::Bounces));
        assert_eq!(requests.lock().unwrap().len(), 4);
        let (client, _) = sendgrid(404, "").await;
        assert_eq!(client.suppression(&key(), "a@example.com", None, soon()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn list_that_cannot_be_read_does_not_hide_another_one() {
        let answer = |uri: Uri| async move {
            let is_bounces = uri.path().starts_with("/v3/suppression/bounces/");
            let status = if is_bounces { 200 } else { 500 };
            (axum::http::StatusCode::from_u16(status).unwrap(), r#"[{"email": "a@example.com"}]"#)
        };
        let client = serve(Router::new().fallback(answer)).await;
        let found = client.suppression(&key(), "a@example.com", None, soon()).await.unwrap();
        assert_eq!(found, Some(SuppressionList::Bounces));
        let broken = serve(Router::new().fallback(|| async { axum::http::StatusCode::BAD_GATEWAY })).await;
        assert!(broken.suppression(&key(), "a@example.com", None, soon()).await.is_err(), "it is not known");
    }

    #[tokio::test]
    async fn nothing_is_sent_after_the_deadline() {
        let (client, requests) = sendgrid(200, "[]").await;
        let late = client.suppression(&key(), "a@example.com", None, Instant::now()).await;
        assert!(matches!(late, Err(SendGridError::NotDone { .. })), "{late:?}");
        assert_eq!(requests.lock().unwrap().len(), 0);
    }
}
