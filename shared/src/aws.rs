//! How a function reaches AWS: the configuration that all its clients share.
//!
//! It comes from the variables that Lambda sets (AWS Lambda, "Defined runtime environment variables"): the credentials of
//! the function's role, and the region. Two more are read where they are set, as every AWS SDK does (AWS SDKs and Tools
//! Reference Guide, "Service-specific endpoints"): `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_<SERVICE>` (as in
//! `AWS_ENDPOINT_URL_S3`), which wins for its service.
//!
//! The configuration is put together here, without the loader of `aws-config`: the loader can also find credentials in
//! files, containers and STS, which makes each binary larger by 0.5 MB and which no function uses. A function with
//! `SnapStart` would need one more provider: there the credentials come from `AWS_CONTAINER_CREDENTIALS_FULL_URI`.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::region::ProvideRegion as _,
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_s3::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::{
    sdk_config,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

use crate::{
    deadline,
    env::{self, EnvError},
};

/// A connection inside one region is made within milliseconds: after a second there is nothing at this address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// DynamoDB, SQS and Secrets Manager answer within some 10 ms; an attempt that takes a hundred times longer is repeated.
/// It includes [`CONNECT_TIMEOUT`].
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_300);
/// All attempts and the pauses between them: 3 x 1.3 s, 200 ms and 400 ms. Two such calls in a row fit into the shortest
/// timeout of a function, the 10 s of [`deadline::HTTP_TIMEOUT`], with [`deadline::ANSWER_RESERVE`] left for the answer. More
/// calls in a row end by the invocation's [`deadline::Deadline`].
const OPERATION_TIMEOUT: Duration = Duration::from_millis(4_500);
const MAX_ATTEMPTS: u32 = 3;
/// A fifth of the SDK's own first pause, because Twilio waits for the answer.
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_millis(400);

/// A webhook is stored, or spooled, with two attempts: what fails for longer than that is no hiccup.
const WEBHOOK_ATTEMPTS: u32 = 2;
/// Both attempts and the pause between them.
pub(crate) const WEBHOOK_OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

const _: () = {
    let attempts = ATTEMPT_TIMEOUT.as_millis() * WEBHOOK_ATTEMPTS as u128;
    let with_pause = attempts + INITIAL_BACKOFF.as_millis();
    assert!(with_pause <= WEBHOOK_OPERATION_TIMEOUT.as_millis(), "the last attempt is not cut off");
};

const _: () = {
    let attempts = ATTEMPT_TIMEOUT.as_millis() * MAX_ATTEMPTS as u128;
    let pauses = INITIAL_BACKOFF.as_millis() + MAX_BACKOFF.as_millis();
    let invocation = deadline::HTTP_TIMEOUT.as_millis() - deadline::ANSWER_RESERVE.as_millis();
    assert!(CONNECT_TIMEOUT.as_millis() < ATTEMPT_TIMEOUT.as_millis(), "a connection is part of an attempt");
    assert!(attempts + pauses <= OPERATION_TIMEOUT.as_millis(), "the last attempt is not cut off");
    assert!(2 * OPERATION_TIMEOUT.as_millis() <= invocation, "two calls fit into an invocation");
};

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";

/// The configuration of all clients. The first missing variable is named here, and not by the first call.
pub async fn config() -> Result<SdkConfig, EnvError> {
    env::required(ACCESS_KEY_ID)?;
    env::required("AWS_SECRET_ACCESS_KEY")?;
    // Lambda sets AWS_REGION; a function that is started by hand may have AWS_DEFAULT_REGION.
    let region = EnvironmentVariableRegionProvider::new().region().await;
    let region = region.filter(|region| !region.as_ref().is_empty()).ok_or(EnvError::Missing("AWS_REGION"))?;
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    Ok(base(env::optional).region(region).credentials_provider(credentials).build())
}

/// The function's own credentials, for what is signed without a client.
pub async fn credentials() -> Result<Credentials, EnvError> {
    let provided = EnvironmentVariableCredentialsProvider::new().provide_credentials().await;
    provided.map_err(|error| EnvError::Invalid { name: ACCESS_KEY_ID, reason: error.to_string() })
}

/// The configuration but for credentials and region.
fn base(variable: Variable) -> sdk_config::Builder {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .service_config(ServiceVariables { variable })
        // It measures the throughput of each body. Bodies are small here, and the timeout of an attempt covers them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_ATTEMPTS)
                .with_initial_backoff(INITIAL_BACKOFF)
                .with_max_backoff(MAX_BACKOFF),
        );
    config.set_endpoint_url(variable(ENDPOINT_URL));
    config
}

