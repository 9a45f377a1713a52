//! JSON that people write: notifications, requests, settings and secrets. Every one of them is read here, so that the same
//! holds for all:
//!
//! - A field that is given twice is an error that names it. A parser of JSON would silently keep the last one.
//! - A byte order mark at the beginning is accepted: some editors write one.
//! - No error repeats a value. What people write may be a secret or a message, and an error reaches logs and callers.

mod typed;

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidJson {
    /// The path of the field, as in `content.media[0].url`; `body` for the whole text.
    pub field: String,
    /// What was expected. It never shows the value.
    pub problem: String,
}

/// The name of the whole text in an error.
const WHOLE: &str = "body";

/// The text without the mark that some editors write at the beginning.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reads a text as JSON.
pub fn value(text: &str) -> Result<Value, InvalidJson> {
    let twice = RefCell::new(None);
    let reader = StrictReader { path: Path::Whole, twice: &twice };
    let mut parser = serde_json::Deserializer::from_str(without_byte_order_mark(text));
    let read = reader.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    read.map_err(|error| of_parser(twice.take(), &error))
}

/// Reads a text as several JSON values one after the other, as in a file with one on each line.
pub fn values(text: &str) -> Result<Vec<Value>, InvalidJson> {
    let twice = RefCell::new(None);
    let mut parser = serde_json::Deserializer::from_str(without_byte_order_mark(text));
    let mut values = Vec::new();
    while !is_at_end(&mut parser) {
        let reader = StrictReader { path: Path::Whole, twice: &twice };
        values.push(reader.deserialize(&mut parser).map_err(|error| of_parser(twice.take(), &error))?);
    }
    Ok(values)
}

fn is_at_end(parser: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>) -> bool {
    parser.end().is_ok()
}

/// Reads a text in which a field may be given twice, of which the last counts. Only the report of an error may be made of it.
pub(crate) fn last_of_each(text: &str) -> Option<Value> {
    serde_json::from_str(without_byte_order_mark(text)).ok()
}

/// Reads the bytes of a request as JSON.
pub fn value_of_bytes(body: &[u8]) -> Result<Value, InvalidJson> {
    let text = std::str::from_utf8(body);
    value(text.map_err(|_| InvalidJson { field: WHOLE.to_owned(), problem: "expected UTF-8".to_owned() })?)
}

/// Reads a text as JSON of a type. Settings and secrets are read so; requests field by field, with
/// [`JsonFields`](crate::json_fields::JsonFields), whose errors say more.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, InvalidJson> {
    read_value(value(text)?)
}

/// Reads a value that is parsed already as a type, with errors that show no value.
pub fn read_value<T: DeserializeOwned>(value: Value) -> Result<T, InvalidJson> {
    typed::read(value)
}

fn of_parser(twice: Option<String>, error: &serde_json::Error) -> InvalidJson {
    let place = format!("at line {}, column {}", error.line(), error.column());
    let (field, problem) = twice.map_or_else(
        || (WHOLE.to_owned(), format!("expected JSON, it breaks off {place}")),
        |field| (field, format!("given twice, again {place}")),
    );
    InvalidJson { field, problem }
}

/// Where in the text a value is.
#[derive(Clone, Copy)]
enum Path<'a> {
    Whole,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Field(Self::Whole, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads a [`Value`] and refuses a field that is given twice.
#[derive(Clone, Copy)]
struct StrictReader<'a> {
    path: Path<'a>,
    /// The path of the field that is given twice. The parser's error has no place for it.
    twice: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for StrictReader<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictReader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = {
            let path = Path::Item(&self.path, list.len());
            items.next_element_seed(StrictReader { path, twice: self.twice })?
        } {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let path = Path::Field(&self.path, &name);
            if map.contains_key(&name) {
                self.twice.replace(Some(path.to_string()));
                return Err(A::Error::custom("a field is given twice"));
            }
            let value = fields.next_value_seed(StrictReader { path, twice: self.twice })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests;
