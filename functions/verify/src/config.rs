//! The cold start.

use std::sync::Arc;

use shared::{
    env, erasure,
    secrets::Secrets,
    start::{StartError, log_warm_up},
    tenants::TenantCache,
    twilio::TwilioAccounts,
};
use stores::{contacts::Contacts, verifications::Verifications};
use twilio_client::{DEFAULT_BASE_URL, Product, TwilioClient};

use crate::{VerifyFunction, check::CodeChecker, send::CodeSender};

impl VerifyFunction {
    /// Reads the environment, the tenants document and the secret, builds the clients and opens their connections.
    pub async fn from_env() -> Result<Self, StartError> {
        let verifications_table = env::required("VERIFICATIONS_TABLE")?;
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let secret_id = env::required("TWILIO_SECRET_ID")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let api_base_url = env::optional("TWILIO_API_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let client = TwilioClient::new(env::parse("TWILIO_API_BASE_URL", &api_base_url)?)?;
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let verifications = Verifications::new(dynamodb.clone(), verifications_table);
        let secrets_manager = aws_sdk_secretsmanager::Client::new(&config);
        let (tenants, secrets, erasure, table_warmed, twilio_warmed) = tokio::join!(
            TenantCache::from_env(&dynamodb),
            Secrets::load(secrets_manager, secret_id, max_age),
            erasure::key_from_env(&config),
            verifications.warm(),
            client.warm_product(Product::Verify),
        );
        log_warm_up(table_warmed);
        log_warm_up(twilio_warmed);
        let twilio = Arc::new(TwilioAccounts::new(client, secrets?));
        let contacts = Contacts::new(dynamodb, contacts_table, erasure?);
        Ok(Self {
            sender: CodeSender { twilio: Arc::clone(&twilio), verifications: verifications.clone(), contacts },
            checker: CodeChecker { twilio, verifications },
            tenants: tenants?,
            account_sid,
        })
    }
}
