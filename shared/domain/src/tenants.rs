//! The tenants document: what is different for each Twilio account of a deployment.
//!
//! `{"format": 1, "accounts": {"AC...": {"policy": {...}, "messaging_service_sid": "MG...", ...}}}`. An account that it does not
//! name has the settings of the template's parameters, and so has every account while there is no document.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use twilio_types::sid::AccountSid;

use crate::{
    account_settings::{AccountSettings, WrittenSettings},
    configured_senders::ConfiguredSenders,
    json::{self, InvalidJson},
    media::MediaKey,
    policy::Policy,
    verify_settings::VerifySettings,
};

/// The format that this version reads.
const FORMAT: u64 = 1;

/// The longest document, in bytes. DynamoDB stores items of at most 400 KB ("Service, account, and table quotas").
pub const MAX_DOCUMENT_BYTES: usize = 300_000;

/// The number of a version of the document: 1 for the first one.
pub type DocumentVersion = u64;

/// A document that is valid.
#[derive(Debug, Clone, Default)]
pub struct TenantsDocument {
    accounts: BTreeMap<AccountSid, WrittenSettings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDocument {
    #[serde(rename = "format")]
    _format: u64,
    accounts: BTreeMap<AccountSid, WrittenSettings>,
}

impl TenantsDocument {
    /// Reads a document. The error names the field by its path, and shows no value.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        let whole = |problem: String| InvalidJson { field: "body".to_owned(), problem };
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(whole(format!("expected at most {MAX_DOCUMENT_BYTES} bytes, which an item can hold")));
        }
        let value = json::value(text)?;
        // Another format may have other fields: this is the error that says so.
        if let Some(format) = value.get("format")
            && format.as_u64() != Some(FORMAT)
        {
            let problem = format!("expected {FORMAT}: this version reads no other format");
            return Err(InvalidJson { field: "format".to_owned(), problem });
        }
        let document: WrittenDocument = json::read_value(value)?;
        Ok(Self { accounts: document.accounts })
    }

    pub fn accounts(&self) -> impl Iterator<Item = &AccountSid> {
        self.accounts.keys()
    }

    /// Where two documents differ, by the paths of their fields.
    pub fn differences(before: &Value, after: &Value) -> Vec<DocumentDifference> {
        let mut found = Vec::new();
        compare(String::new(), Some(before), Some(after), &mut found);
        found
    }
}

/// A field that differs between two documents.
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentDifference {
    /// As in `accounts.AC....policy.default.marketing_cap`.
    pub path: String,
    /// None: the field is new.
    pub before: Option<Value>,
    /// None: the field is gone.
    pub after: Option<Value>,
}

impl fmt::Debug for DocumentDifference {
    /// Without the values, which may be senders' numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentDifference").field("path", &self.path).finish_non_exhaustive()
    }
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<DocumentDifference>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(path, before.get(name), after.get(name), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(DocumentDifference { path, before: before.cloned(), after: after.cloned() }),
    }
}

/// The settings of every account, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Tenants {
    /// The version of the document; none if there is none.
    version: Option<DocumentVersion>,
    /// Of the default account, while the document does not name it.
    parameters: Arc<AccountSettings>,
    /// Of the other accounts that the document does not name.
    of_others: Arc<AccountSettings>,
    accounts: BTreeMap<AccountSid, Arc<AccountSettings>>,
    /// The account of requests that name none, if it is known here.
    default_account: Option<AccountSid>,
}

impl Tenants {
    /// The settings of the template's parameters for every account. The Verify service of the parameters belongs to the default
    /// account, so that no other account sends a code by it.
    pub fn of_parameters(parameters: Arc<AccountSettings>, default_account: Option<AccountSid>) -> Self {
        let verify = VerifySettings { service_sid: None, ..parameters.verify.clone() };
        let of_others = Arc::new(AccountSettings { verify, ..(*parameters).clone() });
        Self { version: None, parameters, of_others, accounts: BTreeMap::new(), default_account }
    }

    /// The settings of the document. The sender of the parameters belongs to the default account too, so that no other account
    /// of the document sends by it.
    #[must_use]
    pub fn with_document(&self, version: DocumentVersion, document: TenantsDocument) -> Self {
        let others = AccountSettings { senders: ConfiguredSenders::default(), ..(*self.of_others).clone() };
        let settings = |(sid, written): (AccountSid, WrittenSettings)| {
            let parameters = if self.is_default(&sid) { &*self.parameters } else { &others };
            (sid, Arc::new(written.over(parameters)))
        };
        Self {
            version: Some(version),
            accounts: document.accounts.into_iter().map(settings).collect(),
            parameters: Arc::clone(&self.parameters),
            of_others: Arc::clone(&self.of_others),
            default_account: self.default_account.clone(),
        }
    }

    pub fn version(&self) -> Option<DocumentVersion> {
        self.version
    }

    /// The settings of an account.
    pub fn of(&self, account_sid: &AccountSid) -> &Arc<AccountSettings> {
        let unnamed = || if self.is_default(account_sid) { &self.parameters } else { &self.of_others };
        self.accounts.get(account_sid).unwrap_or_else(unnamed)
    }

    fn is_default(&self, account_sid: &AccountSid) -> bool {
        self.default_account.as_ref() == Some(account_sid)
    }

    /// The policies of all accounts: that of the parameters, and each one of the document.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        let of_document = self.accounts.values().map(|settings| &settings.policy);
        [&self.parameters.policy].into_iter().chain(of_document)
    }

    /// The senders that are configured for this account and no other one: those of the document, and for the default account
    /// also those of the parameters.
    pub fn own_senders(&self, account_sid: &AccountSid) -> Option<&ConfiguredSenders> {
        let is_own = self.accounts.contains_key(account_sid) || self.is_default(account_sid);
        is_own.then(|| &self.of(account_sid).senders)
    }

    /// Whether a caller may name this account. Who is listed by an account reaches the accounts that list it, and no other;
    /// an account that lists callers is reached by them alone.
    pub fn allows(&self, account_sid: &AccountSid, caller: Option<&str>) -> bool {
        let is_listed =
            |settings: &AccountSettings| caller.is_some_and(|arn| settings.callers.iter().any(|caller| caller.is(arn)));
        let settings = self.of(account_sid);
        if !settings.callers.is_empty() {
            return is_listed(settings);
        }
        !self.accounts.values().any(|settings| is_listed(settings))
    }

    /// Whether an account may use a file of the media bucket. A key with an account's SID belongs to that account, and any
    /// other key to the default account and to the accounts that have its settings, because the document does not name them.
    pub fn owns(&self, account_sid: &AccountSid, key: &MediaKey) -> bool {
        match key.account_sid() {
            Some(owner) => owner == *account_sid,
            None => self.is_default(account_sid) || !self.accounts.contains_key(account_sid),
        }
    }
}

#[cfg(test)]
mod tests;
