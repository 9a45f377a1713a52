//! The settings of each account, cached: what the tenants document says, and the template's parameters for the rest.
//!
//! 1. Every half minute one event reads the number of the version that counts, and the version only if the number has changed.
//! 2. While the document cannot be read, the last one that could be read counts, with an alarm. So does an earlier version
//!    where a new process finds that the newest one cannot be read.
//! 3. While no document was ever applied, every account has the settings of the template's parameters.

use std::{fmt, sync::Arc, time::Duration};

use aws_lambda_events::http::StatusCode;
use aws_sdk_dynamodb::Client;
use domain::{
    account_settings::AccountSettings,
    json::InvalidJson,
    tenants::{DocumentVersion, Tenants, TenantsDocument},
};
use stores::{
    dynamodb::StoreError,
    tenants::{StoredVersion, TenantsTable},
};
use twilio_types::sid::AccountSid;

use crate::{
    account_settings,
    aged::{AgedSource, AgedValue, Ages, FailedReading, NotRead},
    env::{self, EnvError},
    http_reply::RequestProblem,
    report::Chain,
    start::StartError,
};

/// A new version is in force within this time.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Of how many versions one is looked for that can be read.
const VERSIONS_TO_TRY: i32 = 3;

mod deferred;

pub use deferred::DeferredTenants;

/// The settings of each account.
#[derive(Debug)]
pub struct TenantCache(Cached);

/// What the environment says of the settings. The document is still to be read.
#[derive(Debug)]
struct TenantsSetup {
    table: Option<TenantsTable>,
    parameters: AccountSettings,
    default_account: Option<AccountSid>,
}

#[derive(Debug)]
enum Cached {
    /// The function has no table: it runs by hand, or in a test.
    Fixed(Arc<Tenants>),
    Document(Box<AgedValue<TenantsSource>>),
}

/// The tenants document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// DynamoDB did not answer, which passes with time, or refused, which the operator must fix.
    #[error("the Tenants table cannot be read")]
    Store(#[from] StoreError),
    /// The operator must apply the document again.
    #[error(
        "the Tenants table does not say any more which version counts: apply the document again with `wa tenants apply`"
    )]
    Lost,
    #[error("version {0} of the tenants document is not stored: apply the document again with `wa tenants apply`")]
    NoVersion(DocumentVersion),
    /// It was not applied by `wa`, or by a newer one.
    #[error("version {version} of the tenants document is not valid: {problem}")]
    Invalid { version: DocumentVersion, problem: InvalidJson },
    #[error("the Tenants table was not read in time")]
    Late,
    #[error("the Tenants table could not be read a moment ago")]
    Unavailable,
}

impl TenantCache {
    /// Reads what [`TenantsSetup::from_env`] reads, and the document.
    pub async fn from_env(dynamodb: &Client) -> Result<Self, StartError> {
        Ok(TenantsSetup::from_env(dynamodb)?.load().await?)
    }

    /// The same settings for every account.
    pub fn of_parameters(parameters: AccountSettings, default_account: Option<AccountSid>) -> Self {
        Self::fixed(Tenants::of_parameters(Arc::new(parameters), default_account))
    }

    /// Settings that do not change while the process runs.
    pub fn fixed(tenants: Tenants) -> Self {
        Self(Cached::Fixed(Arc::new(tenants)))
    }

    async fn load(
        table: TenantsTable,
        parameters: AccountSettings,
        default_account: Option<AccountSid>,
    ) -> Result<Self, TenantsError> {
        let parameters = Arc::new(Tenants::of_parameters(Arc::new(parameters), default_account));
        let ages = Ages { max_age: MAX_AGE, longest_use: None };
        let document = AgedValue::first_read(TenantsSource { table, parameters }, ages).await?;
        Ok(Self(Cached::Document(Box::new(document))))
    }

    /// The settings of all accounts now. An event asks once, so that all its decisions are about the same settings.
    pub async fn current(&self) -> Arc<Tenants> {
        match &self.0 {
            Cached::Fixed(tenants) => Arc::clone(tenants),
            Cached::Document(document) => document.current_or_last().await,
        }
    }

    /// The settings of one account now.
    pub async fn of(&self, account_sid: &AccountSid) -> Arc<AccountSettings> {
        Arc::clone(self.current().await.of(account_sid))
    }
}

