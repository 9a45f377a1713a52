//! Runs [`inbound::InboundFunction`] on Lambda.

use inbound::InboundFunction;
use lambda_http::{Error, lambda_runtime::run, service_fn};
use shared::report::Chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let function = InboundFunction::from_env()
        .await
        .inspect_err(|error| tracing::error!(error = %Chain(error), "cannot start"))?;
    let function = &function;
    run(service_fn(move |event| function.handle(event))).await
}
