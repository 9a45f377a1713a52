//! How a function reaches AWS, the same for every function.

use std::time::Duration;

use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_types::SdkConfig;

use crate::env::{self, EnvError};

/// A connection inside one region stands in milliseconds: after a second there is none to be had at this address.
const CONNECT: Duration = Duration::from_secs(1);
/// DynamoDB, SQS and Secrets Manager answer in some 10 ms; an attempt a hundred times slower is better tried again.
const ATTEMPT: Duration = Duration::from_millis(1_300);
/// Three attempts and the pauses between them. Two such calls in a row fit into a webhook function's 10 s, and those
/// into the 15 s after which Twilio gives up.
const OPERATION: Duration = Duration::from_millis(4_500);
const ATTEMPTS: u32 = 3;
/// A fifth of what the SDK begins with: Twilio is waiting.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The configuration of all clients, from the variables that Lambda sets (AWS Lambda, "Defined runtime environment
/// variables"): its role's credentials, which last as long as the environment does, and its region.
///
/// Built by hand, without `aws-config`: its chain of other places to look for credentials in (files, containers, STS)
/// would be a sixth of each binary and a part of each cold start, and nothing on Lambda ever uses it.
pub fn config() -> Result<SdkConfig, EnvError> {
    // Lambda sets both; a function that is run by hand may have either.
    let region = env::required("AWS_REGION").or_else(|missing| env::optional("AWS_DEFAULT_REGION").ok_or(missing))?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials()?))
        .timeout_config(timeouts())
        .retry_config(retries());
    if let Some(url) = env::optional("AWS_ENDPOINT_URL") {
        config = config.endpoint_url(url);
    }
    Ok(config.build())
}

/// The function's own credentials.
pub fn credentials() -> Result<Credentials, EnvError> {
    let access_key_id = env::required("AWS_ACCESS_KEY_ID")?;
    let secret_access_key = env::required("AWS_SECRET_ACCESS_KEY")?;
    let session_token = env::optional("AWS_SESSION_TOKEN");
    Ok(Credentials::new(access_key_id, secret_access_key, session_token, None, "environment"))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// With the SDK's exponential backoff and full jitter.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}

/// The configuration of S3. Another endpoint than AWS's own is an emulator, which serves buckets by path and not by host
/// name.
pub fn s3_config(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some())
}
