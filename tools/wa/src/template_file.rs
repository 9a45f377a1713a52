//! Templates as files: one file for a template, `order_update.json`, with its locales.
//!
//! ```json
//! {"category": "utility",
//!  "locales": {"en": {"variables": {"1": "Ava"}, "types": {"twilio/text": {"body": "Hello {{1}}, your order is on its way."}}}}}
//! ```
//!
//! The name of the file is the template's name at Twilio and at WhatsApp. [`check`] has the rules of both.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use twilio_client::NewTemplate;

use crate::error::CommandError;

mod check;
mod content_types;
mod emoji;
mod parts;
mod texts;

pub use check::problems;
pub(crate) use texts::variables;

/// A file that was read. What it says may still break a rule.
#[derive(Debug, Clone)]
pub struct TemplateFile {
    pub path: PathBuf,
    pub name: String,
    pub definition: TemplateDefinition,
}

/// What the file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDefinition {
    /// `utility`, `marketing` or `authentication`. A template that WhatsApp cannot approve needs none.
    #[serde(default)]
    pub category: Option<String>,
    pub locales: BTreeMap<String, LocalizedTemplate>,
}

/// A template in one locale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalizedTemplate {
    /// The samples that WhatsApp's reviewers see, by the names of the variables.
    #[serde(default)]
    pub variables: Map<String, Value>,
    pub types: Map<String, Value>,
}

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFileProblem {
    /// As in `locales.en.types.twilio/quick-reply.actions[0].title`; empty for the whole file.
    pub field: String,
    pub problem: String,
}

impl fmt::Display for TemplateFileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.field, self.problem) }
    }
}

/// The folder that is read if no file is named.
pub const FOLDER: &str = "templates";

/// The files at these paths; a folder means the JSON files in it.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<TemplateFile>, CommandError> {
    let default = [PathBuf::from(FOLDER)];
    let paths = if paths.is_empty() { default.as_slice() } else { paths };
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() { files.extend(files_of(path)?) } else { files.push(path.clone()) }
    }
    if files.is_empty() {
        let named: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CommandError::not_found(format!("{}: there is no JSON file", named.join(", "))));
    }
    files.iter().map(|path| TemplateFile::read(path)).collect()
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let failed = |error| CommandError::usage(format!("{}", folder.display())).because(error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl TemplateFile {
    fn read(path: &Path) -> Result<Self, CommandError> {
        let failed = |error: std::io::Error| CommandError::usage(path.display().to_string()).because(error);
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(path.to_owned(), &text).map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))
    }

    /// The error has the line and the column.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, serde_json::Error> {
        let definition = serde_json::from_str(text)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { path, name, definition })
    }

    /// What Twilio is to have of a locale.
    pub fn content(&self, locale: &str, localized: &LocalizedTemplate) -> NewTemplate {
        NewTemplate {
            friendly_name: self.name.clone(),
            language: locale.to_owned(),
            variables: localized.variables.clone(),
            types: localized.types.clone(),
        }
    }
}
