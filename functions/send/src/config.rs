//! The cold start.

use std::sync::{Arc, Mutex};

use aws_types::SdkConfig;
use domain::erasure::ErasureKey;
use sendgrid_client::SendGridClient;
use shared::{
    assumed_role::AssumedRole,
    env::{self, EnvError},
    erasure,
    media_domain::MediaDomain,
    queues::{DeadLetterQueue, LaneQueues, LaneUrls},
    secrets::{AgedSecret, SecretMaxAge, Secrets},
    start::{StartError, log_warm_up},
    templates::TemplateRegistries,
    tenants::TenantCache,
    twilio::TwilioAccounts,
};
use stores::{
    contacts::Contacts, daily_counts::DailyCounts, messages::Messages, notifications::Notifications,
    pauses::PauseStore, rate_limits::RateLimits, templates::TemplateStore,
};
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};
use twilio_types::{base_url::BaseUrl, sid::AccountSid};

use crate::{
    SendFunction, claim::Claimer, compose::Composer, daily_caps::DailyCaps, dead_letters::DeadLetters,
    deliver::Deliverer, delivery_check::DeliveryCheck, email::Emails, further_files::FurtherFiles, intake::Intake,
    lanes::Lanes, lookup::Lookup, media::MediaFiles, media_link::MediaBucket, media_signer::MediaSigner,
    message_search::MessageSearch, outgoing::OutgoingComposer, record_decision::DecisionRecorder, requeue::Requeue,
    resolve::Resolver, schedule::Scheduler, settle::Settler, studio::Executions, template_plan::TemplateUses,
    wait::Waiter,
};

impl SendFunction {
    /// Reads the environment and the secrets, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let settings = Settings::from_env()?;
        let config = shared::aws::config().await?;
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let tables = Tables::from_env(dynamodb.clone(), erasure::key_from_env(&config).await?)?;
        let client = TwilioClient::new(settings.api_base_url.clone())?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let (accounts, signer, domain, queues, tenants, table_warmed, registry_read, twilio_warmed) = tokio::join!(
            Secrets::load(secrets_manager.clone(), env::required("TWILIO_SECRET_ID")?, max_age),
            media_signer(&config, &secrets_manager, max_age),
            MediaDomain::from_env(&config),
            Queues::find(&config),
            TenantCache::from_env(&dynamodb),
            tables.notifications.warm(),
            // The first notification with a template does not wait for it.
            tables.registries.current(&settings.account_sid),
            client.warm(),
        );
        log_warm_up(table_warmed);
        log_warm_up(registry_read.map(drop));
        log_warm_up(twilio_warmed);
        let files = MediaFiles {
            http: client.http().clone(),
            bucket: media_bucket(&config)?,
            credentials: shared::aws::credentials().await?,
            signer: signer?,
            domain: domain?,
        };
        let twilio_http = client.http().clone();
        let twilio = Arc::new(TwilioAccounts::new(client, accounts?));
        let composer = Arc::new(Composer { files, public_base_url: settings.public_base_url.clone() });
        let emails = Arc::new(Emails {
            sendgrid: SendGridClient::new(twilio_http, settings.sendgrid_base_url.clone()),
            twilio: Arc::clone(&twilio),
        });
        Ok(Self::of_parts(settings, tenants?, tables, queues?, twilio, composer, emails))
    }

    /// Builds the stages, each with what it needs. The stores and the queue are handles that are cheap to clone.
    fn of_parts(
        settings: Settings,
        tenants: TenantCache,
        tables: Tables,
        queues: Queues,
        twilio: Arc<TwilioAccounts>,
        composer: Arc<Composer>,
        emails: Arc<Emails>,
    ) -> Self {
        let Tables { dynamodb, messages, notifications, contacts, rate_limits, daily_counts, pauses, registries } =
            tables;
        let Queues { lanes: queues, dead_letters: queue } = queues;
        let dead_letters = DeadLetters { queue };
        let waiter = Waiter { notifications: notifications.clone(), queues: queues.clone() };
        let delivery_check = DeliveryCheck::new(&notifications, &messages, &waiter);
        let decisions = DecisionRecorder {
            notifications: notifications.clone(),
            dead_letters: dead_letters.clone(),
            waiter: waiter.clone(),
        };
        Self {
            intake: Intake { notifications: notifications.clone(), dead_letters: dead_letters.clone() },
            lanes: Lanes { queues: queues.clone() },
            lookup: Lookup {
                dynamodb,
                notifications: notifications.clone(),
                contacts: contacts.clone(),
                pauses,
                registries: Arc::clone(&registries),
                decisions: decisions.clone(),
            },
            delivery_check: delivery_check.clone(),
            resolver: Resolver {
                notifications: notifications.clone(),
                messages,
                search: MessageSearch {
                    notifications: notifications.clone(),
                    twilio: Arc::clone(&twilio),
                    composer: Arc::clone(&composer),
                },
                executions: Executions { twilio: Arc::clone(&twilio) },
                dead_letters: dead_letters.clone(),
                waiter: waiter.clone(),
            },
            further_files: FurtherFiles { queues: queues.clone() },
            decisions,
            composer: OutgoingComposer { messages: composer, emails: Arc::clone(&emails) },
            scheduler: Scheduler { rate_limits, caps: DailyCaps::new(daily_counts) },
            claimer: Claimer { notifications: notifications.clone(), contacts: contacts.clone(), delivery_check },
            deliverer: Deliverer::new(&twilio, emails),
            waiter: waiter.clone(),
            requeue: Requeue { queues, dead_letters: dead_letters.clone() },
            settler: Settler { notifications, contacts, dead_letters, waiter },
            template_uses: TemplateUses { registries, noted: Mutex::default() },
            twilio,
            tenants,
            account_sid: settings.account_sid,
        }
    }
}

