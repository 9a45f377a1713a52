//! Runs [`ReleaseFunction`] on Lambda.

use lambda_runtime::{Error, run, service_fn};
use release::ReleaseFunction;
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let starting = ReleaseFunction::from_env();
    let function = &start::cold_start(env!("CARGO_PKG_NAME"), starting).await?;
    run(service_fn(move |event| function.handle(event))).await
}
