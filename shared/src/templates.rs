//! The registries of the accounts' templates, cached.
//!
//! A registry is at most half a minute old. To read it again costs one request while nothing has changed, whatever the number of
//! templates is. If the table cannot be read, or has no registry any more, the last registry counts; of an item that cannot be
//! read, the last entry. In both cases an alarm rings.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::templates::{RegisteredTemplate, TemplateRegistry};
use stores::{
    dynamodb::StoreError,
    templates::{TemplateStore, UnreadableTemplate},
};
use tokio::sync::OnceCell;
use twilio_types::sid::AccountSid;

use crate::{
    aged::{AgedSource, AgedValue, Ages, FailedReading, NotRead},
    report::Chain,
};

/// A change of a template is in force after this time and the second in which the table is read.
const MAX_AGE: Duration = Duration::from_secs(20);

/// An old registry is better than none: what is wrong in it Twilio refuses.
const AGES: Ages = Ages { max_age: MAX_AGE, longest_use: None };

/// The registries of all accounts.
pub struct TemplateRegistries {
    store: TemplateStore,
    accounts: Mutex<HashMap<AccountSid, Arc<OnceCell<AgedValue<RegistrySource>>>>>,
}

impl fmt::Debug for TemplateRegistries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateRegistries").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A registry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table did not answer in time, or failed a moment ago.
    #[error("the registry of templates was not read: {}", reason(*.0))]
    NotRead(NotRead),
    /// There was one.
    #[error("the account's registry of templates is not stored any more")]
    Missing,
}

const fn reason(not_read: NotRead) -> &'static str {
    match not_read {
        NotRead::Late => "the table did not answer in time",
        NotRead::FailedRecently => "it failed a moment ago",
    }
}

impl TemplateRegistries {
    pub fn new(store: TemplateStore) -> Self {
        Self { store, accounts: Mutex::default() }
    }

    pub fn store(&self) -> &TemplateStore {
        &self.store
    }

    /// The registry of an account that counts now.
    pub async fn current(&self, account_sid: &AccountSid) -> Result<TemplateRegistry, RegistryError> {
        let account = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(accounts.entry(account_sid.clone()).or_default())
        };
        let source = || RegistrySource { store: self.store.clone(), account_sid: account_sid.clone() };
        let registry = account.get_or_try_init(|| AgedValue::first_read(source(), AGES)).await?;
        Ok(registry.current().await?.registry.clone())
    }
}

/// The templates of one account.
#[derive(Debug)]
struct RegistrySource {
    store: TemplateStore,
    account_sid: AccountSid,
}

/// A registry, with the version of what is stored.
#[derive(Debug)]
struct VersionedRegistry {
    version: i64,
    registry: TemplateRegistry,
}

impl RegistrySource {
    /// The entries that were read before, of the items that cannot be read now. One that was never read is left out.
    fn last_good(
        &self,
        known: Option<&Arc<VersionedRegistry>>,
        unreadable: &[UnreadableTemplate],
    ) -> Vec<RegisteredTemplate> {
        if unreadable.is_empty() {
            return Vec::new();
        }
        let entry = |item: &UnreadableTemplate| known?.registry.get(&item.key.parse().ok()?).cloned();
        let last_good: Vec<_> = unreadable.iter().filter_map(entry).collect();
        tracing::error!(
            account_sid = %self.account_sid,
            templates = unreadable.iter().map(|item| item.key.as_str()).collect::<Vec<_>>().join(","),
            known_before = last_good.len(),
            alarm = "registry",
            "templates of the registry cannot be read: what was read of them before counts"
        );
        last_good
    }
}

impl AgedSource for RegistrySource {
    type Value = VersionedRegistry;
    type Error = RegistryError;

    async fn read(&self, known: Option<&Arc<VersionedRegistry>>) -> Result<Arc<VersionedRegistry>, RegistryError> {
        // First the version: a change that follows is read again by its own version.
        let state = self.store.sync_state(&self.account_sid).await?;
        if let Some(known) = known.filter(|known| known.version == state.version) {
            let registry = known.registry.confirmed(state.synced_at);
            return Ok(Arc::new(VersionedRegistry { version: state.version, registry }));
        }
        // The version never goes back to 0. The next list writes all templates again.
        if known.is_some() && state.version == 0 {
            return Err(RegistryError::Missing);
        }
        let stored = self.store.all(&self.account_sid).await?;
        let last_good = self.last_good(known, &stored.unreadable);
        let templates = stored.templates.into_iter().map(|stored| stored.template).chain(last_good);
        let registry = TemplateRegistry::new(templates, state.synced_at);
        Ok(Arc::new(VersionedRegistry { version: state.version, registry }))
    }

    fn not_read(&self, reason: NotRead) -> RegistryError {
        RegistryError::NotRead(reason)
    }

    fn log_failure(&self, failure: &FailedReading<'_, RegistryError>) {
        tracing::error!(
            account_sid = %self.account_sid,
            age_seconds = failure.age.as_secs(),
            error = %Chain(failure.error),
            alarm = "registry",
            "the registry of templates cannot be read again: what was read before counts"
        );
    }
}

mod listed;
mod notice;

pub use listed::{ListedTemplates, listed};
pub use notice::log_change;

#[cfg(test)]
mod tests;
