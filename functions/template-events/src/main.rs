//! Runs [`TemplateEventsFunction`] on Lambda.

use lambda_http::{Error, lambda_runtime::run, service_fn};
use shared::{log, start};
use template_events::TemplateEventsFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let function = &TemplateEventsFunction::from_env().await.inspect_err(start::log_failure)?;
    run(service_fn(move |event| function.handle(event))).await
}
