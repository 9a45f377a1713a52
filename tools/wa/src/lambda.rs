//! Requests to AWS Lambda. The SDK's client for Lambda is one of its largest, so these few requests are signed by hand.

use aws_types::SdkConfig;
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::{
    error::CommandError,
    session::Session,
    signed_request::{UnsignedCall, signature},
};

/// Calls a path of Lambda's API. `what` is what is tried, as in `reading the account's concurrency`, and `permission` is the one
/// that it needs.
pub async fn call<T: DeserializeOwned>(
    session: &Session,
    (method, path): (Method, &str),
    body: &'static str,
    (what, permission): (&str, &str),
) -> Result<T, CommandError> {
    let failed = |why: String| CommandError::no_answer(format!("{what}: {why}"));
    let config = session.aws().await?;
    let url = format!("{}{path}", endpoint(config));
    let call = UnsignedCall { service: "lambda", method: method.as_str(), url: &url, body };
    let headers = signature(config, call).await.map_err(|error| failed(error.to_string()))?;
    let request = session.twilio_client().await?.http().request(method, &url).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(failed(format!("Lambda answered {status}; it needs the permission {permission}")));
    }
    answer.json().await.map_err(|error| failed(error.without_url().to_string()))
}

fn endpoint(config: &SdkConfig) -> String {
    let region = config.region().map_or("us-east-1", |region| region.as_ref());
    // Source: AWS General Reference, "AWS Lambda endpoints and quotas".
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    config.endpoint_url().map_or_else(|| format!("https://lambda.{region}.{domain}"), str::to_owned)
}
