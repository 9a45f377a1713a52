//! Other accounts at the same stand-in for Twilio. Each has a sandbox with its own page, and Twilio has one API for all:
//! a call for the account of a neighbour is handed on to it.
//!
//! The account of a call is the one in its path, or the one whose SID or API key is the user of its credentials.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{config::Config, state::Sandbox};

/// The account of another sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// The SID of the account.
    pub account_sid: String,
    /// The SID of the account's API key.
    #[serde(skip)]
    pub api_key_sid: String,
    /// The account's WhatsApp sender.
    pub sender: String,
    /// Where its sandbox is served, as in `http://127.0.0.1:8081`.
    pub url: String,
}

impl Neighbour {
    /// The neighbour with this configuration.
    pub fn of(config: &Config, url: impl Into<String>) -> Self {
        Self {
            account_sid: config.account_sid.to_string(),
            api_key_sid: config.api_key_sid.clone(),
            sender: config.sender.clone(),
            url: url.into(),
        }
    }
}

/// More than any call of Twilio's API has.
const MAX_BODY: usize = 1024 * 1024;

/// Hands a call for the account of a neighbour on to it.
pub(crate) async fn hand_on(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    let neighbour = sandbox.config.neighbours.iter().find(|neighbour| is_for(neighbour, &request));
    let Some(neighbour) = neighbour else { return next.run(request).await };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", neighbour.url);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let client = sandbox.http.for_own_api();
    let headers = without_connection(&parts.headers);
    match client.request(parts.method, url).headers(headers).body(body).send().await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), without_connection(answer.headers()));
            match answer.bytes().await {
                Ok(body) => (status, headers, Body::from(body)).into_response(),
                Err(_) => StatusCode::BAD_GATEWAY.into_response(),
            }
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// The headers that belong to a message and not to one connection.
fn without_connection(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

fn is_for(neighbour: &Neighbour, request: &Request) -> bool {
    let in_path = request.uri().path().split('/').skip_while(|segment| *segment != "Accounts").nth(1);
    let in_path = in_path.map(|segment| segment.trim_end_matches(".json"));
    match in_path.filter(|segment| segment.starts_with("AC")) {
        Some(account_sid) => account_sid == neighbour.account_sid,
        None => {
            user(request.headers()).is_some_and(|user| user == neighbour.account_sid || user == neighbour.api_key_sid)
        }
    }
}

fn user(headers: &HeaderMap) -> Option<String> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let credentials = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    credentials.split_once(':').map(|(user, _)| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound;

    /// Where a request is redirected to.
    async fn location(url: &str, user: (&str, &str)) -> String {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = client.get(url).basic_auth(user.0, Some(user.1)).send().await.unwrap();
        assert!(answer.status().is_redirection(), "{url}: {}", answer.status());
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn file_of_a_neighbour_is_at_the_url_of_the_api() {
        let [own, other] = [listener().await, listener().await];
        let [api, other_url] = [&own, &other].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
        let mut second = Config::second(format!("{api}/nowhere"));
        second.api_url = Some(api.clone());
        let mut first = Config::documented(String::new());
        first.neighbours.push(Neighbour::of(&second, other_url.clone()));
        let (account, credentials) = (second.account_sid.clone(), second.api_key_sid.clone());
        let second = Sandbox::new(second);
        tokio::spawn(crate::serve(first, own));
        tokio::spawn(crate::serve(Arc::clone(&second), other));
        let http = reqwest::Client::new();
        let upload =
            http.post(format!("{other_url}/sandbox/files")).header("content-type", "image/png").body("picture");
        let file: serde_json::Value = upload.send().await.unwrap().json().await.unwrap();
        let sent = serde_json::json!({"from": "whatsapp:+14155550123", "media": [
            {"url": file["url"], "content_type": "image/png"},
        ]});
        let stored = inbound::store(&second, &serde_json::from_value(sent).unwrap());
        let url = stored.form.get("MediaUrl0").unwrap();
        assert!(url.starts_with(&format!("{api}/2010-04-01/Accounts/{account}/Messages/")), "{url}");
        let bytes = location(url, (&credentials, "second-secret")).await;
        assert!(bytes.starts_with(&format!("{api}/")), "{bytes}");
        assert_eq!(http.get(bytes).send().await.unwrap().text().await.unwrap(), "picture");
    }

    async fn listener() -> tokio::net::TcpListener {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    #[test]
    fn call_belongs_to_the_account_of_its_path_or_its_credentials() {
        let neighbour = Neighbour::of(&Config::second(String::new()), "http://127.0.0.1:9");
        let own = Config::documented(String::new());
        let request = |path: &str, user: &str| {
            let credentials = STANDARD.encode(format!("{user}:secret"));
            Request::builder()
                .uri(path)
                .header(AUTHORIZATION, format!("Basic {credentials}"))
                .body(Body::empty())
                .unwrap()
        };
        let messages = |account: &str| format!("/2010-04-01/Accounts/{account}/Messages.json");
        let (account, key) = (&neighbour.account_sid, &neighbour.api_key_sid);
        let file = format!("/sandbox/files/Accounts/{account}/ME00000000000000000000000000000001");
        assert!(is_for(&neighbour, &Request::builder().uri(file).body(Body::empty()).unwrap()), "without credentials");
        for (path, user, expected) in [
            (messages(account), key.as_str(), true),
            (messages(account), &own.api_key_sid, true),
            (messages(own.account_sid.as_str()), key, false),
            (format!("/2010-04-01/Accounts/{account}.json"), key, true),
            ("/v1/Services".to_owned(), key, true),
            ("/v1/Services".to_owned(), account, true),
            ("/v1/Services".to_owned(), &own.api_key_sid, false),
        ] {
            assert_eq!(is_for(&neighbour, &request(&path, user)), expected, "{path} {user}");
        }
    }
}
