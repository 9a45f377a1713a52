//! The HTTP client for webhooks and files.

use std::time::Duration;

/// A client that waits this long for a connection.
pub(crate) fn with_connect_timeout(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().connect_timeout(timeout).build().unwrap_or_default()
}

pub(crate) fn is_http_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
