//! The spelling by which a text is compared with the keywords: what people write to say the same word is the same here.

use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

/// Normalises a text: one space before each word and after the last, and within the words
///
/// - compatibility forms (full width, ligatures, mathematical letters) become plain letters,
/// - accents and invisible characters go, and letters become lower case,
/// - letters that look like Latin ones become Latin ([`plain`]): `ЅТОР` in Cyrillic is `stop`,
/// - a letter that is written three times or more in a row is written once, so that `STOOOP` is `stop`,
/// - three or more single letters are one word, so that `S T O P` and `s.t.o.p` are `stop`.
///
/// Any character that is neither a letter nor a digit separates words, so that `opt-out` is `opt out`.
pub(super) fn padded(text: impl Iterator<Item = char>) -> String {
    let letters = text.nfkd().filter(|c| !is_ornament(*c)).flat_map(char::to_lowercase).filter(|c| !is_ornament(*c));
    let mut words = Spelling::default();
    for c in letters {
        match c {
            // In capitals, ß is written SS.
            'ß' => (0..2).for_each(|_| words.push('s')),
            c if c.is_alphanumeric() || is_combining_mark(c) => words.push(plain(c)),
            _ => words.end_word(),
        }
    }
    words.end_word();
    join_single_letters(words.text)
}

/// Normalised words, in the making.
struct Spelling {
    text: String,
    /// The last character.
    last: char,
    /// How often it was written in a row.
    repeated: usize,
}

impl Default for Spelling {
    fn default() -> Self {
        Self { text: " ".to_owned(), last: ' ', repeated: 1 }
    }
}

impl Spelling {
    /// Appends a character of a word. The third of the same letters in a row removes the second, and no further one
    /// is written. Digits are numbers, which stay as they are.
    fn push(&mut self, c: char) {
        self.repeated = if self.last == c && c.is_alphabetic() { self.repeated + 1 } else { 1 };
        self.last = c;
        match self.repeated {
            1 | 2 => self.text.push(c),
            3 => drop(self.text.pop()),
            _ => {}
        }
    }

    fn end_word(&mut self) {
        if self.last != ' ' {
            self.text.push(' ');
            self.last = ' ';
        }
    }
}

/// Writes each run of three or more words of one letter as one word.
fn join_single_letters(words: String) -> String {
    const RUN: usize = 3;
    let is_single = |word: &&str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none()
    };
    let mut single = 0;
    let has_run = words.split_ascii_whitespace().any(|word| {
        single = if is_single(&word) { single + 1 } else { 0 };
        single == RUN
    });
    if !has_run {
        return words;
    }
    let parts: Vec<&str> = words.split_ascii_whitespace().collect();
    let mut joined = Spelling::default();
    for run in parts.chunk_by(|one, next| is_single(one) && is_single(next)) {
        for word in run {
            word.chars().for_each(|c| joined.push(c));
            if run.len() < RUN {
                joined.end_word();
            }
        }
        joined.end_word();
    }
    joined.text
}

/// The Latin letter that a letter of another script looks like, or the usual one of several spellings of an Arabic
/// letter; any other character is itself.
///
/// The text is in lower case, so a capital that looks like a Latin one is found by its small letter. Source: Unicode
/// Technical Standard 39, "Unicode Security Mechanisms", `confusables.txt`, for the letters of the keywords.
const fn plain(c: char) -> char {
    match c {
        // Cyrillic, Greek, Latin small capitals and other Latin forms.
        'а' | 'α' | 'ᴀ' | 'ɑ' => 'a',
        'в' | 'β' | 'ʙ' => 'b',
        'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'ᴅ' => 'd',
        'е' | 'ε' | 'ᴇ' => 'e',
        'ԍ' | 'ɢ' | 'ɡ' => 'g',
        'н' | 'η' | 'һ' | 'ʜ' => 'h',
        'і' | 'ι' | 'ɪ' | 'ı' | 'ӏ' => 'i',
        'ј' | 'ᴊ' => 'j',
        'к' | 'κ' | 'ᴋ' => 'k',
        'ʟ' => 'l',
        'м' | 'μ' | 'ᴍ' => 'm',
        'ν' | 'ɴ' => 'n',
        'о' | 'ο' | 'σ' | 'ς' | 'ᴏ' | 'օ' => 'o',
        'р' | 'ρ' | 'ᴘ' => 'p',
        'ԛ' => 'q',
        'ʀ' | 'г' => 'r',
        'ѕ' | 'ꜱ' => 's',
        'т' | 'τ' | 'ᴛ' => 't',
        'υ' | 'ᴜ' | 'ս' => 'u',
        'ѵ' | 'ᴠ' => 'v',
        'ԝ' | 'ᴡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'ʏ' => 'y',
        'ζ' | 'ᴢ' => 'z',
        // Arabic: alef maksura and the Persian yeh are written for yeh, heh for teh marbuta, the Persian kaf for kaf.
        'ى' | 'ی' => 'ي',
        'ة' => 'ه',
        'ک' => 'ك',
        // Letters in black circles and squares have no compatibility form.
        '🅐'..='🅩' => nth_letter(c, '🅐'),
        '🅰'..='🆉' => nth_letter(c, '🅰'),
        c => c,
    }
}

/// The Latin letter at the place that a character has after the first of its 26.
#[expect(clippy::cast_possible_truncation, reason = "the callers' ranges have 26 characters")]
const fn nth_letter(c: char, first: char) -> char {
    (b'a' + (c as u32 - first as u32) as u8) as char
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
