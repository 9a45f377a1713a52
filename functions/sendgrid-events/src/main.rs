//! Runs [`SendGridEventsFunction`] on Lambda.

use lambda_http::{Error, lambda_runtime::run, service_fn};
use sendgrid_events::SendGridEventsFunction;
use shared::{log, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &SendGridEventsFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |event| function.handle(event))).await
}
