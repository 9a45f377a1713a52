//! The settings of each account for a function that works on while DynamoDB does not: they are read by the first event that can
//! read them, and not at the cold start, which would fail.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use domain::account_settings::AccountSettings;
use tokio::sync::OnceCell;
use twilio_types::sid::AccountSid;

use super::{TenantCache, TenantsError, TenantsSetup};
use crate::env::EnvError;

/// The settings of each account, once they can be read.
#[derive(Debug)]
pub struct DeferredTenants {
    setup: TenantsSetup,
    cache: OnceCell<TenantCache>,
}

impl DeferredTenants {
    /// Reads the environment as [`TenantCache::from_env`] does.
    pub fn from_env(dynamodb: &Client) -> Result<Self, EnvError> {
        Ok(Self::new(TenantsSetup::from_env(dynamodb)?))
    }

    pub(super) fn new(setup: TenantsSetup) -> Self {
        Self { setup, cache: OnceCell::new() }
    }

    /// Reads the document for the first time, if it is not read yet. An event whose time is over while it is read leaves it to the
    /// next one.
    pub async fn load(&self) -> Result<&TenantCache, TenantsError> {
        // On the heap: it is polled once in the life of a process.
        self.cache.get_or_try_init(|| Box::pin(self.setup.load())).await
    }

    /// The settings of one account now.
    pub async fn of(&self, account_sid: &AccountSid) -> Result<Arc<AccountSettings>, TenantsError> {
        Ok(self.load().await?.of(account_sid).await)
    }

    /// The same settings for every account.
    #[cfg(test)]
    pub(crate) fn of_parameters(parameters: AccountSettings) -> Self {
        Self::new(TenantsSetup { table: None, parameters, default_account: None })
    }
}
