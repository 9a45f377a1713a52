//! The schemas of `docs/schema` for the tests, which compare with them what the system publishes and what it accepts.
//!
//! A consumer of events must accept fields that it does not know, because fields are added. So the schemas of events allow them.
//! A test must not: there, every field of an event is one that its schema describes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

use jsonschema::Validator;
use serde_json::Value;

/// The schema of a notification.
pub const NOTIFICATION: &str = "notification.v1";

/// The schemas by their names, such as `twilio.inbound.v1`.
#[derive(Debug)]
pub struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    /// # Panics
    ///
    /// Where a document is no JSON Schema of the draft 2020-12.
    pub fn read() -> Self {
        let validator = |(name, mut document): (String, Value)| {
            close(&mut document);
            let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&document);
            (name, validator.unwrap())
        };
        Self(documents().into_iter().map(validator).collect())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is wrong with an event, by the schema that it names.
    pub fn problems_of_event(&self, event: &Value) -> Vec<String> {
        let name = event["schema"].as_str().unwrap_or_default();
        if self.0.contains_key(name) {
            self.problems(name, event)
        } else {
            vec![format!("there is no schema {name:?}")]
        }
    }

    /// What is wrong with a value, by the schema with this name.
    ///
    /// # Panics
    ///
    /// Where there is no such schema.
    pub fn problems(&self, name: &str, value: &Value) -> Vec<String> {
        let problem = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
        self.0[name].iter_errors(value).map(problem).collect()
    }
}

/// The documents by the names of their schemas.
///
/// # Panics
///
/// Where a document is no JSON.
pub fn documents() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let document = |path: std::path::PathBuf| {
        let file = path.file_name()?.to_str()?;
        let name = file.strip_suffix(".schema.json")?.to_owned();
        Some((name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()))
    };
    files.filter_map(document).collect()
}

/// Allows no other field in an object whose fields a schema names.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let is_open = keywords.get("type").is_some_and(|kind| kind == "object")
                && keywords.contains_key("properties")
                && !keywords.contains_key("additionalProperties");
            if is_open {
                keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            keywords.values_mut().for_each(close);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod word_tests;
