//! The cold start of a function: what its process does once, before the first event.
//!
//! It reads the environment and the secrets, builds the clients, and opens their connections, so that the first event
//! waits for no TLS handshake. A function that cannot start says why in the log, and its process ends.

use std::{error::Error, time::Instant};

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

/// Starts a function, and logs how long that lasted, or why it cannot start. The time does not include that in which Lambda
/// fetches the code and starts the process.
pub fn cold_start<F>(
    function: &'static str,
    start: impl Future<Output = Result<F, StartError>>,
) -> impl Future<Output = Result<F, StartError>> {
    let began = Instant::now();
    // On the heap, because it holds all that a function reads and builds at once.
    let start = Box::pin(start);
    async move {
        match start.await {
            Ok(started) => {
                let cold_start_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(function, cold_start_ms, "the function started");
                Ok(started)
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "the function cannot start");
                Err(error)
            }
        }
    }
}

/// Logs why a connection was not opened at the cold start. The first request opens it then.
pub fn log_warm_up<E: Error + 'static>(opened: Result<(), E>) {
    if let Err(error) = opened {
        tracing::warn!(error = %Chain(&error), "a connection was not opened at the cold start");
    }
}
