//! Runs [`PresignFunction`] on Lambda.

use lambda_http::{Error, run, service_fn};
use presign::PresignFunction;
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &PresignFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |request| function.handle(request))).await
}
