//! Runs [`VerifyFunction`] on Lambda.

use lambda_http::{Error, run, service_fn};
use shared::{log, start};
use verify::VerifyFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &VerifyFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |request| function.handle(request))).await
}