impl TenantsSetup {
    /// Reads `TENANTS_TABLE` (none: every account has the settings of the environment), `TWILIO_ACCOUNT_SID` (the default
    /// account), and what [`account_settings::from_env`] reads.
    fn from_env(dynamodb: &Client) -> Result<Self, EnvError> {
        let parameters = account_settings::from_env()?;
        let default_account = env::optional_parsed("TWILIO_ACCOUNT_SID")?;
        let table = env::optional("TENANTS_TABLE").map(|table| TenantsTable::new(dynamodb.clone(), table));
        Ok(Self { table, parameters, default_account })
    }

    async fn load(&self) -> Result<TenantCache, TenantsError> {
        let (parameters, default_account) = (self.parameters.clone(), self.default_account.clone());
        match &self.table {
            Some(table) => TenantCache::load(table.clone(), parameters, default_account).await,
            None => Ok(TenantCache::of_parameters(parameters, default_account)),
        }
    }
}

/// Refuses a request for an account that its caller may not name. The caller is known by the ARN that IAM authorized.
pub fn authorize(tenants: &Tenants, account_sid: &AccountSid, caller: Option<&str>) -> Result<(), RequestProblem> {
    if tenants.allows(account_sid, caller) {
        return Ok(());
    }
    tracing::warn!(%account_sid, "a request for an account came from a caller that may not name it");
    let problem = "this caller may not name the account: see docs/tenants.md, \"Callers\"";
    Err(RequestProblem::new(StatusCode::FORBIDDEN, "account_sid", problem))
}

/// The document in the Tenants table.
struct TenantsSource {
    table: TenantsTable,
    /// The settings without a document.
    parameters: Arc<Tenants>,
}

impl fmt::Debug for TenantsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantsSource").field("table", &self.table).finish_non_exhaustive()
    }
}

impl AgedSource for TenantsSource {
    type Value = Tenants;
    type Error = TenantsError;

    async fn read(&self, known: Option<&Arc<Tenants>>) -> Result<Arc<Tenants>, TenantsError> {
        let current = self.table.current().await?;
        match (current, known) {
            (current, Some(known)) if known.version() == current => Ok(Arc::clone(known)),
            (Some(version), Some(_)) => self.version(version).await,
            (None, Some(_)) => Err(TenantsError::Lost),
            (Some(version), None) => match self.version(version).await {
                Err(error @ (TenantsError::NoVersion(_) | TenantsError::Invalid { .. })) => self.earlier(error).await,
                read => read,
            },
            (None, None) if self.table.is_empty().await? => Ok(Arc::clone(&self.parameters)),
            (None, None) => self.earlier(TenantsError::Lost).await,
        }
    }

    fn not_read(&self, reason: NotRead) -> TenantsError {
        match reason {
            NotRead::Late => TenantsError::Late,
            NotRead::FailedRecently => TenantsError::Unavailable,
        }
    }

    fn log_failure(&self, failure: &FailedReading<'_, TenantsError>) {
        tracing::error!(
            age_seconds = failure.age.as_secs(),
            error = %Chain(failure.error),
            alarm = "tenants",
            "the tenants document cannot be read again: the settings that were read before count"
        );
    }
}

impl TenantsSource {
    async fn version(&self, version: DocumentVersion) -> Result<Arc<Tenants>, TenantsError> {
        let stored = self.table.version(version).await?.ok_or(TenantsError::NoVersion(version))?;
        self.read_stored(&stored)
    }

    fn read_stored(&self, stored: &StoredVersion) -> Result<Arc<Tenants>, TenantsError> {
        let version = stored.record.number;
        let document =
            TenantsDocument::parse(&stored.text).map_err(|problem| TenantsError::Invalid { version, problem })?;
        Ok(Arc::new(self.parameters.with_document(version, document)))
    }

    /// The newest version that can be read, in a process that has read none before.
    async fn earlier(&self, error: TenantsError) -> Result<Arc<Tenants>, TenantsError> {
        let versions = self.table.newest(VERSIONS_TO_TRY).await?;
        let Some(tenants) = versions.iter().find_map(|stored| self.read_stored(stored).ok()) else { return Err(error) };
        tracing::error!(
            version = tenants.version(),
            error = %Chain(&error),
            alarm = "tenants",
            "the newest tenants document cannot be read: an earlier version counts"
        );
        Ok(tenants)
    }
}

#[cfg(test)]
mod tests;
