//! Runs [`StoreMediaFunction`] on Lambda.

use lambda_runtime::{Error, run, service_fn};
use shared::{log, start};
use store_media::StoreMediaFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &StoreMediaFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |event| function.handle(event))).await
}