/// The settings of the environment.
struct Settings {
    account_sid: AccountSid,
    public_base_url: BaseUrl,
    api_base_url: BaseUrl,
    sendgrid_base_url: BaseUrl,
}

impl Settings {
    fn from_env() -> Result<Self, EnvError> {
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let sendgrid_base_url = env::optional("SENDGRID_API_BASE_URL");
        let sendgrid_base_url = sendgrid_base_url.unwrap_or_else(|| sendgrid_client::DEFAULT_BASE_URL.to_owned());
        Ok(Self {
            account_sid: env::required_parsed("TWILIO_ACCOUNT_SID")?,
            public_base_url: env::required_parsed("PUBLIC_BASE_URL")?,
            api_base_url: env::parse("TWILIO_API_BASE_URL", &api_base_url)?,
            sendgrid_base_url: env::parse("SENDGRID_API_BASE_URL", &sendgrid_base_url)?,
        })
    }
}

struct Tables {
    dynamodb: aws_sdk_dynamodb::Client,
    messages: Messages,
    notifications: Notifications,
    contacts: Contacts,
    rate_limits: RateLimits,
    daily_counts: DailyCounts,
    pauses: PauseStore,
    registries: Arc<TemplateRegistries>,
}

impl Tables {
    fn from_env(dynamodb: aws_sdk_dynamodb::Client, erasure: ErasureKey) -> Result<Self, EnvError> {
        Ok(Self {
            messages: Messages::new(dynamodb.clone(), env::required("MESSAGES_TABLE")?),
            notifications: Notifications::new(dynamodb.clone(), env::required("NOTIFICATIONS_TABLE")?)
                .with_retention(env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default()),
            contacts: Contacts::new(dynamodb.clone(), env::required("CONTACTS_TABLE")?, erasure),
            rate_limits: RateLimits::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
            daily_counts: DailyCounts::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
            pauses: PauseStore::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
            registries: Arc::new(TemplateRegistries::new(TemplateStore::new(
                dynamodb.clone(),
                env::required("TEMPLATES_TABLE")?,
            ))),
            dynamodb,
        })
    }
}

struct Queues {
    lanes: LaneQueues,
    dead_letters: DeadLetterQueue,
}

impl Queues {
    async fn find(config: &SdkConfig) -> Result<Self, StartError> {
        let client = aws_sdk_sqs::Client::new(config);
        let urls = LaneUrls::from_env()?;
        let dead_letters = match env::optional("OUTBOUND_DEAD_LETTER_QUEUE_URL") {
            Some(url) => DeadLetterQueue::new(client.clone(), url),
            None => DeadLetterQueue::of_queue(client.clone(), &urls.standard).await?,
        };
        Ok(Self { lanes: LaneQueues::new(client, urls), dead_letters })
    }
}

/// Of a role and a user the template configures one.
async fn media_signer(
    config: &SdkConfig,
    secrets_manager: &aws_sdk_secretsmanager::Client,
    max_age: SecretMaxAge,
) -> Result<MediaSigner, StartError> {
    if let Some(role_arn) = env::optional("MEDIA_READER_ROLE_ARN") {
        return Ok(MediaSigner::Role(AssumedRole::new(config, role_arn)));
    }
    Ok(match env::optional("MEDIA_SIGNER_SECRET_ID") {
        Some(secret_id) => MediaSigner::User(AgedSecret::load(secrets_manager.clone(), secret_id, max_age).await?),
        None => MediaSigner::Function(shared::aws::credentials().await?),
    })
}

fn media_bucket(config: &SdkConfig) -> Result<MediaBucket, StartError> {
    let region = config.region().map_or_else(String::new, ToString::to_string);
    let bucket = env::required("MEDIA_BUCKET")?;
    Ok(match shared::aws::s3_endpoint(config) {
        Some(endpoint) => MediaBucket::at_endpoint(&endpoint, &bucket, region),
        None => MediaBucket::at_domain(&env::required("MEDIA_BUCKET_DOMAIN")?, region),
    })
}
