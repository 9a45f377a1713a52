//! Reads a value as a type that derives `Deserialize`, with errors that name the field and never repeat the value: those of
//! `serde_json` show what they found.

use std::{
    fmt::{self, Display},
    vec,
};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, Visitor,
        value::{MapAccessDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Value, map};

use super::{InvalidJson, WHOLE};

pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, InvalidJson> {
    T::deserialize(FieldDeserializer { path: String::new(), value }).map_err(
        |FieldProblem { path, problem, .. }| InvalidJson {
            field: if path.is_empty() { WHOLE.to_owned() } else { path },
            problem,
        },
    )
}

/// What is wrong with a field.
#[derive(Debug)]
struct FieldProblem {
    path: String,
    /// Whether the path begins at the whole text. An error begins without a path, or with the name of a missing field.
    is_whole_path: bool,
    problem: String,
}

impl FieldProblem {
    fn new(problem: String) -> Self {
        Self { path: String::new(), is_whole_path: false, problem }
    }

    /// The innermost object that knows its path sets it.
    fn at(self, path: &str) -> Self {
        if self.is_whole_path {
            return self;
        }
        Self { path: joined(path, &self.path), is_whole_path: true, ..self }
    }
}

fn joined(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

impl Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for FieldProblem {}

impl de::Error for FieldProblem {
    /// A type of ours says what it expects, and may name one of its fields before a colon.
    fn custom<T: Display>(problem: T) -> Self {
        let text = problem.to_string();
        match text.split_once(": ") {
            Some((path, problem)) if is_path(path) => Self { path: path.to_owned(), ..Self::new(problem.to_owned()) },
            _ => Self::new(text),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", in_words(&expected.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", in_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected {}", expected.join(" or ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field, expected one of {}", expected.join(", ")))
    }

    fn missing_field(name: &'static str) -> Self {
        Self { path: name.to_owned(), ..Self::new("missing, and required".to_owned()) }
    }
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.[]".contains(&b))
}

/// What a derived parser expects, without the names of Rust's types.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        name if name.starts_with("struct ") => "an object",
        name => name,
    }
}

struct FieldDeserializer {
    path: String,
    value: Value,
}

impl<'de> Deserializer<'de> for FieldDeserializer {
    type Error = FieldProblem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldProblem> {
        let Self { path, value } = self;
        let read = match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(FieldProblem::custom("expected a number that is not as large")),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                let count = items.len();
                visitor.visit_seq(Items { path: &path, rest: items.into_iter(), count })
            }
            Value::Object(fields) => visitor.visit_map(Fields { path: &path, rest: fields.into_iter(), next: None }),
        };
        read.map_err(|problem| problem.at(&path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldProblem> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldProblem> {
        let path = self.path.clone();
        visitor.visit_newtype_struct(self).map_err(|problem| problem.at(&path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldProblem> {
        let Self { path, value } = self;
        let read = match value {
            Value::String(word) => visitor.visit_enum(IntoDeserializer::<FieldProblem>::into_deserializer(word)),
            Value::Object(fields) if fields.len() == 1 => visitor.visit_enum(MapAccessDeserializer::new(Fields {
                path: &path,
                rest: fields.into_iter(),
                next: None,
            })),
            _ => Err(FieldProblem::unknown_variant("", words)),
        };
        read.map_err(|problem| problem.at(&path))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A value that is a type by itself, such as a text that is parsed, has the path of its object's field.
struct Items<'a> {
    path: &'a str,
    rest: vec::IntoIter<Value>,
    count: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = FieldProblem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, FieldProblem> {
        let index = self.count - self.rest.len();
        let Some(value) = self.rest.next() else { return Ok(None) };
        let path = format!("{}[{index}]", self.path);
        seed.deserialize(FieldDeserializer { path: path.clone(), value }).map(Some).map_err(|problem| problem.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'a> {
    path: &'a str,
    rest: map::IntoIter,
    /// The value of the name that was just read, with its path.
    next: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = FieldProblem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldProblem> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        let path = joined(self.path, &name);
        let name: StringDeserializer<FieldProblem> = name.into_deserializer();
        let name = seed.deserialize(name).map_err(|problem| problem.at(&path))?;
        self.next = Some((path, value));
        Ok(Some(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FieldProblem> {
        let (path, value) = self.next.take().ok_or_else(|| FieldProblem::custom("expected a value"))?;
        seed.deserialize(FieldDeserializer { path: path.clone(), value }).map_err(|problem| problem.at(&path))
    }
}
