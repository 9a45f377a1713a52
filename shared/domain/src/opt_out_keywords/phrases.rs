//! How people ask to be left alone in their own words. A message with such a phrase in it is marked, so that a person
//! reads it; it decides nothing, because the same words also stand in complaints and questions.
//!
//! A pattern is a row of words in the normal spelling ([`super::spelling`]): `a/b` is one of several words, `a*` a word
//! that begins so, `..` at most four words of any kind, `...` any number of them, and `$` the end of the text.
//!
//! The patterns are of few kinds in each language: not to contact a person, not to want messages, to have had enough of
//! them, to be removed from a list, and to end a subscription.

use super::Language;

/// A phrase of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phrase {
    pattern: &'static str,
    language: Language,
}

/// A phrase with one of the words that it can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhraseStart {
    /// The word, or its beginning.
    stem: &'static str,
    is_whole_word: bool,
    /// The pattern after the word.
    rest: &'static str,
    pub(super) language: Language,
}

/// The most words that `..` stands for.
const GAP: usize = 4;

impl Phrase {
    /// The phrases of a language.
    pub(super) fn of(language: Language) -> impl Iterator<Item = Self> {
        patterns(language).lines().filter(|line| !line.starts_with('#')).map(move |pattern| Self { pattern, language })
    }

    /// The words that the phrase can begin with.
    pub(super) fn starts(self) -> impl Iterator<Item = PhraseStart> {
        let (first, rest) = next_word(self.pattern);
        first.split('/').map(move |word| {
            let stem = word.strip_suffix('*');
            let (is_whole_word, stem) = (stem.is_none(), stem.unwrap_or(word));
            PhraseStart { stem, is_whole_word, rest, language: self.language }
        })
    }

    #[cfg(test)]
    pub(super) fn elements(self) -> impl Iterator<Item = &'static str> {
        self.pattern.split(' ')
    }
}

impl PhraseStart {
    pub(super) fn stem(&self) -> &'static str {
        self.stem
    }

    pub(super) fn has_several_words(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Whether a text that began with the stem goes on with the phrase.
    pub(super) fn goes_on(&self, unread: &str) -> bool {
        let (end, rest) = next_word(unread);
        (end.is_empty() || !self.is_whole_word) && follows(self.rest, rest)
    }
}

/// Whether a text goes on as a pattern says.
fn follows(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return true;
    }
    let (element, pattern) = next_word(pattern);
    let (word, rest) = next_word(text);
    let gap = match element {
        ".." => GAP,
        "..." => usize::MAX,
        _ => return is_word(element, word) && follows(pattern, rest),
    };
    let mut text = text;
    for _ in 0..=gap {
        if follows(pattern, text) {
            return true;
        }
        if text.is_empty() {
            return false;
        }
        text = next_word(text).1;
    }
    false
}

/// Whether a word is one of those that an element of a pattern allows. At the end of the text there is no word.
fn is_word(element: &str, word: &str) -> bool {
    element.split('/').any(|allowed| match (allowed, allowed.strip_suffix('*')) {
        ("$", _) => word.is_empty(),
        (_, Some(start)) => word.starts_with(start),
        (_, None) => word == allowed,
    })
}

/// The first word, and what follows the space after it.
fn next_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// The patterns of a language, one a line. Lines with `#` say of what kind the next ones are.
const fn patterns(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("phrases/en.txt"),
        Language::Spanish => include_str!("phrases/es.txt"),
        Language::Portuguese => include_str!("phrases/pt.txt"),
        Language::French => include_str!("phrases/fr.txt"),
        Language::German => include_str!("phrases/de.txt"),
        Language::Italian => include_str!("phrases/it.txt"),
        Language::Dutch => include_str!("phrases/nl.txt"),
        Language::Indonesian => include_str!("phrases/id.txt"),
        Language::Hindi => include_str!("phrases/hi.txt"),
        Language::Arabic => include_str!("phrases/ar.txt"),
    }
}
