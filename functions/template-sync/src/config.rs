//! The cold start.

use shared::{env, secrets::Secrets, start::StartError, twilio::TwilioAccounts};
use stores::templates::TemplateStore;
use twilio_client::{DEFAULT_BASE_URL, TwilioClient};

use crate::TemplateSyncFunction;

impl TemplateSyncFunction {
    /// Reads the environment and the secret, and builds the clients. No caller waits for a run: no connection is opened
    /// ahead.
    pub async fn from_env() -> Result<Self, StartError> {
        let table = env::required("TEMPLATES_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let client = TwilioClient::new(env::parse("TWILIO_API_BASE_URL", &api_base_url)?)?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let config = shared::aws::config().await?;
        let secrets = Secrets::load(aws_sdk_secretsmanager::Client::new(&config), secret_id, max_age).await?;
        Ok(Self {
            store: TemplateStore::new(aws_sdk_dynamodb::Client::new(&config), table),
            twilio: TwilioAccounts::new(client, secrets),
        })
    }
}
