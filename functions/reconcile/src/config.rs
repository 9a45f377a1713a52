//! The cold start.

use std::{sync::Mutex, time::Duration};

use shared::{env, erasure, secrets::Secrets, start::StartError, tenants::TenantCache, twilio::TwilioAccounts};
use stores::{
    contacts::Contacts, messages::Messages, notifications::Notifications, pending_cancellations::PendingCancellations,
    record_inbound::InboundRecorder, record_status::StatusRecorder, senders::KnownSenders, sweeps::Sweeps,
};
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};

use crate::{ReconcileFunction, Requests};

/// More than a run has time for: a page of a list takes a second or two, and the statuses are looked up by 16 concurrent
/// requests.
const REQUESTS: u32 = 10_000;

/// The default of `ReconcileMinutes` in `template.yaml`.
const INTERVAL_MINUTES: u8 = 5;

/// Twilio's largest page.
const PAGE_SIZE: u16 = 1_000;

impl ReconcileFunction {
    /// Reads the environment and the secret, and builds the clients. No caller waits for a run: no connection is opened
    /// ahead.
    pub async fn from_env() -> Result<Self, StartError> {
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let api_base_url = env::parse("TWILIO_API_BASE_URL", &api_base_url)?;
        let requests = Requests {
            per_run: env::optional_parsed("RECONCILE_REQUESTS")?.unwrap_or(REQUESTS),
            page_size: env::optional_parsed("RECONCILE_PAGE_SIZE")?.unwrap_or(PAGE_SIZE),
        };

        let redact_at_twilio = env::optional_parsed("REDACT_AT_TWILIO")?.unwrap_or(false);
        let minutes = env::optional_parsed("RECONCILE_MINUTES")?.unwrap_or(INTERVAL_MINUTES);
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let messages = Messages::new(dynamodb.clone(), env::required("MESSAGES_TABLE")?);
        let contacts =
            Contacts::new(dynamodb.clone(), env::required("CONTACTS_TABLE")?, erasure::key_from_env(&config).await?);
        let notifications = Notifications::new(dynamodb.clone(), env::required("NOTIFICATIONS_TABLE")?)
            .with_retention(env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default());
        let rate_limits_table = env::required("RATE_LIMITS_TABLE")?;
        let tenants = TenantCache::from_env(&dynamodb).await?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let secrets = Secrets::load(aws_sdk_secretsmanager::Client::new(&config), secret_id, max_age).await?;
        Ok(Self {
            twilio: TwilioAccounts::new(TwilioClient::new(api_base_url)?, secrets),
            inbound: InboundRecorder::new(dynamodb.clone(), messages.clone(), contacts.clone()),
            statuses: StatusRecorder::new(messages.clone()),
            messages,
            notifications,
            contacts,
            sweeps: Sweeps::new(dynamodb.clone(), rate_limits_table.clone()),
            senders: KnownSenders::new(dynamodb.clone(), rate_limits_table.clone()),
            cancellations: PendingCancellations::new(dynamodb.clone(), rate_limits_table),
            tenants,
            asked_at: Mutex::default(),
            requests,
            redact_at_twilio,
            interval: Duration::from_mins(minutes.into()),
        })
    }
}
