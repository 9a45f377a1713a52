//! `wa templates sync`

use aws_sdk_cloudformation::Client;
use reqwest::Method;
use serde_json::Value;

use crate::{error::CommandError, lambda, session::Session};

/// The logical id of the function in `template.yaml`.
const FUNCTION: &str = "TemplateSyncFunction";

pub(super) async fn run(session: &Session) -> Result<(), CommandError> {
    let stack = session.stack().await?;
    let resources = Client::new(session.aws().await?).describe_stack_resource();
    let described = resources.stack_name(&stack.name).logical_resource_id(FUNCTION).send().await;
    let described = described.map_err(|error| CommandError::of_sdk("finding the function", error))?;
    let name = described.stack_resource_detail.and_then(|detail| detail.physical_resource_id);
    let name = name.ok_or_else(|| CommandError::not_found(format!("the stack {} has no {FUNCTION}", stack.name)))?;
    // What its schedule invokes, and not what a deployment is about to publish.
    let path = format!("/2015-03-31/functions/{name}/invocations?Qualifier=live");
    let words = ("reading Twilio's templates", "lambda:InvokeFunction");
    let report: Value = lambda::call(session, (Method::POST, &path), "{}", words).await?;
    // Lambda answers 200 also for a function that failed. Source: AWS Lambda API Reference, "Invoke".
    if let Some(error) = report.get("errorMessage").and_then(Value::as_str) {
        return Err(CommandError::no_answer(format!("{FUNCTION} failed: {error}")));
    }
    session.output.json(&report)
}
