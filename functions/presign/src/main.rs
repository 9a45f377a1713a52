//! Runs [`PresignFunction`] on Lambda.

use lambda_http::{Error, run, service_fn};
use presign::PresignFunction;
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let starting = PresignFunction::from_env();
    let function = &start::cold_start(env!("CARGO_PKG_NAME"), starting).await?;
    run(service_fn(move |request| function.handle(request))).await
}
