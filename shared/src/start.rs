//! The cold start of a function: what its process does once, before the first event.
//!
//! It reads the environment and the secrets, builds the clients, and opens their connections, so that the first event
//! waits for no TLS handshake. A function that cannot start says why in the log, and its process ends.

use std::error::Error;

use twilio_client::HttpClientError;

use crate::{env::EnvError, queues::QueueError, report::Chain, secrets::SecretsError, tenants::TenantsError};

/// A function cannot start. The operator must act.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An environment variable is missing or wrong.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The tenants document cannot be read.
    #[error(transparent)]
    Tenants(#[from] TenantsError),
    /// The dead-letter queue cannot be found.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The HTTP client for Twilio cannot be built: the machine has no usable TLS.
    #[error(transparent)]
    Twilio(#[from] HttpClientError),
    /// Another HTTP client cannot be built, for the same reason.
    #[error("an HTTP client cannot be built")]
    HttpClient(#[source] Box<dyn Error + Send + Sync>),
}

/// Logs why the function cannot start.
pub fn log_failure(error: &StartError) {
    tracing::error!(error = %Chain(error), "the function cannot start");
}

/// Logs why a connection was not opened at the cold start. The first request opens it then.
pub fn log_warm_up<E: Error + 'static>(opened: Result<(), E>) {
    if let Err(error) = opened {
        tracing::warn!(error = %Chain(&error), "a connection was not opened at the cold start");
    }
}
