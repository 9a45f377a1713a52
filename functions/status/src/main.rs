//! Runs [`status::Status`] on Lambda.

use lambda_runtime::{Error, run, service_fn, tracing};
use shared::report::Chain;
use status::Status;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let function =
        Status::from_env().await.inspect_err(|error| tracing::error!(error = %Chain(error), "cannot start"))?;
    let function = &function;
    run(service_fn(move |event| function.handle(event))).await
}
