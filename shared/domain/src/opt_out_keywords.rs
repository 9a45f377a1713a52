//! The keywords by which people opt out of our messages and in again.
//!
//! A message is an opt-out only if the whole message is a keyword, or an unmistakable one with a polite word beside it. A
//! sentence with a keyword in it is not: "stop, the parcel never came" is a complaint. Nor does every word count wherever
//! it is written: a typed CANCEL is an opt-out request, a button that says "Cancel" is an answer ([`KeywordCertainty`]).
//! What people say in other words ([`phrases`]) is marked for a person to read.

use std::borrow::Cow;

mod changes;
mod language;
mod phrases;
mod spelling;
mod words;

pub use changes::{InvalidKeywords, KeywordChanges};
pub use language::{Language, Languages, UnknownLanguage};

use phrases::{Phrase, PhraseStart};
use spelling::padded;

/// What a keyword asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Stop,
    /// To stop marketing, and nothing else: what Meta's own button asks for.
    StopMarketing,
    Start,
    Help,
}

/// Where a word is certain to be a request, from nowhere to everywhere. Each place includes those before it: what is
/// certain on a button is certain where it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeywordCertainty {
    /// Nowhere: it is an ordinary word, and only a person can judge what was meant.
    Nowhere,
    /// Typed as a text message (SMS or RCS), where a law or a provider reserves it.
    InTextMessage,
    /// Typed as the whole message. On a button or in a list it is an ordinary answer, such as "Cancel".
    Typed,
    /// Everywhere: also as the label or the id of a button or a list item.
    Everywhere,
}

/// The keywords that a deployment recognises: those of its languages, and the changes of its configuration. Twilio's
/// unremovable English words count in each language, and a word of several languages belongs to the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keywords {
    /// Sorted by their spelling. The words of one spelling are in the order of the languages.
    words: Vec<Word>,
    /// Sorted by their first word.
    phrases: Vec<PhraseStart>,
    polite_words: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// In the normal spelling.
    spelling: Cow<'static, str>,
    keyword: Keyword,
    certainty: KeywordCertainty,
    language: Language,
}

/// Whether a text is a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordMatch {
    /// The whole text is a keyword.
    Whole(Keyword, Language),
    /// The text has a word or a phrase for stopping in it that does not decide there: no opt-out, but worth a person's
    /// look.
    PossibleOptOut(Language),
    NoKeyword,
}

/// How much of a text is read: the longest keyword is far shorter, and decoration around it is short.
const MAX_CHARS: usize = 200;

/// Classifies a text, where words of at least this certainty decide.
pub fn classify(text: &str, least: KeywordCertainty, keywords: &Keywords) -> KeywordMatch {
    let message = padded(text.chars().take(MAX_CHARS));
    let message = message.trim_ascii();
    let is_whole = text.chars().nth(MAX_CHARS).is_none();
    // "Stop?" is a STOP still, "Parar?" is a question.
    let least = if is_question(text) { KeywordCertainty::Everywhere } else { least };
    if is_whole
        && let Some(word) =
            keywords.whole(message, least).or_else(|| keywords.polite(message, KeywordCertainty::Everywhere))
    {
        return KeywordMatch::Whole(word.keyword, word.language);
    }
    let ordinary = keywords.polite(message, KeywordCertainty::Nowhere).filter(|_| is_whole);
    ordinary
        .map(|word| word.language)
        .or_else(|| keywords.stop_within(message, KeywordCertainty::Typed))
        .map_or(KeywordMatch::NoKeyword, KeywordMatch::PossibleOptOut)
}

/// The language of a word or a phrase in the text that means an opt-out wherever it is written, such as "unsubscribe".
pub fn unmistakable_stop(text: &str, keywords: &Keywords) -> Option<Language> {
    let message = padded(text.chars().take(MAX_CHARS));
    keywords.stop_within(message.trim_ascii(), KeywordCertainty::Everywhere)
}

