//! The HTTP clients for webhooks and files.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use reqwest::redirect::Policy;

/// One client for each connect timeout, because it belongs to the client, and one for calls of the sandbox's own API. Building
/// one for each request would read the certificates of the machine each time.
#[derive(Debug, Default)]
pub(crate) struct HttpClients {
    for_webhooks: Mutex<HashMap<Duration, reqwest::Client>>,
    for_own_api: OnceLock<reqwest::Client>,
}

impl HttpClients {
    /// The client that follows no redirect, so that the answer is the sandbox's own, or its neighbour's.
    pub(crate) fn for_own_api(&self) -> &reqwest::Client {
        let build = || reqwest::Client::builder().redirect(Policy::none()).build().unwrap_or_default();
        self.for_own_api.get_or_init(build)
    }

    /// The client that waits this long for a connection.
    pub(crate) fn with_connect_timeout(&self, timeout: Duration) -> reqwest::Client {
        let build = || reqwest::Client::builder().connect_timeout(timeout).build().unwrap_or_default();
        self.for_webhooks.lock().unwrap_or_else(PoisonError::into_inner).entry(timeout).or_insert_with(build).clone()
    }
}

pub(crate) fn is_http_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
