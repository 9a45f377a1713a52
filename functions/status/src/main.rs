//! Runs [`status::StatusFunction`] on Lambda.

use lambda_http::{Error, lambda_runtime::run, service_fn};
use shared::report::Chain;
use status::StatusFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let function =
        StatusFunction::from_env().await.inspect_err(|error| tracing::error!(error = %Chain(error), "cannot start"))?;
    let function = &function;
    run(service_fn(move |event| function.handle(event))).await
}
