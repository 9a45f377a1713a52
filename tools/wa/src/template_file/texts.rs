//! The rules for variables in the texts of a template.
//!
//! Source: Twilio, "Using variables with the Content API", "WhatsApp variable rules", and "Message template approvals and
//! statuses".

use serde_json::Value;

use super::emoji;

/// A text, split at its variables: each piece is the text before a variable and the variable's name. The last has no name.
fn pieces(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest
        .split_once("{{")
        .and_then(|(before, from)| from.split_once("}}").map(|(name, after)| (before, name, after)))
    {
        pieces.push((before, Some(name)));
        rest = after;
    }
    pieces.push((rest, None));
    pieces
}

/// The names of the variables in all texts of a value, each once.
pub(crate) fn variables(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(value, &mut names);
    names
}

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for name in pieces(text).into_iter().filter_map(|(_, name)| name) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// What is wrong with the body of a template that WhatsApp is to approve.
pub(super) fn body_problem(body: &str) -> Option<&'static str> {
    if body.contains('\t') || body.contains("     ") {
        return Some("a tab, or more than four spaces in a row");
    }
    if let Some(problem) = link_problem(body) {
        return Some(problem);
    }
    if emoji::count(body) > MAX_EMOJIS {
        return Some("has more than ten emojis");
    }
    let pieces = pieces(body);
    let count = pieces.len() - 1;
    let (first, last) = (pieces.first()?, pieces.last()?);
    if pieces.iter().any(|(text, _)| text.contains("{{") || text.contains("}}")) {
        return Some("has braces without their counterpart: a variable is {{1}}");
    }
    if count == 0 {
        return None;
    }
    if first.0.trim().is_empty() {
        return Some("begins with a variable");
    }
    // Meta counts a variable before the last punctuation mark as one at the end.
    if last.0.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).is_empty() {
        return Some("ends with a variable");
    }
    if pieces.get(1..count).unwrap_or_default().iter().any(|(text, _)| text.trim().is_empty()) {
        return Some("has two variables beside each other: a word must be between them");
    }
    let words: usize = pieces.iter().map(|(text, _)| text.split_whitespace().count()).sum();
    (words < 2 * count + 1).then_some("has too few words for its variables: twice as many and one more")
}

/// What is wrong with the names of the variables of a template that WhatsApp is to approve.
pub(super) fn names_problem(names: &[String]) -> Option<String> {
    let mut numbers: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    if numbers.len() != names.len() || numbers.iter().copied().ne(1..=numbers.len()) {
        return Some(format!("the variables are {}: expected numbers from 1 without gaps", names.join(", ")));
    }
    (names.len() > MAX_VARIABLES)
        .then(|| format!("there are {} variables: expected at most {MAX_VARIABLES}", names.len()))
}

/// Source: Twilio, "Message template approvals and statuses".
const MAX_EMOJIS: usize = 10;
/// Source: Twilio, "Using variables with the Content API".
const MAX_VARIABLES: usize = 100;
/// Source: the same page.
const MAX_SAMPLE_CHARS: usize = 1_600;

pub(super) fn sample_problem(sample: &Value) -> Option<&'static str> {
    let Some(sample) = sample.as_str() else { return Some("expected a text") };
    if sample.trim().is_empty() {
        Some("is empty")
    } else if sample.contains(['\n', '\r', '\t']) || sample.contains("     ") {
        Some("has a line break, a tab, or more than four spaces in a row")
    } else {
        (sample.chars().count() > MAX_SAMPLE_CHARS).then_some("is longer than 1,600 characters")
    }
}

/// Hosts whose links hide where they lead. Source: Meta, "Template review": WhatsApp rejects shortened links.
const SHORTENERS: [&str; 8] = ["bit.ly", "tinyurl.com", "goo.gl", "t.co", "is.gd", "ow.ly", "cutt.ly", "rebrand.ly"];

/// What is wrong with the links of a text. Source: Twilio, "Message template approvals and statuses".
fn link_problem(text: &str) -> Option<&'static str> {
    let hosts = || {
        let words = text.split(|c: char| c.is_whitespace() || ['(', ')', '<', '>', '"'].contains(&c));
        let addresses = words.map(|word| word.split_once("://").map_or(word, |(_, address)| address));
        let hosts = addresses.filter_map(|address| address.split(['/', '?', '#', ',']).next());
        hosts.map(|host| host.trim_start_matches("www.").trim_end_matches('.').to_ascii_lowercase())
    };
    if hosts().any(|host| host == "wa.me" || host == "api.whatsapp.com") {
        return Some("leads to WhatsApp: such links are rejected");
    }
    hosts().any(|host| SHORTENERS.contains(&host.as_str())).then_some("has a shortened link: such links are rejected")
}

/// What is wrong with a URL: where it leads, and where a variable is, which may only follow a slash after the host.
pub(super) fn url_problem(url: &str) -> Option<&'static str> {
    if let Some(problem) = link_problem(url) {
        return Some(problem);
    }
    let (before, _) = url.split_once("{{")?;
    let after_host = before.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    (!after_host).then_some("a variable may only come after a slash behind the host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_needs_words_around_its_variables() {
        for body in
            ["No variable", "Hello dear {{1}}, welcome", "Your order {{1}} of {{2}} is on its way today", "a\nb"]
        {
            assert_eq!(body_problem(body), None, "{body}");
        }
        for body in [
            "{{1}} is your code today",
            "Your code for today is {{1}}!",
            "One two {{1}} {{2}} three four five",
            "Hi {{1}} there",
            "a     b",
            "a\tb",
            "Your order {1}} is on its way today",
            "Your order {{1} is on its way today",
            "Write to https://wa.me/14155550123 for more",
            "Write to WA.ME/14155550123, for more",
            "More at https://bit.ly/2xYz.",
        ] {
            assert!(body_problem(body).is_some(), "{body}");
        }
    }

    #[test]
    fn body_has_at_most_ten_emojis() {
        assert_eq!(body_problem(&format!("Thanks {}", "🎉".repeat(10))), None);
        assert_eq!(body_problem(&format!("Thanks {}", "🎉 ".repeat(11))), Some("has more than ten emojis"));
    }

    #[test]
    fn link_to_a_host_whose_name_is_similar_is_no_problem() {
        for body in ["See https://example.com/bit.ly today", "See https://notbit.ly today", "a wa.metal b"] {
            assert_eq!(body_problem(body), None, "{body}");
        }
    }

    #[test]
    fn variables_are_numbers_without_gaps() {
        let problem = |names: &[&str]| names_problem(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!((problem(&[]), problem(&["2", "1"])), (None, None));
        for names in [&["1", "3"][..], &["name"], &["0"], &["1", "name"]] {
            assert!(problem(names).is_some(), "{names:?}");
        }
    }

    #[test]
    fn variable_of_a_url_follows_a_slash() {
        for url in ["https://e.example/{{1}}", "https://e.example/a?b={{1}}", "https://e.example"] {
            assert_eq!(url_problem(url), None, "{url}");
        }
        for url in ["https://{{1}}", "https://e.example{{1}}", "{{1}}"] {
            assert!(url_problem(url).is_some(), "{url}");
        }
    }
}
