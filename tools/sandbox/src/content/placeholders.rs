//! The variables in the texts of a content, as in `Hello {{1}}`.

use serde_json::Value;

/// The pieces of a text: each is the text before a variable, and the name of the variable. The last piece has no variable.
pub(super) struct TextPieces<'a>(Option<&'a str>);

impl<'a> TextPieces<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(Some(text))
    }
}

impl<'a> Iterator for TextPieces<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.take()?;
        match text.split_once("{{").and_then(|(before, from)| Some((before, from.split_once("}}")?))) {
            Some((before, (name, after))) => {
                self.0 = Some(after);
                Some((before, Some(name)))
            }
            None => Some((text, None)),
        }
    }
}

/// The names of the variables in all texts of a JSON value, each once, in the order in which they occur.
pub(super) fn names(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(value, &mut names);
    names
}

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for (_, name) in TextPieces::of(text) {
                if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
                    names.push(name.to_owned());
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, names)),
        _ => {}
    }
}
