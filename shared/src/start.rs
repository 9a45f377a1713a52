//! What functions have in common at a cold start.

use std::error::Error;

use crate::report::Chain;

/// Logs why a connection could not be opened ahead of the first request, which then opens its own.
pub fn log_warm_up<E: Error + 'static>(opened: Result<(), E>) {
    if let Err(error) = opened {
        tracing::warn!(error = %Chain(&error), "connection not opened at the cold start");
    }
}
