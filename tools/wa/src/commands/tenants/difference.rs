//! A document in a file, and where it differs from the one that counts.

use std::{io::Read as _, path::Path};

use domain::{
    json,
    tenants::{DocumentDifference, DocumentVersion, TenantsDocument},
};
use serde::Serialize;
use serde_json::Value;
use stores::tenants::TenantsTable;

use crate::{error::CommandError, output::readable};

/// A valid document in a file.
pub(super) struct FileDocument {
    pub(super) text: String,
    pub(super) document: TenantsDocument,
    value: Value,
}

/// What counts now.
pub(super) struct CurrentDocument {
    pub(super) version: Option<DocumentVersion>,
    /// None: there is none, or it cannot be read.
    value: Option<Value>,
}

impl FileDocument {
    /// `-` is the standard input.
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let read = if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(path)
        };
        let text = read.map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
        let invalid = |problem: json::InvalidJson| CommandError::usage(format!("{}: {problem}", path.display()));
        let document = TenantsDocument::parse(&text).map_err(invalid)?;
        let value = json::value(&text).map_err(invalid)?;
        Ok(Self { text, document, value })
    }
}

impl CurrentDocument {
    pub(super) async fn read(table: &TenantsTable) -> Result<Self, CommandError> {
        let version = table.current().await?;
        let stored = match version {
            Some(version) => table.version(version).await?,
            None => None,
        };
        Ok(Self { version, value: stored.and_then(|stored| readable_value(&stored.text)) })
    }

    /// Where a file differs from it. Everything in the file is new if nothing was applied.
    pub(super) fn differences(&self, file: &FileDocument) -> Vec<DifferenceRow> {
        let nothing = serde_json::json!({"format": 1, "accounts": {}});
        let before = self.value.as_ref().unwrap_or(&nothing);
        TenantsDocument::differences(before, &file.value).into_iter().map(DifferenceRow::from).collect()
    }

    /// Whether the functions cannot read the version that counts. Then every file differs from it.
    pub(super) fn is_damaged(&self) -> bool {
        self.version.is_some() && self.value.is_none()
    }

    /// What the document is called in a sentence.
    pub(super) fn name(&self) -> String {
        match self.version {
            Some(version) if self.is_damaged() => format!("version {version}, which cannot be read"),
            Some(version) => format!("version {version}"),
            None => "the empty document".to_owned(),
        }
    }
}

/// The JSON of a document that the functions can read.
fn readable_value(text: &str) -> Option<Value> {
    TenantsDocument::parse(text).ok()?;
    json::value(text).ok()
}

/// A field that differs. The fields are those of the JSON output.
#[derive(Serialize)]
pub(super) struct DifferenceRow {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl From<DocumentDifference> for DifferenceRow {
    fn from(found: DocumentDifference) -> Self {
        Self { path: found.path, before: found.before, after: found.after }
    }
}

impl DifferenceRow {
    /// One line for what is gone, and one for what is new.
    pub(super) fn lines(&self) -> String {
        let mut lines = String::new();
        for (sign, value) in [('-', &self.before), ('+', &self.after)] {
            if let Some(value) = value {
                lines.push_str(&readable(&format!("{sign} {}: {value}", self.path)));
                lines.push('\n');
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn current(text: &str) -> CurrentDocument {
        CurrentDocument { version: Some(3), value: readable_value(text) }
    }

    #[test]
    fn document_that_functions_cannot_read_is_replaced_by_any_file() {
        let empty = r#"{"format": 1, "accounts": {}}"#;
        let file = FileDocument {
            text: empty.to_owned(),
            document: TenantsDocument::parse(empty).unwrap(),
            value: json::value(empty).unwrap(),
        };
        for (stored, is_damaged, name) in [
            (empty, false, "version 3"),
            (r#"{"format": 1, "acc"#, true, "version 3, which cannot be read"),
            (r#"{"format": 2, "accounts": {}}"#, true, "version 3, which cannot be read"),
        ] {
            let current = current(stored);
            assert_eq!((current.is_damaged(), current.name().as_str()), (is_damaged, name), "{stored}");
            assert!(current.differences(&file).is_empty(), "{stored}");
        }
    }

    #[test]
    fn difference_shows_what_is_gone_and_what_is_new() {
        let row = |before, after| DifferenceRow { path: "accounts.AC1.retention_days".to_owned(), before, after };
        assert_eq!(
            row(Some(json!(30)), Some(json!(90))).lines(),
            "- accounts.AC1.retention_days: 30\n+ accounts.AC1.retention_days: 90\n"
        );
        assert_eq!(row(None, Some(json!(90))).lines(), "+ accounts.AC1.retention_days: 90\n");
        assert_eq!(row(Some(json!(30)), None).lines(), "- accounts.AC1.retention_days: 30\n");
    }
}
