//! The cold start.

use aws_sdk_dynamodb::config::Credentials;
use aws_types::SdkConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::{
    env,
    queues::OutboundQueue,
    secrets::{self, Secrets},
    start::{StartError, log_warm_up},
    twilio::TwilioAccounts,
};
use stores::{contacts::Contacts, notifications::Notifications, rate_limits::RateLimits};
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};
use twilio_types::base_url::BaseUrl;

use crate::{
    SendFunction,
    compose::{Composer, TemplateNames},
    media::Files,
    media_link::MediaLinks,
};

/// The keys that media links are signed with: long-lived, because a link signed with a function's own credentials dies
/// with them, and Twilio may fetch a file four hours later.
#[derive(Deserialize)]
struct MediaSigner {
    access_key_id: String,
    secret_access_key: SecretString,
}

impl SendFunction {
    /// Reads the environment and the secrets, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let messaging_service_sid = env::optional_parsed("MESSAGING_SERVICE_SID")?;
        let public_base_url = env::required_parsed::<BaseUrl>("PUBLIC_BASE_URL")?;
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let api_base_url = env::parse("TWILIO_API_BASE_URL", &api_base_url)?;
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let rate_limits_table = env::required("RATE_LIMITS_TABLE")?;
        let policy = env::optional_parsed("SEND_POLICY")?.unwrap_or_default();

        let config = shared::aws::config().await?;
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let notifications = Notifications::new(dynamodb.clone(), notifications_table);
        let client = TwilioClient::new(api_base_url)?;
        let (accounts, media, queue, table_warmed, twilio_warmed) = tokio::join!(
            Secrets::load(secrets_manager.clone(), env::required("TWILIO_SECRET_ID")?),
            media_links(&config, &secrets_manager),
            outbound_queue(&config),
            notifications.warm(),
            client.warm(),
        );
        log_warm_up(table_warmed);
        log_warm_up(twilio_warmed);
        Ok(Self {
            notifications,
            contacts: Contacts::new(dynamodb.clone(), contacts_table),
            rate_limits: RateLimits::new(dynamodb.clone(), rate_limits_table),
            dynamodb,
            policy,
            queue: queue?,
            composer: Composer {
                media: media?,
                files: Files(client.http().clone()),
                public_base_url,
                messaging_service_sid,
                templates: TemplateNames::default(),
            },
            twilio: TwilioAccounts::new(client, accounts?),
            account_sid,
        })
    }
}

async fn outbound_queue(config: &SdkConfig) -> Result<OutboundQueue, StartError> {
    let url = env::required("OUTBOUND_QUEUE_URL")?;
    let bulk_url = env::optional("BULK_QUEUE_URL");
    let dead_letter_url = env::optional("OUTBOUND_DEAD_LETTER_QUEUE_URL");
    Ok(OutboundQueue::find(aws_sdk_sqs::Client::new(config), url, bulk_url, dead_letter_url).await?)
}

async fn media_links(
    config: &SdkConfig,
    secrets_manager: &aws_sdk_secretsmanager::Client,
) -> Result<MediaLinks, StartError> {
    let credentials = match env::optional("MEDIA_SIGNER_SECRET_ID") {
        Some(secret_id) => {
            let signer: MediaSigner = secrets::read(secrets_manager, &secret_id).await?;
            let secret = signer.secret_access_key.expose_secret();
            Credentials::new(signer.access_key_id, secret, None, None, "media signer")
        }
        None => shared::aws::credentials().await?,
    };
    let region = config.region().map_or_else(String::new, ToString::to_string);
    let bucket = env::required("MEDIA_BUCKET")?;
    Ok(match shared::aws::s3_endpoint(config) {
        Some(endpoint) => MediaLinks::at_endpoint(&endpoint, &bucket, region, credentials),
        None => MediaLinks::at_domain(&env::required("MEDIA_BUCKET_DOMAIN")?, region, credentials),
    })
}
