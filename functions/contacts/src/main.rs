//! Runs [`contacts::ContactsFunction`] on Lambda.

use contacts::ContactsFunction;
use lambda_http::{Error, run, service_fn};
use shared::report::Chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let function = ContactsFunction::from_env()
        .await
        .inspect_err(|error| tracing::error!(error = %Chain(error), "cannot start"))?;
    let function = &function;
    run(service_fn(move |request| function.handle(request))).await
}
