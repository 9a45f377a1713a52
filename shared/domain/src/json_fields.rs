//! Reads a JSON object field by field. An error names the field and what was expected, and shows no value.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::json::InvalidJson;

/// The path of a field, and what was expected there.
pub type FieldError = (String, String);

impl From<InvalidJson> for FieldError {
    fn from(InvalidJson { field, problem }: InvalidJson) -> Self {
        (field, problem)
    }
}

/// What is expected in a field that holds a time.
pub(crate) const TIME: &str = "a time as in 2026-11-20T09:00:00Z";

/// The fields of an object that have not been read yet.
pub struct JsonFields {
    path: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl fmt::Debug for JsonFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonFields").field("path", &self.path).finish_non_exhaustive()
    }
}

impl JsonFields {
    /// The fields of the object at a path, which is empty for the whole body.
    pub fn of(path: String, value: Value, expected: &str) -> Result<Self, FieldError> {
        match value {
            Value::Object(map) => Ok(Self { path, map, known: Vec::new() }),
            _ if path.is_empty() => Err(("body".to_owned(), format!("expected {expected}"))),
            _ => Err((path, format!("expected {expected}"))),
        }
    }

    /// The path of the object.
    pub(crate) fn path(self) -> String {
        self.path
    }

    /// The path of a field of the object.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field, if it is present.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name)
    }

    /// Takes a field that must be present.
    pub fn take_required(&mut self, name: &'static str) -> Result<Value, FieldError> {
        self.take(name).ok_or_else(|| (self.path_of(name), "missing, and required".to_owned()))
    }

    /// Reads a field that must be present.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: fn(Value) -> Option<T>,
    ) -> Result<T, FieldError> {
        let value = self.take_required(name)?;
        read(value).ok_or_else(|| (self.path_of(name), format!("expected {expected}")))
    }

    /// Reads a field that may be missing or null.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: fn(Value) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| (self.path_of(name), format!("expected {expected}"))),
        }
    }

    /// Refuses the fields that were not read: an unknown field is probably a misspelt one, and must not be ignored.
    pub fn finish(self) -> Result<(), FieldError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err((self.path_of(name), format!("unknown field, expected one of {}", self.known.join(", "))))
            }
        }
    }
}

/// A string.
pub fn as_string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A string that is not blank.
pub(crate) fn filled(value: Value) -> Option<String> {
    as_string(value).filter(|text| !text.trim().is_empty())
}

/// A string that parses as `T`.
pub(crate) fn parsed<T: std::str::FromStr>(value: Value) -> Option<T> {
    as_string(value)?.parse().ok()
}

/// As [`parsed`], for a type that holds the string itself.
pub(crate) fn parsed_owned<T: TryFrom<String>>(value: Value) -> Option<T> {
    as_string(value)?.try_into().ok()
}

/// A value that serde reads as `T`, such as one of several words.
pub(crate) fn deserialized<T: serde::de::DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

pub(crate) fn string_map(value: Value) -> Option<BTreeMap<String, String>> {
    let Value::Object(map) = value else { return None };
    map.into_iter().map(|(name, value)| Some((name, as_string(value)?))).collect()
}

/// A setting is not a whole number of the allowed range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected a whole number from {} to {}", .range.start(), .range.end())]
pub(crate) struct InvalidWholeNumber {
    field: &'static str,
    range: RangeInclusive<u32>,
}

/// A setting that is a whole number.
pub(crate) fn whole_number(
    field: &'static str,
    value: &Value,
    range: RangeInclusive<u32>,
) -> Result<u32, InvalidWholeNumber> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| range.contains(number)) {
        Some(number) => Ok(number),
        None => Err(InvalidWholeNumber { field, range }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> JsonFields {
        JsonFields::of(String::new(), value, "a JSON object").unwrap()
    }

    #[test]
    fn an_unknown_field_is_named_with_the_known_ones() {
        let mut fields = fields(json!({"name": "Ava", "nmae": "Ava"}));
        assert_eq!(fields.required("name", "a name", filled).unwrap(), "Ava");
        assert_eq!(fields.optional("locale", "a language", filled).unwrap(), None);
        let (field, problem) = fields.finish().unwrap_err();
        assert_eq!((field.as_str(), problem.as_str()), ("nmae", "unknown field, expected one of name, locale"));
    }

    #[test]
    fn a_nested_field_is_named_by_its_path() {
        let mut fields = JsonFields::of("items[0]".to_owned(), json!({"name": 7}), "an object").unwrap();
        let (field, problem) = fields.required("name", "a name", filled).unwrap_err();
        assert_eq!((field.as_str(), problem.as_str()), ("items[0].name", "expected a name"));
        let (field, _) = fields.take_required("url").unwrap_err();
        assert_eq!(field, "items[0].url");
    }

    #[test]
    fn null_counts_as_missing_in_optional_fields_only() {
        let mut fields = fields(json!({"locale": null, "name": null}));
        assert_eq!(fields.optional("locale", "a language", filled).unwrap(), None);
        assert!(fields.required("name", "a name", filled).is_err());
    }
}
