//! The words that a deployment adds to the keywords, and those that it removes, by language:
//! `{"es": {"stop": {"add": ["NO QUIERO MAS"], "remove": ["PARAR"]}}}`.

use std::{borrow::Cow, str::FromStr};

use serde_json::Value;

use super::{Keyword, KeywordCertainty, Keywords, Language, Languages, Word, spelling::padded, words};
use crate::{
    json::{self, InvalidJson},
    json_fields::{FieldError, JsonFields},
};

/// What a configuration changes. Its words are in the normal spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeywordChanges(Vec<Change>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// Where the word is written, as in `es.stop.add`.
    field: String,
    /// The word as it is written.
    word: String,
    spelling: String,
    language: Language,
    keyword: Keyword,
    kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    Add,
    Remove,
}

/// A configuration of keywords that is not valid. The operator must correct it, so it names the field with the language,
/// and the word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidKeywords {
    field: String,
    problem: String,
}

/// The most characters of a word. A person types no longer one, and a log line that names it stays short.
const MAX_WORD_CHARS: usize = 60;

/// What each list of words asks for.
const LISTS: [(&str, Keyword); 4] = [
    ("stop", Keyword::Stop),
    ("stop_marketing", Keyword::StopMarketing),
    ("start", Keyword::Start),
    ("help", Keyword::Help),
];

impl FromStr for KeywordChanges {
    type Err = InvalidKeywords;

    fn from_str(text: &str) -> Result<Self, InvalidKeywords> {
        Self::of_value(json::value(text)?)
    }
}

impl KeywordChanges {
    /// Reads the changes from JSON that is parsed already.
    pub fn of_value(value: Value) -> Result<Self, InvalidKeywords> {
        let Value::Object(languages) = value else {
            return Err(InvalidKeywords::new("body", "expected a JSON object with words by language"));
        };
        let mut changes = Vec::new();
        for (code, lists) in languages {
            let language = code.parse::<Language>().map_err(|error| InvalidKeywords::new("body", error.to_string()))?;
            let expected = "an object with stop, stop_marketing, start or help";
            let mut lists = JsonFields::of(code, lists, expected)?;
            for (name, keyword) in LISTS {
                let path = lists.path_of(name);
                let Some(list) = lists.take(name) else { continue };
                let mut fields = JsonFields::of(path, list, "an object with add or remove")?;
                for (name, kind) in [("add", ChangeKind::Add), ("remove", ChangeKind::Remove)] {
                    let field = fields.path_of(name);
                    for word in fields.optional(name, "a list of words", words_of)?.unwrap_or_default() {
                        changes.push(Change::new(field.clone(), word, language, keyword, kind)?);
                    }
                }
                fields.finish()?;
            }
            lists.finish()?;
        }
        Ok(Self(changes))
    }
}

fn words_of(value: Value) -> Option<Vec<String>> {
    serde_json::from_value(value).ok()
}

impl Change {
    fn new(
        field: String,
        word: String,
        language: Language,
        keyword: Keyword,
        kind: ChangeKind,
    ) -> Result<Self, InvalidKeywords> {
        if word.chars().count() > MAX_WORD_CHARS {
            let start: String = word.chars().take(MAX_WORD_CHARS).collect();
            let problem = format!("{start:?}...: expected a word of at most {MAX_WORD_CHARS} characters");
            return Err(InvalidKeywords::new(field, problem));
        }
        let spelling = padded(word.chars()).trim_ascii().to_owned();
        let change = Self { field, word, spelling, language, keyword, kind };
        if change.spelling.is_empty() {
            return Err(change.invalid("expected a word with a letter or a digit"));
        }
        if kind == ChangeKind::Remove && words::of(language).must_keep(&change.spelling) {
            return Err(change.invalid(
                "STOP, START, UNSTOP, HELP and the word that the language's confirmation names cannot be removed",
            ));
        }
        Ok(change)
    }

    fn invalid(&self, problem: &str) -> InvalidKeywords {
        InvalidKeywords::new(self.field.clone(), format!("{:?}: {problem}", self.word))
    }

    /// Where an added word is certain: as the table's own words of its kind.
    const fn certainty(&self) -> KeywordCertainty {
        match self.keyword {
            Keyword::StopMarketing => KeywordCertainty::Everywhere,
            Keyword::Stop | Keyword::Start | Keyword::Help => KeywordCertainty::Typed,
        }
    }
}

impl Keywords {
    /// The keywords of these languages, with the changes of a configuration.
    ///
    /// A word is removed in all languages, because a message does not say in which one it is. Adding a known word, and
    /// removing an unknown one, changes nothing: a later version may know other words, and must start with the same
    /// configuration.
    pub fn configured(languages: &Languages, changes: &KeywordChanges) -> Result<Self, InvalidKeywords> {
        let mut keywords = Self::of(languages);
        for change in &changes.0 {
            if !languages.iter().any(|language| language == change.language) {
                return Err(change.invalid("the language is not one of the configured languages"));
            }
            match change.kind {
                ChangeKind::Remove => keywords.remove(change),
                ChangeKind::Add => keywords.add(change)?,
            }
        }
        Ok(keywords)
    }

    fn remove(&mut self, change: &Change) {
        self.words.retain(|word| word.spelling != change.spelling || word.keyword != change.keyword);
    }

    fn add(&mut self, change: &Change) -> Result<(), InvalidKeywords> {
        let start = self.words.partition_point(|word| *word.spelling < *change.spelling);
        let mut same = self.words.iter().skip(start).take_while(|word| word.spelling == change.spelling);
        if same.any(|word| word.keyword != change.keyword) {
            return Err(change.invalid("it is a word of another list already"));
        }
        let spelling = Cow::Owned(change.spelling.clone());
        let (keyword, certainty, language) = (change.keyword, change.certainty(), change.language);
        self.words.insert(start, Word { spelling, keyword, certainty, language });
        Ok(())
    }
}

impl InvalidKeywords {
    /// The error of a configuration that is a section of a larger one.
    pub(crate) fn within(self, section: &str) -> Self {
        let field = if self.field == "body" { section.to_owned() } else { format!("{section}.{}", self.field) };
        Self { field, ..self }
    }

    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl From<InvalidJson> for InvalidKeywords {
    fn from(error: InvalidJson) -> Self {
        Self { field: error.field, problem: error.problem }
    }
}

impl From<FieldError> for InvalidKeywords {
    fn from((field, problem): FieldError) -> Self {
        Self { field, problem }
    }
}

#[cfg(test)]
mod tests;
