//! How long an AWS call may take and how often it is tried, the same for every function.

use std::time::Duration;

use aws_sdk_dynamodb::config::{retry::RetryConfig, timeout::TimeoutConfig};

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

/// The time limits of a call.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// The retries of a call, with the SDK's exponential backoff and full jitter.
pub fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE)
}

/// S3 at another endpoint than AWS's own is an emulator, which serves buckets by path and not by host name.
pub fn s3_config(builder: aws_sdk_s3::config::Builder) -> aws_sdk_s3::Config {
    let emulated = crate::env::optional("AWS_ENDPOINT_URL").or_else(|| crate::env::optional("AWS_ENDPOINT_URL_S3"));
    builder.force_path_style(emulated.is_some()).build()
}
