//! Runs [`ReleaseFunction`] on Lambda.

use lambda_runtime::{Error, run, service_fn};
use release::ReleaseFunction;
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &ReleaseFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |event| function.handle(event))).await
}
