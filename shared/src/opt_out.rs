//! The words by which people say whether they want our messages.
//!
//! A message counts when the whole of it is such a word. A sentence that holds one does not: "stop, the parcel never
//! came" is a complaint, not an opt-out. Source for the English words: Twilio, "Customize Users' Opt-in and Opt-out
//! Experience with Advanced Opt-Out" and "Twilio support for opt-out keywords".

use std::str::FromStr;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

mod words;

/// What a word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// An explanation.
    Help,
}

/// A language whose words are known, by its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// `en`
    English,
    /// `es`
    Spanish,
    /// `pt`
    Portuguese,
    /// `fr`
    French,
    /// `de`
    German,
    /// `it`
    Italian,
    /// `nl`
    Dutch,
    /// `id`
    Indonesian,
    /// `hi`
    Hindi,
    /// `ar`
    Arabic,
}

/// The languages that a deployment understands: all that are known, unless configured. Their words are brought into the
/// one spelling that messages are brought into once, at the cold start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    spelling: String,
    keyword: Keyword,
    language: Language,
}

/// A list of languages that names one whose words are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected codes out of en, es, pt, fr, de, it, nl, id, hi, ar with commas between them")]
pub struct UnknownLanguage(String);

/// What a message is, as to opting out and in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The whole message is a keyword.
    Whole(Keyword, Language),
    /// The message begins with a word for stopping and goes on: no opt-out, but worth a person's look.
    NearMiss(Language),
    /// Neither.
    No,
}

/// The longest message that is looked at: the longest keyword has 20 characters, and decoration around it is short.
const MAX_CHARS: usize = 200;

/// Says what a message is.
pub fn classify(text: &str, languages: &Languages) -> Match {
    let message = normalized(text.chars().take(MAX_CHARS + 1));
    if message.is_empty() {
        return Match::No;
    }
    let is_whole = text.chars().nth(MAX_CHARS).is_none();
    if is_whole && let Some(word) = languages.0.iter().find(|word| word.spelling == message) {
        return Match::Whole(word.keyword, word.language);
    }
    let goes_on = |word: &&Word| {
        let rest = message.strip_prefix(word.spelling.as_str());
        rest.is_some_and(|rest| rest.starts_with(|next: char| !next.is_alphanumeric()))
    };
    let begins = languages.0.iter().filter(|word| word.keyword == Keyword::Stop).find(goes_on);
    begins.map_or(Match::No, |word| Match::NearMiss(word.language))
}

/// One spelling for all: compatibility forms (full width, ligatures) made plain, accents and invisible characters
/// dropped, small letters, single spaces, and nothing but letters and digits at both ends.
fn normalized(text: impl Iterator<Item = char>) -> String {
    let plain = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_invisible(*c))
        .flat_map(char::to_lowercase)
        // Small letters of some capitals come with marks of their own (İ), and ß is written ss in capitals.
        .filter(|c| !is_combining_mark(*c));
    let mut message = String::new();
    for c in plain {
        match c {
            'ß' => message.push_str("ss"),
            'ς' => message.push('σ'),
            c if c.is_whitespace() => {
                if !message.ends_with(' ') {
                    message.push(' ');
                }
            }
            c => message.push(c),
        }
    }
    message.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// Characters that take no place: soft hyphen, zero-width spaces and joiners, marks of direction, byte order mark.
///
/// Source: Unicode Standard Annex 44, property `Default_Ignorable_Code_Point`, those that occur in messages.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
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

    /// What a person is told after a first STOP.
    pub const fn opt_out_confirmation(self) -> &'static str {
        words::confirmation(self)
    }
}

impl FromIterator<Language> for Languages {
    fn from_iter<I: IntoIterator<Item = Language>>(languages: I) -> Self {
        let words = |language| {
            let word = move |(keyword, word): &(Keyword, &str)| Word {
                spelling: normalized(word.chars()),
                keyword: *keyword,
                language,
            };
            words::of(language).iter().map(word)
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
        let language = |code: &str| {
            let known = Language::ALL.into_iter().find(|language| language.code() == code.trim());
            known.ok_or_else(|| UnknownLanguage(code.to_owned()))
        };
        text.split(',').map(language).collect()
    }
}

#[cfg(test)]
mod tests;
