//! The keywords by which people opt out of our messages and in again.
//!
//! A message is an opt-out only if the whole message is a keyword. A sentence with a keyword in it is not: "stop, the
//! parcel never came" is a complaint. Nor does every word count wherever it is written: a typed CANCEL is an opt-out
//! request, a button that says "Cancel" is an answer ([`KeywordCertainty`]). Source for the English words: Twilio, "Customize
//! Users' Opt-in and Opt-out Experience with Advanced Opt-Out" and "Twilio support for opt-out keywords".

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

mod words;

/// What a keyword asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Stop,
    Start,
    Help,
}

/// Where a word is certain to be a request, from nowhere to everywhere. Each place includes those before it: what is
/// certain on a button is certain where it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeywordCertainty {
    /// Nowhere: it is an ordinary word, and only a person can judge what was meant.
    Nowhere,
    /// Typed as a text message (SMS or RCS), where the law of a country reserves it.
    InTextMessage,
    /// Typed as the whole message. On a button or in a list it is an ordinary answer, such as "Cancel".
    Typed,
    /// Everywhere: also as the label or the id of a button or a list item.
    Everywhere,
}

/// A language whose keywords are in our table, by its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Language {
    English,
    Spanish,
    Portuguese,
    French,
    German,
    Italian,
    Dutch,
    Indonesian,
    Hindi,
    Arabic,
}

/// The keywords of the languages that a deployment understands: all languages unless configured. Twilio's unremovable
/// English words count in each language, and a word of several languages belongs to the first of them. The keywords are
/// normalised once, at the cold start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// Normalised by [`padded`].
    spelling: String,
    keyword: Keyword,
    certainty: KeywordCertainty,
    language: Language,
}

/// A language code that is not in our table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected codes out of en, es, pt, fr, de, it, nl, id, hi, ar with commas between them")]
pub struct UnknownLanguage(String);

/// Whether a text is a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordMatch {
    /// The whole text is a keyword.
    Whole(Keyword, Language),
    /// The text has a word for stopping in it that does not decide there: no opt-out, but worth a person's look.
    PossibleOptOut(Language),
    NoKeyword,
}

/// How much of a text is read: the longest keyword has 21 characters, and decoration around it is short.
const MAX_CHARS: usize = 200;

/// Classifies a text, where words of at least this certainty decide.
pub fn classify(text: &str, least: KeywordCertainty, languages: &Languages) -> KeywordMatch {
    let message = padded(text.chars().take(MAX_CHARS));
    let is_whole = text.chars().nth(MAX_CHARS).is_none();
    let decides = |word: &&Word| word.certainty >= least && word.spelling == message;
    if is_whole && let Some(word) = languages.0.iter().find(decides) {
        return KeywordMatch::Whole(word.keyword, word.language);
    }
    stop_word(&message, KeywordCertainty::Nowhere, languages)
        .map_or(KeywordMatch::NoKeyword, KeywordMatch::PossibleOptOut)
}

/// The language of a word in the text that means an opt-out wherever it is written, such as "unsubscribe".
pub fn unmistakable_stop(text: &str, languages: &Languages) -> Option<Language> {
    stop_word(&padded(text.chars().take(MAX_CHARS)), KeywordCertainty::Everywhere, languages)
}

/// The language of a word for stopping, of at least this certainty, anywhere in a message that is [`padded`].
fn stop_word(message: &str, least: KeywordCertainty, languages: &Languages) -> Option<Language> {
    let mut stops = languages.0.iter().filter(|word| word.keyword == Keyword::Stop && word.certainty >= least);
    stops.find(|word| message.contains(&word.spelling)).map(|word| word.language)
}

/// Normalises a text: compatibility forms (full width, ligatures) become plain letters, accents and invisible
/// characters go, letters become lower case, and there is one space before each word and after the last. Any character
/// that is neither a letter nor a digit separates words, so that `opt-out` is `opt out`.
fn padded(text: impl Iterator<Item = char>) -> String {
    let letters = text.nfkd().filter(|c| !is_ornament(*c)).flat_map(char::to_lowercase).filter(|c| !is_ornament(*c));
    let mut words = String::from(" ");
    for c in letters {
        match c {
            // In capitals, ß is written SS.
            'ß' => words.push_str("ss"),
            'ς' => words.push('σ'),
            c if c.is_alphanumeric() || is_combining_mark(c) => words.push(c),
            _ if words.ends_with(' ') => {}
            _ => words.push(' '),
        }
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

/// Whether a character does not change the word: an accent, or an invisible character.
///
/// The vowel signs of Indian scripts are combining marks too, but they change the word: without them रुको (wait) would
/// be रोको (stop). Accents above or below a letter have a combining class, vowel signs have class 0. A virama has class
/// 9 and joins two consonants, so it stays too. Source: Unicode Standard Annex 44, "Canonical Combining Class Values".
fn is_ornament(c: char) -> bool {
    const TATWEEL: char = '\u{640}';
    const VIRAMA: u8 = 9;
    let is_accent = !matches!(canonical_combining_class(c), 0 | VIRAMA);
    is_accent || c == TATWEEL || is_enclosing(c) || is_default_ignorable(c)
}

/// Circles, squares and keycaps around a letter. Source: Unicode character database, category Me.
fn is_enclosing(c: char) -> bool {
    matches!(c, '\u{20dd}'..='\u{20e0}' | '\u{20e2}'..='\u{20e4}')
}

/// Zero-width spaces and joiners, direction marks, variation selectors and similar characters.
///
/// Source: Unicode character database, property `Default_Ignorable_Code_Point`.
fn is_default_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

impl Language {
    const ALL: [Self; 10] = [
        Self::English,
        Self::Spanish,
        Self::Portuguese,
        Self::French,
        Self::German,
        Self::Italian,
        Self::Dutch,
        Self::Indonesian,
        Self::Hindi,
        Self::Arabic,
    ];

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
            Self::French => "fr",
            Self::German => "de",
            Self::Italian => "it",
            Self::Dutch => "nl",
            Self::Indonesian => "id",
            Self::Hindi => "hi",
            Self::Arabic => "ar",
        }
    }

    /// The answer to a first STOP.
    pub const fn opt_out_confirmation(self) -> &'static str {
        words::of(self).confirmation
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| UnknownLanguage(code.to_owned()))
    }
}

impl TryFrom<String> for Language {
    type Error = UnknownLanguage;

    fn try_from(code: String) -> Result<Self, UnknownLanguage> {
        code.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.code().to_owned()
    }
}

impl FromIterator<Language> for Languages {
    fn from_iter<I: IntoIterator<Item = Language>>(languages: I) -> Self {
        let words = |language| {
            let word = move |(keyword, certainty, word): (Keyword, KeywordCertainty, &str)| Word {
                spelling: padded(word.chars()),
                keyword,
                certainty,
                language,
            };
            words::of(language).all().map(word)
        };
        Self(languages.into_iter().flat_map(words).collect())
    }
}

impl Default for Languages {
    fn default() -> Self {
        Language::ALL.into_iter().collect()
    }
}

impl FromStr for Languages {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        text.split(',').map(|code| code.trim().parse()).collect::<Result<_, _>>()
    }
}

#[cfg(test)]
mod tests;
