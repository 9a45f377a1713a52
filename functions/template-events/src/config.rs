//! The cold start.

use std::sync::Arc;

use shared::{
    env,
    secrets::Secrets,
    start::{StartError, log_warm_up},
    templates::ListedTemplates,
    twilio::TwilioAccounts,
    webhook::EventStreamVerifier,
};
use stores::templates::TemplateStore;
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};

use crate::TemplateEventsFunction;

impl TemplateEventsFunction {
    /// Reads the environment and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let table = env::required("TEMPLATES_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let public_base_url = env::optional_parsed("PUBLIC_BASE_URL")?;
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = shared::aws::config().await?;
        let store = TemplateStore::new(aws_sdk_dynamodb::Client::new(&config), table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (secrets, warmed) = tokio::join!(Secrets::load(secrets_manager, secret_id, max_age), store.warm());
        log_warm_up(warmed);
        let secrets = Arc::new(secrets?);
        let client = TwilioClient::new(env::parse("TWILIO_API_BASE_URL", &api_base_url)?)?;
        Ok(Self {
            verifier: EventStreamVerifier::new(Arc::clone(&secrets), public_base_url),
            listed: ListedTemplates { twilio: TwilioAccounts::new(client, secrets) },
            store,
        })
    }
}
