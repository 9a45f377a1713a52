//! The HTTP clients for webhooks and files.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// One client for each connect timeout, because it belongs to the client. Building one for each webhook would read the
/// certificates of the machine each time.
#[derive(Debug, Default)]
pub(crate) struct HttpClients(Mutex<HashMap<Duration, reqwest::Client>>);

impl HttpClients {
    /// The client that waits this long for a connection.
    pub(crate) fn with_connect_timeout(&self, timeout: Duration) -> reqwest::Client {
        let build = || reqwest::Client::builder().connect_timeout(timeout).build().unwrap_or_default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(timeout).or_insert_with(build).clone()
    }
}

pub(crate) fn is_http_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
