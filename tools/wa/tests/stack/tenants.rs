//! `wa tenants`

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    isolated_stack::{ACCOUNT_SID, IsolatedStack, TOKEN},
    operator::new_id,
};

const OTHER: &str = "AC00000000000000000000000000000002";

/// A file that is deleted with the test.
struct DocumentFile(PathBuf);

impl DocumentFile {
    fn new(accounts: &Value) -> Self {
        let path = std::env::temp_dir().join(format!("{}.json", new_id("tenants")));
        fs::write(&path, json!({"format": 1, "accounts": accounts}).to_string()).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for DocumentFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn document_is_applied_with_its_history() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    assert!(isolated.wa(&["tenants", "show"]).failed(3).contains("there is no tenants document"));
    let first = DocumentFile::new(&json!({ACCOUNT_SID: {"retention_days": 30}, OTHER: {}}));
    let unanswered = isolated.wa(&["tenants", "apply", first.path()]);
    assert!(unanswered.failed(2).contains("Apply these 2 changes to the empty document?"));
    assert!(isolated.wa(&["tenants", "show"]).failed(3).contains("no tenants document"), "nothing was written");

    let applied = isolated.wa(&["tenants", "apply", first.path(), "--yes"]);
    assert!(applied.stderr.contains(&format!("{OTHER} is not in the stack's secret")), "{applied:?}");
    assert!(!applied.stderr.contains(&format!("{ACCOUNT_SID} is not in")), "{applied:?}");
    assert!(applied.done().contains("version 1 is applied"));
    assert!(isolated.wa(&["tenants", "apply", first.path(), "--yes"]).done().contains("unchanged"));

    let second = DocumentFile::new(&json!({ACCOUNT_SID: {"retention_days": 90}}));
    let differing = isolated.wa(&["tenants", "diff", second.path()]);
    let expected = [
        format!("- accounts.{ACCOUNT_SID}.retention_days: 30"),
        format!("+ accounts.{ACCOUNT_SID}.retention_days: 90"),
        format!("- accounts.{OTHER}: {{}}"),
    ];
    for line in &expected {
        assert!(differing.stdout.lines().any(|shown| shown == line), "{line}: {differing:?}");
    }
    assert!(differing.failed(1).contains("differs from version 1 in 2 fields"));
    isolated.wa(&["tenants", "apply", second.path(), "--yes"]).done();
    isolated.wa(&["tenants", "diff", second.path()]).done();

    let shown: Value = serde_json::from_str(&isolated.wa(&["tenants", "show"]).done()).unwrap();
    assert_eq!(shown["accounts"][ACCOUNT_SID]["retention_days"], 90);
    let earlier: Value = serde_json::from_str(&isolated.wa(&["tenants", "show", "--version", "1"]).done()).unwrap();
    assert_eq!(earlier["accounts"][ACCOUNT_SID]["retention_days"], 30);
    let history = isolated.wa(&["tenants", "history", "--output", "json"]).json();
    let versions: Vec<_> = history.as_array().unwrap().iter().map(|row| (&row["version"], &row["current"])).collect();
    assert_eq!(versions, [(&json!(2), &json!(true)), (&json!(1), &json!(false))]);
    assert!(history[0]["applied_by"].as_str().unwrap().starts_with("arn:aws:"), "{history}");
}

#[test]
fn invalid_document_is_refused_by_its_field() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let file = DocumentFile::new(&json!({ACCOUNT_SID: {"routes": [{"countries": ["ZZ"], "from": "whatsapp:+1"}]}}));
    for command in ["apply", "diff"] {
        let refused = isolated.wa(&["tenants", command, file.path(), "--yes"]).failed(2);
        assert!(
            refused.contains(&format!("accounts.{ACCOUNT_SID}.routes[0].countries[0]: not a country")),
            "{refused}"
        );
    }
    assert!(isolated.wa(&["tenants", "history"]).done().contains("there is no tenants document"));
    isolated.wa(&["tenants", "apply", "/nowhere/tenants.json"]).failed(2);
}
