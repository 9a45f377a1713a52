//! How many emojis a text shows.

/// Joins emojis into one, as in a family.
const JOINER: char = '\u{200d}';

/// The emojis of a text, as a person counts them: a flag is one, and so is an emoji with a skin tone or one that is joined of
/// several. Source: Unicode, "UTS #51: Unicode Emoji", whose newest emojis are in the same blocks.
pub(super) fn count(text: &str) -> usize {
    let mut emojis = 0;
    let mut is_joined = false;
    // Two letters make a flag.
    let mut is_second_letter = false;
    for c in text.chars() {
        let is_letter = ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
        let continues = is_joined || (is_letter && is_second_letter);
        if (is_letter || is_emoji(c)) && !continues {
            emojis += 1;
        }
        is_second_letter = is_letter && !is_second_letter;
        is_joined = c == JOINER;
    }
    emojis
}

/// Characters that are shown as an emoji by themselves, and those of the same blocks that are with a variation selector.
fn is_emoji(c: char) -> bool {
    let is_skin_tone = ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    let is_pictograph = ('\u{1f300}'..='\u{1faff}').contains(&c) && !is_skin_tone;
    // A keycap follows its digit.
    let is_keycap = c == '\u{20e3}';
    let is_symbol = ('\u{2600}'..='\u{27bf}').contains(&c) || ('\u{23e9}'..='\u{23fa}').contains(&c);
    let is_other = matches!(c, '\u{231a}' | '\u{231b}' | '\u{2b50}' | '\u{2b55}' | '\u{1f004}' | '\u{1f0cf}');
    is_pictograph || is_keycap || is_symbol || is_other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emojis_are_counted_as_a_person_counts_them() {
        for (text, emojis) in [
            ("Hello, 4 * 2 = 8 © é 漢", 0),
            ("🎉🎉 ✅", 3),
            ("❤\u{fe0f}", 1),
            ("👍🏽", 1),
            ("👨‍👩‍👧‍👦", 1),
            ("🇧🇷🇵🇹", 2),
            ("1\u{fe0f}\u{20e3}", 1),
            ("🏳\u{fe0f}‍🌈", 1),
        ] {
            assert_eq!(count(text), emojis, "{text}");
        }
    }
}
