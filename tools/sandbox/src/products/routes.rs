//! The routes of all of Twilio's products on one listener: products are distinguished by path, and also by the Host header
//! where a client keeps Twilio's.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
        header::{CONTENT_TYPE, HOST},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

use crate::{
    alerts, api, api_error::ApiError, api_keys, auth_tokens, content, event_streams, senders, services, state::Sandbox,
    studio, typing, verify,
};

/// The subdomain of each of Twilio's products, and its paths.
const HOSTS: [(&str, &[&str]); 9] = [
    ("api", &["/2010-04-01"]),
    (
        "content",
        &["/v1/Content", "/v1/ContentAndApprovals", "/v1/LegacyContent", "/v2/Content", "/v2/ContentAndApprovals"],
    ),
    ("verify", &["/v2/Services"]),
    ("studio", &["/v2/Flows"]),
    ("messaging", &["/v1/Services", "/v2/Channels", "/v2/Indicators", "/v3/Indicators"]),
    ("accounts", &["/v1/AuthTokens"]),
    ("iam", &["/v1/Keys"]),
    ("monitor", &["/v1/Alerts"]),
    ("events", &["/v1/Sinks", "/v1/Subscriptions", "/v1/Types", "/v1/Schemas"]),
];

pub(crate) fn routes(sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
    Router::new()
        .merge(api::routes())
        .merge(content::api::routes())
        .merge(event_streams::api::routes())
        .merge(services::api::routes())
        .merge(senders::api::routes())
        .merge(typing::routes())
        .merge(auth_tokens::api::routes())
        .merge(api_keys::api::routes())
        .merge(alerts::api::routes())
        .merge(verify::api::routes())
        .merge(studio::api::routes())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(sandbox), answer))
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::not_found(uri.path())
}

/// Adds Twilio's headers to an answer, and answers 404 where the host is that of another product.
async fn answer(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    let begin = std::time::Instant::now();
    let path = request.uri().path().to_owned();
    let host = product_of_path(&path).unwrap_or("api");
    let concurrent = OpenCall::begin(&sandbox);
    let mut response = if is_of_another_product(request.headers(), &path) {
        ApiError::not_found(&path).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let values = [
        ("twilio-request-id", format!("RQ{}", uuid::Uuid::new_v4().simple())),
        ("twilio-request-duration", format!("{:.3}", begin.elapsed().as_secs_f64())),
        ("twilio-concurrent-requests", concurrent.others.to_string()),
        ("x-home-region", "us1".to_owned()),
        ("x-api-domain", format!("{host}.twilio.com")),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if headers.get(CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"Twilio API\"");
        response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, realm);
    }
    response
}

/// Counts a call, until it is answered or the caller closes the connection.
struct OpenCall {
    sandbox: Arc<Sandbox>,
    others: usize,
}

impl OpenCall {
    fn begin(sandbox: &Arc<Sandbox>) -> Self {
        Self { sandbox: Arc::clone(sandbox), others: sandbox.products.open_calls.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.sandbox.products.open_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the Host header is Twilio's, but that of a product without this path.
fn is_of_another_product(headers: &HeaderMap, path: &str) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let Some(labels) = name.strip_suffix(".twilio.com") else { return false };
    // `{product}.twilio.com` or `{product}.{edge}.{region}.twilio.com`.
    labels.split('.').next() != product_of_path(path)
}

fn product_of_path(path: &str) -> Option<&'static str> {
    let answers = |prefix: &&str| {
        path.strip_prefix(*prefix).is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    };
    HOSTS.iter().find(|(_, prefixes)| prefixes.iter().any(answers)).map(|(host, _)| *host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twilio_host_answers_the_paths_of_its_product_only() {
        let cases = [
            ("127.0.0.1:8080", "/v1/Content", false),
            ("content.twilio.com", "/v1/Content", false),
            ("Content.Twilio.com:8080", "/v1/Content/HX1", false),
            ("api.dublin.ie1.twilio.com", "/2010-04-01/Accounts/AC1/Messages.json", false),
            ("api.twilio.com", "/v1/Content", true),
            ("content.twilio.com", "/v1/ContentAndMore", true),
            ("messaging.twilio.com", "/v1/Services/MG1", false),
            ("messaging.twilio.com", "/v2/Services/VA1", true),
            ("verify.twilio.com", "/v2/Services/VA1", false),
            ("lookups.twilio.com", "/2010-04-01/Accounts", true),
            ("iam.twilio.com", "/v1/Keys/SK1", false),
            ("monitor.twilio.com", "/v1/Alerts", false),
            ("api.twilio.com", "/v1/Alerts", true),
            ("example.com", "/2010-04-01/Accounts", false),
        ];
        for (host, path, refused) in cases {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_of_another_product(&headers, path), refused, "{host}{path}");
        }
    }
}
