//! A JSON object read by hand, field by field: an error of a deriving parser shows values, and what people write must not
//! reach a log. Each error names the field and says what is right.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::{Map, Value};

/// A field, by its path, and what is right in it.
pub(crate) type FieldError = (String, String);

/// What is right in a field that holds a time.
pub(crate) const TIME: &str = "a time as in 2026-11-20T09:00:00Z";

/// Reads a text as JSON. The error says where it breaks off and shows nothing of it.
pub(crate) fn value(text: &str) -> Result<Value, FieldError> {
    serde_json::from_str(text).map_err(|error: serde_json::Error| {
        let problem = format!("expected JSON, it breaks off at line {}, column {}", error.line(), error.column());
        ("body".to_owned(), problem)
    })
}

/// The fields of an object that have not been read yet.
pub(crate) struct JsonFields {
    path: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl JsonFields {
    /// The fields of the object at a path, which is empty for the whole body.
    pub(crate) fn of(path: String, value: Value, expected: &str) -> Result<Self, FieldError> {
        match value {
            Value::Object(map) => Ok(Self { path, map, known: Vec::new() }),
            _ if path.is_empty() => Err(("body".to_owned(), format!("expected {expected}"))),
            _ => Err((path, format!("expected {expected}"))),
        }
    }

    /// Where the object is.
    pub(crate) fn path(self) -> String {
        self.path
    }

    /// Where a field of the object is.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field as it is, if it is there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name)
    }

    /// A field as it is, which must be there.
    pub(crate) fn take_required(&mut self, name: &'static str) -> Result<Value, FieldError> {
        self.take(name).ok_or_else(|| (self.path_of(name), "missing, and required".to_owned()))
    }

    /// A field that must be there and be what is expected.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: fn(Value) -> Option<T>,
    ) -> Result<T, FieldError> {
        let value = self.take_required(name)?;
        read(value).ok_or_else(|| (self.path_of(name), format!("expected {expected}")))
    }

    /// A field that may be missing or null.
    pub(crate) fn optional<T>(
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

    /// A field nobody asked for is a misspelt one: better refused than left out in silence.
    pub(crate) fn finish(self) -> Result<(), FieldError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err((self.path_of(name), format!("unknown field, expected one of {}", self.known.join(", "))))
            }
        }
    }
}

/// A string.
pub(crate) fn as_string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A string that says something.
pub(crate) fn filled(value: Value) -> Option<String> {
    as_string(value).filter(|text| !text.trim().is_empty())
}

/// A string that is of a type.
pub(crate) fn parsed<T: std::str::FromStr>(value: Value) -> Option<T> {
    as_string(value)?.parse().ok()
}

/// As [`parsed`], for a type that keeps the string.
pub(crate) fn parsed_owned<T: TryFrom<String>>(value: Value) -> Option<T> {
    as_string(value)?.try_into().ok()
}

/// A value that serde knows as of a type, such as one word of a few.
pub(crate) fn deserialized<T: serde::de::DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// An object of strings.
pub(crate) fn string_map(value: Value) -> Option<BTreeMap<String, String>> {
    let Value::Object(map) = value else { return None };
    map.into_iter().map(|(name, value)| Some((name, as_string(value)?))).collect()
}

/// A setting is not a whole number of the allowed range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected a whole number from {} to {}, not {value}", .range.start(), .range.end())]
pub(crate) struct InvalidWholeNumber {
    field: &'static str,
    range: RangeInclusive<u32>,
    value: Value,
}

/// A setting that is a whole number. Its error shows the value, because operators write settings.
pub(crate) fn whole_number(
    field: &'static str,
    value: Value,
    range: RangeInclusive<u32>,
) -> Result<u32, InvalidWholeNumber> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| range.contains(number)) {
        Some(number) => Ok(number),
        None => Err(InvalidWholeNumber { field, range, value }),
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
    fn an_unknown_field_is_named_with_those_that_are_known() {
        let mut fields = fields(json!({"name": "Ava", "nmae": "Ava"}));
        assert_eq!(fields.required("name", "a name", filled).unwrap(), "Ava");
        assert_eq!(fields.optional("locale", "a language", filled).unwrap(), None);
        let (field, problem) = fields.finish().unwrap_err();
        assert_eq!((field.as_str(), problem.as_str()), ("nmae", "unknown field, expected one of name, locale"));
    }

    #[test]
    fn a_field_of_an_inner_object_is_named_by_its_path() {
        let mut fields = JsonFields::of("items[0]".to_owned(), json!({"name": 7}), "an object").unwrap();
        let (field, problem) = fields.required("name", "a name", filled).unwrap_err();
        assert_eq!((field.as_str(), problem.as_str()), ("items[0].name", "expected a name"));
        let (field, _) = fields.take_required("url").unwrap_err();
        assert_eq!(field, "items[0].url");
    }

    #[test]
    fn null_stands_for_a_field_that_may_be_missing_and_for_no_other() {
        let mut fields = fields(json!({"locale": null, "name": null}));
        assert_eq!(fields.optional("locale", "a language", filled).unwrap(), None);
        assert!(fields.required("name", "a name", filled).is_err());
    }

    #[test]
    fn what_is_no_json_is_not_repeated() {
        let (field, problem) = value("{\"name\": \"private").unwrap_err();
        assert_eq!((field.as_str(), problem.as_str()), ("body", "expected JSON, it breaks off at line 1, column 17"));
    }
}