impl Keywords {
    /// The keywords of these languages.
    pub fn of(languages: &Languages) -> Self {
        let word =
            |language, (keyword, certainty, word)| Word { spelling: Cow::Borrowed(word), keyword, certainty, language };
        let words =
            languages.iter().flat_map(|language| words::of(language).all().map(move |each| word(language, each)));
        let phrases = languages.iter().flat_map(Phrase::of);
        let phrases = phrases.flat_map(Phrase::starts);
        let polite = languages.iter().flat_map(|language| words::of(language).polite.iter().copied());
        let (words, phrases, polite_words) = (words.collect(), phrases.collect(), polite.collect());
        let mut keywords = Self { words, phrases, polite_words };
        keywords.words.sort_by(|one, other| one.spelling.cmp(&other.spelling));
        keywords.phrases.sort_unstable_by_key(PhraseStart::stem);
        keywords
    }

    /// The keyword of at least this certainty that a message is.
    fn whole(&self, message: &str, least: KeywordCertainty) -> Option<&Word> {
        let start = self.words.partition_point(|word| *word.spelling < *message);
        let same = self.words.iter().skip(start).take_while(|word| word.spelling == message);
        same.into_iter().find(|word| word.certainty >= least)
    }

    /// The word for stopping, of at least this certainty, that a message is besides polite words, as in "stop, please".
    fn polite(&self, message: &str, least: KeywordCertainty) -> Option<&Word> {
        let mut request = Some(message);
        while let Some(message) = request {
            let word = self.whole(message, least).filter(|word| word.keyword.is_stop());
            if word.is_some() {
                return word;
            }
            request = self.without_polite_word(message);
        }
        None
    }

    fn without_polite_word<'a>(&self, message: &'a str) -> Option<&'a str> {
        self.polite_words.iter().find_map(|polite| {
            let before = message.strip_prefix(polite).and_then(|rest| rest.strip_prefix(' '));
            before.or_else(|| message.strip_suffix(polite).and_then(|rest| rest.strip_suffix(' ')))
        })
    }

    /// The language of a word for stopping, of at least this certainty, or of a phrase, anywhere in a message. An ordinary
    /// word in a sentence, such as "end", says nothing. On a button a single word is too little for a phrase.
    fn stop_within(&self, message: &str, least: KeywordCertainty) -> Option<Language> {
        let mut rest = message;
        while !rest.is_empty() {
            if let Some(language) =
                self.stop_at_the_start(rest, least).or_else(|| self.phrase_at_the_start(rest, least))
            {
                return Some(language);
            }
            rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
        }
        None
    }

    fn stop_at_the_start(&self, text: &str, least: KeywordCertainty) -> Option<Language> {
        let first = first_word(text);
        let start = self.words.partition_point(|word| first_word(&word.spelling) < first);
        let begins = |word: &&Word| {
            let rest = text.strip_prefix(&*word.spelling);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let mut candidates = self.words.iter().skip(start).take_while(|word| first_word(&word.spelling) == first);
        candidates
            .find(|word| word.keyword.is_stop() && word.certainty >= least && begins(word))
            .map(|word| word.language)
    }

    /// The words that a phrase can begin with are narrowed down letter by letter, which most words end at the third.
    fn phrase_at_the_start(&self, text: &str, least: KeywordCertainty) -> Option<Language> {
        let first = first_word(text);
        let counts = |start: &&PhraseStart| least < KeywordCertainty::Everywhere || start.has_several_words();
        let mut starts = self.phrases.as_slice();
        for (index, letter) in first.char_indices() {
            let (read, unread) = text.split_at(index + letter.len_utf8());
            starts = starts.split_at(starts.partition_point(|start| start.stem() < read)).1;
            starts = starts.split_at(starts.partition_point(|start| start.stem().starts_with(read))).0;
            let mut candidates = starts.iter().take_while(|start| start.stem() == read).filter(counts);
            if let Some(start) = candidates.find(|start| start.goes_on(unread)) {
                return Some(start.language);
            }
            if starts.is_empty() {
                return None;
            }
        }
        None
    }
}

fn is_question(text: &str) -> bool {
    text.contains(['?', '？', '؟', '¿'])
}

fn first_word(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(first, _)| first)
}

impl Default for Keywords {
    fn default() -> Self {
        Self::of(&Languages::default())
    }
}

impl Keyword {
    /// Whether it asks for fewer messages.
    const fn is_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopMarketing)
    }
}

#[cfg(test)]
mod tests;
