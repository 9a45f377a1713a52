//! Runs [`ApplyWebhooksFunction`] on Lambda.

use apply_webhooks::ApplyWebhooksFunction;
use lambda_runtime::{Error, run, service_fn};
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let starting = ApplyWebhooksFunction::from_env();
    let function = &start::cold_start(env!("CARGO_PKG_NAME"), starting).await?;
    run(service_fn(move |event| function.handle(event))).await
}
