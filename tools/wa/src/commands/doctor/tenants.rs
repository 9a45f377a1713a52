//! A check of the tenants document: whether the functions can read it, and have the keys of its accounts.

use domain::tenants::TenantsDocument;
use shared::secrets::Accounts;
use stores::tenants::StoredVersion;

use crate::{copyable::CopyableCommands, error::CommandError, finding::Finding, session::Session};

pub(super) const CHECK: &str = "tenants";

pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let table = session.tenants_table().await?;
    let Some(version) = table.current().await? else {
        return Ok(vec![Finding::ok(
            CHECK,
            "there is no tenants document: every account has the settings of the parameters",
        )]);
    };
    let commands = session.copyable();
    let Some(stored) = table.version(version).await? else {
        return Ok(vec![unreadable(&format!("version {version} of the tenants document is not stored"), &commands)]);
    };
    Ok(findings(&stored, session.accounts().await?, &commands))
}

fn findings(stored: &StoredVersion, secret: &Accounts, commands: &CopyableCommands) -> Vec<Finding> {
    let version = stored.record.number;
    let document = match TenantsDocument::parse(&stored.text) {
        Ok(document) => document,
        Err(problem) => {
            let what = format!("version {version} of the tenants document is not valid: {problem}");
            return vec![unreadable(&what, commands)];
        }
    };
    let without_keys: Vec<_> =
        document.accounts().filter(|sid| secret.credentials(sid).is_none()).map(ToString::to_string).collect();
    if without_keys.is_empty() {
        let accounts = document.accounts().count();
        return vec![Finding::ok(
            CHECK,
            format!("version {version} of the tenants document names {accounts} accounts"),
        )];
    }
    vec![Finding::warning(
        CHECK,
        format!(
            "the secret has no keys of {}, which the tenants document names: their webhooks are refused, and their \
             notifications wait",
            without_keys.join(", ")
        ),
        "add their keys as in docs/deploy.md, \"The secret\", or remove them from the document",
        commands.wa("tenants show"),
    )]
}

fn unreadable(what: &str, commands: &CopyableCommands) -> Finding {
    let what = format!("{what}; the functions use the last one that they could read");
    Finding::wrong(CHECK, what, "apply a valid document", commands.wa("tenants history"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stores::tenants::VersionRecord;

    use super::*;
    use crate::finding::Level;

    const ONE: &str = "AC00000000000000000000000000000001";
    const TWO: &str = "AC00000000000000000000000000000002";

    fn found(text: &str) -> Finding {
        let secret = json!({"accounts": {ONE: {"auth_tokens": ["token"]}}}).to_string();
        let record = VersionRecord { number: 3, applied_at: None, applied_by: None };
        let stored = StoredVersion { record, text: text.to_owned() };
        findings(&stored, &serde_json::from_str(&secret).unwrap(), &CopyableCommands::of_test()).remove(0)
    }

    #[test]
    fn account_without_keys_is_a_warning_that_names_it() {
        let document = |accounts: &[&str]| {
            let accounts: serde_json::Map<_, _> = accounts.iter().map(|sid| ((*sid).to_owned(), json!({}))).collect();
            found(&json!({"format": 1, "accounts": accounts}).to_string())
        };
        assert_eq!(document(&[ONE]).finding, Level::Ok);
        let found = document(&[ONE, TWO]);
        assert_eq!(found.finding, Level::Warning);
        assert!(found.what.contains(TWO) && !found.what.contains(ONE), "{}", found.what);
    }

    #[test]
    fn document_that_cannot_be_read_is_wrong() {
        let found = found(r#"{"format": 2, "accounts": {}}"#);
        assert_eq!(found.finding, Level::Wrong);
        assert!(
            found.what.starts_with("version 3 of the tenants document is not valid: format: expected 1"),
            "{}",
            found.what
        );
    }
}
