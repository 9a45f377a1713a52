//! WhatsApp's rules for the variables in the body of a template.
//!
//! Source: Twilio, "Using variables with the Content API".

use super::placeholders::TextPieces;

/// The rule that the variables of a body break; none where they break none.
pub(super) fn broken_rule(body: &str) -> Option<&'static str> {
    let pieces: Vec<_> = TextPieces::of(body).collect();
    let names: Vec<_> = pieces.iter().filter_map(|(_, name)| *name).collect();
    let (first, last) = (pieces.first()?, pieces.last()?);
    if names.is_empty() {
        return None;
    }
    let mut numbers: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.iter().copied().ne(1..=numbers.len()) || names.iter().any(|name| name.parse::<usize>().is_err()) {
        return Some("Variables must be numbers from 1, without gaps");
    }
    if first.0.trim().is_empty() || last.0.trim_matches(|c: char| c.is_whitespace() || c == '.').is_empty() {
        return Some("A variable must not begin or end the body");
    }
    let between = pieces.get(1..pieces.len() - 1).unwrap_or_default();
    if between.iter().any(|(text, _)| text.trim().is_empty()) {
        return Some("Variables must not be next to each other");
    }
    let words: usize = pieces.iter().map(|(text, _)| text.split_whitespace().count()).sum();
    (words < 2 * numbers.len() + 1).then_some("There are too many variables for the length of the body")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_need_words_around_them() {
        let good = ["No variable", "Hello dear {{1}}, welcome", "Your order {{1}} of {{2}} is on its way today"];
        for body in good {
            assert_eq!(broken_rule(body), None, "{body}");
        }
        let bad = [
            "{{1}} is your code today",
            "Your code today is {{1}}.",
            "One {{1}} two {{3}} three four five six",
            "One {{name}} two three",
            "One two {{1}} {{2}} three four five",
            "Hi {{1}} there",
        ];
        for body in bad {
            assert!(broken_rule(body).is_some(), "{body}");
        }
    }
}
