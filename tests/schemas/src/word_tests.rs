//! The words that a field may have: those of the documents are those of the types.

use std::{collections::BTreeSet, fs, path::Path};

use domain::{
    email::EmailStatus,
    media_failure::MediaFailure,
    notification::{Category, FallbackChannel},
    progress::{AttemptResult, Outcome},
    waiting::WaitReason,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;

use crate::documents;

type Words = BTreeSet<String>;

/// The words that a type reads: its error names them.
fn words<T: DeserializeOwned>() -> Words {
    let Err(error) = serde_json::from_value::<T>(json!("?")) else { panic!("it reads any text") };
    let words: Words = error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(words.len() > 1, "{error}");
    words
}

/// The words at this place of a schema.
fn words_at(schema: &str, pointer: &str) -> Words {
    let document = &documents()[schema];
    let words = document
        .pointer(&format!("{pointer}/enum"))
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("{schema} {pointer}"));
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn words_of_the_schemas_are_those_of_the_types() {
    let attempt = "/properties/attempts/items/properties";
    let (channels, statuses) = (words::<FallbackChannel>(), words::<MessageStatus>());
    for name in ["notification.failed.v1", "notification.suppressed.v1"] {
        assert_eq!(words_at(name, &format!("{attempt}/channel")), channels);
        assert_eq!(words_at(name, &format!("{attempt}/outcome")), words::<AttemptResult>());
        assert_eq!(words_at(name, &format!("{attempt}/status")), statuses);
    }
    assert_eq!(words_at("twilio.status.v1", "/properties/current_status"), statuses);
    assert_eq!(words_at("notification.v1", "/$defs/fallback/properties/channel"), channels);
    assert_eq!(words_at("notification.v1", "/properties/category"), words::<Category>());
    assert_eq!(words_at("email.status.v1", "/properties/status"), words::<EmailStatus>());
    assert_eq!(words_at("media.failed.v1", "/properties/reason"), words::<MediaFailure>());
    let ends = ["failed", "suppressed"].map(|name| words_at(&format!("notification.{name}.v1"), "/properties/outcome"));
    let reached = ["delivered", "read"].map(str::to_owned);
    assert_eq!(ends.into_iter().flatten().chain(reached).collect::<Words>(), words::<Outcome>());
}

#[test]
fn reasons_to_wait_of_the_api_are_those_of_the_type() {
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/openapi.yaml");
    let api = fs::read_to_string(api).unwrap();
    let (_, rest) = api.split_once("        waits_for:\n").unwrap();
    let (_, list) = rest.split_once("          enum:\n").unwrap();
    let listed: Words = list.lines().map_while(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect();
    assert_eq!(listed, words::<WaitReason>());
}
