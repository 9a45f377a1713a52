//! Items as the release before wrote them, in `fixtures`, recorded from a running stack: this release reads each of them, and
//! refuses each of them whole if a later release wrote it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::*;
use crate::{
    contacts::{Contacts, consents::evidence_in, history::history_entry},
    messages::Messages,
    notifications::StoredNotification,
    verifications,
};

fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

/// The fixtures by name.
fn fixtures() -> BTreeMap<String, Item> {
    let files = fs::read_dir(source("format/fixtures")).unwrap().map(|file| file.unwrap().path());
    let read = |path: PathBuf| {
        let item: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let item = item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), item)
    };
    files.map(read).collect()
}

/// A value in DynamoDB's JSON.
fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let string = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(string()),
        "N" => AttributeValue::N(string()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "SS" => AttributeValue::Ss(serde_json::from_value(value.clone()).unwrap()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        "M" => {
            let fields = value.as_object().unwrap().iter();
            AttributeValue::M(fields.map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        other => panic!("{other}"),
    }
}

/// Reads an item as the system does, by the kind in the fixture's name.
fn read(name: &str, item: Item) -> Result<(), StoreError> {
    let (kind, rest) = name.split_once('-').unwrap_or((name, ""));
    match (kind, rest) {
        ("message", "email") => Messages::read_email(item).map(drop),
        ("message", "unknown") => Messages::read_form(item).map(drop),
        ("message", "media") => Messages::read_media(item).map(drop),
        ("message", _) => Messages::read(item).map(drop),
        ("person", _) => Contacts::read_person(item).map(drop),
        ("history", _) => history_entry(item).map(drop),
        ("consent", _) => evidence_in("", item).map(drop),
        ("notification", _) => StoredNotification::read(item).map(drop),
        ("verification", _) => verifications::read(item).map(drop),
        other => panic!("{other:?}: say how it is read"),
    }
}

#[test]
fn items_of_the_release_before_are_read() {
    for (name, item) in fixtures() {
        assert!(!item.contains_key(ATTRIBUTE), "{name}: the release before had no such attribute");
        read(&name, item).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[test]
fn items_of_a_later_release_are_refused_whole() {
    for (name, mut item) in fixtures() {
        item.insert(ATTRIBUTE.to_owned(), number(3));
        assert!(read(&name, item).is_err(), "{name}");
    }
}

#[test]
fn every_kind_has_an_item_of_the_release_before() {
    let kinds = include_str!("../format.rs").lines().filter_map(|line| line.strip_prefix("pub(crate) const "));
    let kinds = kinds.filter_map(|line| line.split_once(": Format = ")).map(|(name, _)| name.to_lowercase());
    let known = fixtures();
    for kind in kinds.filter(|kind| kind != "restore") {
        let is_of_kind = |name: &&String| name.split('-').next() == Some(kind.as_str());
        assert!(known.keys().any(|name| is_of_kind(&name)), "{kind} has no fixture");
    }
}

/// What is written without a format, and why it needs none.
const UNMARKED: [&str; 2] = [
    // How far Twilio's list has been read: without it a run looks back half a day.
    "sweeps.rs",
    // The document has its own field `format`.
    "tenants.rs",
];

#[test]
fn every_written_item_has_a_format() {
    let mut folders = vec![source("")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let writes = text.contains("put_item()") || text.contains("Put::builder()");
            let is_exempt = UNMARKED.contains(&name.as_str()) || name.contains("tests.rs");
            // `notifications.rs` writes what `notifications/item.rs` makes.
            let marks = text.contains("format::") || text.contains(".to_item(");
            assert!(!writes || is_exempt || marks, "{}: an item without a format", path.display());
        }
    }
}
