//! The cold start.

use std::time::Duration;

use aws_sdk_s3::config::{RequestChecksumCalculation, timeout::TimeoutConfig};
use shared::{
    env,
    secrets::Secrets,
    start::{StartError, log_warm_up},
    tenants::TenantCache,
    twilio::TwilioAccounts,
};
use stores::messages::Messages;
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};
use twilio_types::base_url::BaseUrl;

use crate::{StoreMediaFunction, fetch::MediaFetcher, uploads::MediaUploads};

/// A part of 5 MiB takes longer than the small requests that the other clients make.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);

impl StoreMediaFunction {
    /// Reads the environment and the secret, and builds the clients.
    pub async fn from_env() -> Result<Self, StartError> {
        let api: BaseUrl = match env::optional_parsed("TWILIO_API_BASE_URL")? {
            Some(api) => api,
            None => env::parse("TWILIO_API_BASE_URL", DEFAULT_BASE_URL)?,
        };
        let messages_table = env::required("MESSAGES_TABLE")?;
        let bucket = env::required("MEDIA_BUCKET")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let messages = Messages::new(dynamodb.clone(), messages_table);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let s3 = shared::aws::s3_config(&config)
            .timeout_config(timeouts)
            // S3 itself adds a checksum to what has none (Amazon S3, "Checking object integrity").
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        let client = TwilioClient::new(api.clone())?;
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (secrets, tenants, warmed) = tokio::join!(
            Secrets::load(secrets_manager, secret_id, max_age),
            TenantCache::from_env(&dynamodb),
            messages.warm(),
        );
        log_warm_up(warmed);
        Ok(Self {
            messages,
            fetcher: MediaFetcher::new(&api).map_err(|error| StartError::HttpClient(error.into()))?,
            uploads: MediaUploads::new(aws_sdk_s3::Client::from_conf(s3), bucket),
            twilio: TwilioAccounts::new(client, secrets?),
            tenants: tenants?,
        })
    }
}
