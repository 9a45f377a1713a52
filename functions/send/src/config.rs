//! The cold start.

use std::sync::Arc;

use aws_types::SdkConfig;
use domain::{policy::Policy, suppression::OptOutScope};
use shared::{
    assumed_role::AssumedRole,
    env::{self, EnvError},
    queues::{DeadLetterQueue, LaneQueues, LaneUrls},
    secrets::{AgedSecret, SecretMaxAge, Secrets},
    start::{StartError, log_warm_up},
    twilio::TwilioAccounts,
};
use stores::{
    contacts::Contacts, daily_counts::DailyCounts, messages::Messages, notifications::Notifications,
    pauses::PauseStore, rate_limits::RateLimits,
};
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};
use twilio_types::{
    base_url::BaseUrl,
    sid::{AccountSid, MessagingServiceSid},
};

use crate::{
    SendFunction, claim::Claimer, compose::Composer, daily_caps::DailyCaps, dead_letters::DeadLetters,
    deliver::Deliverer, further_files::FurtherFiles, intake::Intake, job::JobFactory, judge::Judge, lanes::Lanes,
    lookup::Lookup, media::MediaFiles, media_link::MediaBucket, media_signer::MediaSigner,
    message_search::MessageSearch, record_decision::DecisionRecorder, requeue::Requeue, resolve::Resolver,
    schedule::Scheduler, settle::Settler, template_names::TemplateNames, wait::Waiter,
};

impl SendFunction {
    /// Reads the environment and the secrets, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let settings = Settings::from_env()?;
        let config = shared::aws::config().await?;
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let tables = Tables::from_env(aws_sdk_dynamodb::Client::new(&config))?;
        let client = TwilioClient::new(settings.api_base_url.clone())?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let (accounts, signer, queues, table_warmed, twilio_warmed) = tokio::join!(
            Secrets::load(secrets_manager.clone(), env::required("TWILIO_SECRET_ID")?, max_age),
            media_signer(&config, &secrets_manager, max_age),
            Queues::find(&config),
            tables.notifications.warm(),
            client.warm(),
        );
        log_warm_up(table_warmed);
        log_warm_up(twilio_warmed);
        let files = MediaFiles {
            http: client.http().clone(),
            bucket: media_bucket(&config)?,
            credentials: shared::aws::credentials().await?,
            signer: signer?,
        };
        let twilio = Arc::new(TwilioAccounts::new(client, accounts?));
        let composer = Arc::new(Composer {
            files,
            public_base_url: settings.public_base_url.clone(),
            templates: TemplateNames::default(),
            twilio: Arc::clone(&twilio),
        });
        Ok(Self::of_parts(settings, tables, queues?, twilio, composer))
    }

    /// Builds the stages, each with what it needs. The stores and the queue are handles that are cheap to clone.
    fn of_parts(
        settings: Settings,
        tables: Tables,
        queues: Queues,
        twilio: Arc<TwilioAccounts>,
        composer: Arc<Composer>,
    ) -> Self {
        let Settings { account_sid, messaging_service_sid, policy, opt_out_scope, .. } = settings;
        let Tables { dynamodb, messages, notifications, contacts, rate_limits, daily_counts, pauses } = tables;
        let Queues { lanes: queues, dead_letters } = queues;
        let dead_letters = DeadLetters { queue: dead_letters };
        let waiter = Waiter { notifications: notifications.clone(), queues: queues.clone() };
        let judge = Judge { configured_service: messaging_service_sid };
        let jobs = JobFactory { policy: policy.clone(), account_sid };
        let decisions = DecisionRecorder {
            notifications: notifications.clone(),
            dead_letters: dead_letters.clone(),
            waiter: waiter.clone(),
        };
        Self {
            intake: Intake {
                notifications: notifications.clone(),
                dead_letters: dead_letters.clone(),
                jobs: jobs.clone(),
            },
            lanes: Lanes { queues: queues.clone() },
            lookup: Lookup {
                dynamodb,
                notifications: notifications.clone(),
                contacts: contacts.clone(),
                pauses,
                jobs,
                decisions: decisions.clone(),
            },
            resolver: Resolver {
                notifications: notifications.clone(),
                messages,
                search: MessageSearch {
                    notifications: notifications.clone(),
                    twilio: Arc::clone(&twilio),
                    composer: Arc::clone(&composer),
                    judge: judge.clone(),
                },
                dead_letters: dead_letters.clone(),
                waiter: waiter.clone(),
                policy: policy.clone(),
            },
            further_files: FurtherFiles { queues: queues.clone() },
            judge: judge.clone(),
            decisions,
            composer,
            scheduler: Scheduler {
                rate_limits,
                caps: DailyCaps::new(policy.daily_cap().clone(), daily_counts),
                policy,
            },
            claimer: Claimer { notifications: notifications.clone(), contacts: contacts.clone(), judge },
            deliverer: Deliverer { twilio: Arc::clone(&twilio) },
            waiter: waiter.clone(),
            requeue: Requeue { queues, dead_letters: dead_letters.clone() },
            settler: Settler { notifications, contacts, opt_out_scope, dead_letters, waiter },
            twilio,
        }
    }
}

/// The settings of the environment.
struct Settings {
    account_sid: AccountSid,
    messaging_service_sid: Option<MessagingServiceSid>,
    public_base_url: BaseUrl,
    api_base_url: BaseUrl,
    policy: Policy,
    opt_out_scope: OptOutScope,
}

impl Settings {
    fn from_env() -> Result<Self, EnvError> {
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        Ok(Self {
            account_sid: env::required_parsed("TWILIO_ACCOUNT_SID")?,
            messaging_service_sid: env::optional_parsed("MESSAGING_SERVICE_SID")?,
            public_base_url: env::required_parsed("PUBLIC_BASE_URL")?,
            api_base_url: env::parse("TWILIO_API_BASE_URL", &api_base_url)?,
            policy: env::optional_parsed("SEND_POLICY")?.unwrap_or_default(),
            opt_out_scope: env::optional_parsed("OPT_OUT_SCOPE")?.unwrap_or_default(),
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
}

impl Tables {
    fn from_env(dynamodb: aws_sdk_dynamodb::Client) -> Result<Self, EnvError> {
        Ok(Self {
            messages: Messages::new(dynamodb.clone(), env::required("MESSAGES_TABLE")?),
            notifications: Notifications::new(dynamodb.clone(), env::required("NOTIFICATIONS_TABLE")?),
            contacts: Contacts::new(dynamodb.clone(), env::required("CONTACTS_TABLE")?),
            rate_limits: RateLimits::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
            daily_counts: DailyCounts::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
            pauses: PauseStore::new(dynamodb.clone(), env::required("RATE_LIMITS_TABLE")?),
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