/// The configuration of clients that record a webhook, for which there are three seconds ([`crate::webhook`]).
pub fn for_webhooks(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(WEBHOOK_OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(WEBHOOK_ATTEMPTS)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    config.to_builder().timeout_config(timeouts).retry_config(retries).build()
}

/// Looks a variable up by its name.
type Variable = fn(&str) -> Option<String>;

/// What the environment sets for one service alone. The clients ask for it by themselves.
#[derive(Debug)]
struct ServiceVariables {
    variable: Variable,
}

impl LoadServiceConfig for ServiceVariables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace([' ', '-'], "_");
        (self.variable)(&format!("{}_{service}", key.env()))
    }
}

/// The configuration of S3. Another endpoint than AWS's own is an emulator, which serves buckets by path and not by host
/// name.
pub fn s3_config(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(config).force_path_style(s3_endpoint(config).is_some())
}

/// The endpoint of S3 where it is not AWS's own.
pub fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env(ENDPOINT_URL).profile("endpoint_url").build().ok();
    let of_service = key.and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;

    fn config(variable: Variable) -> SdkConfig {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        base(variable).region(Region::new("us-east-1")).credentials_provider(credentials).build()
    }

    /// The URL of an object as the S3 client calls it.
    async fn object_url(config: &SdkConfig) -> String {
        let client = aws_sdk_s3::Client::from_conf(s3_config(config).build());
        let presigning = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
        let signed = client.get_object().bucket("media").key("a.jpg").presigned(presigning).await.unwrap();
        signed.uri().split('?').next().unwrap().to_owned()
    }

    /// The endpoint that a DynamoDB client calls.
    async fn dynamodb_url(config: &SdkConfig) -> String {
        let once = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
        let config = aws_sdk_dynamodb::config::Builder::from(config).retry_config(once).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let (called, calls) = std::sync::mpsc::channel();
        let call = client.list_tables().customize().mutate_request(move |request| {
            called.send(request.uri().to_owned()).unwrap();
        });
        call.send().await.unwrap_err();
        calls.recv().unwrap()
    }

    #[tokio::test]
    async fn service_endpoint_wins_over_the_general_one() {
        let config = config(|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:7".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://127.0.0.1:8".to_owned()),
            "AWS_ENDPOINT_URL_S3" => Some("http://127.0.0.1:9".to_owned()),
            _ => None,
        });
        assert_eq!(dynamodb_url(&config).await, "http://127.0.0.1:8/");
        assert_eq!(object_url(&config).await, "http://127.0.0.1:9/media/a.jpg");
        assert_eq!(s3_endpoint(&config).unwrap(), "http://127.0.0.1:9");
    }

    #[test]
    fn attempts_and_operations_of_every_client_have_a_timeout() {
        let config = config(|_| None);
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(timeouts.connect_timeout(), Some(CONNECT_TIMEOUT));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(ATTEMPT_TIMEOUT));
        assert_eq!(timeouts.operation_timeout(), Some(OPERATION_TIMEOUT));
        assert_eq!(config.retry_config().unwrap().max_attempts(), MAX_ATTEMPTS);
    }

    #[test]
    fn clients_for_webhooks_try_twice_at_the_same_endpoint() {
        let config = config(|name| (name == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:7".to_owned()));
        let config = for_webhooks(&config);
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(timeouts.operation_attempt_timeout(), Some(ATTEMPT_TIMEOUT));
        assert_eq!(timeouts.operation_timeout(), Some(WEBHOOK_OPERATION_TIMEOUT));
        assert_eq!(config.retry_config().unwrap().max_attempts(), WEBHOOK_ATTEMPTS);
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:7"));
    }

    #[tokio::test]
    async fn general_endpoint_serves_services_without_their_own() {
        let config = config(|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:7".to_owned()),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://127.0.0.1:8".to_owned()),
            _ => None,
        });
        assert_eq!(dynamodb_url(&config).await, "http://127.0.0.1:7/");
        assert_eq!(object_url(&config).await, "http://127.0.0.1:7/media/a.jpg");
    }

    #[tokio::test]
    async fn s3_is_called_at_aws_where_only_dynamodb_has_an_endpoint() {
        let config = config(|name| (name == "AWS_ENDPOINT_URL_DYNAMODB").then(|| "http://127.0.0.1:8".to_owned()));
        assert_eq!(dynamodb_url(&config).await, "http://127.0.0.1:8/");
        assert_eq!(object_url(&config).await, "https://media.s3.us-east-1.amazonaws.com/a.jpg");
        assert_eq!(s3_endpoint(&config), None);
    }
}
