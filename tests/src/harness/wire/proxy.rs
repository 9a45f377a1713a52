//! One of the two proxies: it forwards requests, and asks the line what happens to each.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::HOST},
    response::{IntoResponse as _, Response},
};
use stack::Stack;

use super::{Line, Side};
use crate::harness::outages::AwsService;

pub(super) struct Proxy {
    pub(super) target: String,
    pub(super) names: Names,
    pub(super) http: reqwest::Client,
    pub(super) line: Arc<Line>,
}

pub(super) async fn forward(
    State(proxy): State<Arc<Proxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let operation = proxy.names.operation(&method, &uri, &headers, &body);
    let service = AwsService::of(&headers);
    proxy.line.pass(&operation, Side::Before, &body).await;
    if let Some(fault) = proxy.line.fault(service, &operation, Side::Before) {
        proxy.line.in_flight.send_modify(|count| *count -= 1);
        return fault.response(&body).await;
    }
    if let Some(refusal) = proxy.line.refusal(&operation, Side::Before) {
        proxy.line.in_flight.send_modify(|count| *count -= 1);
        return refusal.response(&body).into_response();
    }
    let proxy_of_task = Arc::clone(&proxy);
    let forwarded = body.clone();
    // A separate task, so that the request completes even if the process that sent it is killed.
    let answered = tokio::spawn(async move {
        let answer = proxy_of_task.send(method, &uri, headers, forwarded).await;
        proxy_of_task.line.in_flight.send_modify(|count| *count -= 1);
        answer
    });
    let answer = answered.await.unwrap_or_else(|_| bad_gateway());
    proxy.line.pass(&operation, Side::After, &body).await;
    if let Some(fault) = proxy.line.fault(service, &operation, Side::After) {
        return fault.response(&body).await;
    }
    let refusal = proxy.line.refusal(&operation, Side::After);
    refusal.map_or(answer, |refusal| refusal.response(&body)).into_response()
}

fn bad_gateway() -> (StatusCode, HeaderMap, Bytes) {
    (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new())
}

impl Proxy {
    async fn send(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        // For AWS the Host header stays, because it is signed. The sandbox accepts only its own host name.
        if matches!(self.names, Names::OfTwilio) {
            headers.remove(HOST);
        }
        let request = self.http.request(method, format!("{}{uri}", self.target)).headers(headers).body(body);
        match request.send().await {
            Ok(answer) => (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap_or_default()),
            Err(_) => bad_gateway(),
        }
    }
}

/// How a proxy names requests.
#[derive(Debug)]
pub(super) enum Names {
    /// By the action, and the tables in the body. A request to S3 has no action.
    OfAws(Vec<(&'static str, String)>),
    /// By the method, and the path after the account.
    OfTwilio,
}

impl Names {
    pub(super) fn of_aws(stack: &Stack) -> Self {
        let outputs = &stack.outputs;
        let tables = [
            ("Contacts", &outputs.contacts_table_name),
            ("Messages", &outputs.messages_table_name),
            ("Notifications", &outputs.notifications_table_name),
            ("RateLimits", &outputs.rate_limits_table_name),
            ("Templates", &outputs.templates_table_name),
        ];
        Self::OfAws(tables.map(|(name, table)| (name, table.clone())).to_vec())
    }

    pub(super) fn operation(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> String {
        match self {
            Self::OfAws(tables) => {
                let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
                let action = target.rsplit('.').next().unwrap_or_default();
                if target.is_empty() {
                    return format!("{method} object");
                }
                let body = String::from_utf8_lossy(body);
                let named = tables.iter().filter(|(_, table)| body.contains(table.as_str()));
                let named: Vec<_> = named.map(|(name, _)| *name).collect();
                if named.is_empty() { action.to_owned() } else { format!("{action} of {}", named.join(" and ")) }
            }
            Self::OfTwilio => {
                let path = uri.path();
                let below = path.strip_prefix("/2010-04-01/Accounts/").and_then(|path| Some(path.split_once('/')?.1));
                format!("{method} {}", below.unwrap_or(path))
            }
        }
    }
}
