//! Runs [`publish::PublishFunction`] on Lambda.

use lambda_runtime::{Error, run, service_fn};
use publish::PublishFunction;
use shared::report::Chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let function = PublishFunction::from_env()
        .await
        .inspect_err(|error| tracing::error!(error = %Chain(error), "cannot start"))?;
    let function = &function;
    run(service_fn(move |event| function.handle(event))).await
}
