//! Texts in the characters that SQS accepts.

use std::fmt::Write as _;

/// A JSON text as the body of a queue message: the same value, written in characters that SQS accepts.
///
/// `serde_json` escapes control characters and writes U+FFFE and U+FFFF as they are. A person can write both in a
/// WhatsApp message, and SQS would refuse that message at every retry.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    /// Escapes what SQS does not accept. In JSON such a character can only be inside a string, where the escape means
    /// the same. A text that came from SQS stays as it is, JSON or not.
    pub fn json(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.chars().all(is_accepted) {
            return Self(text);
        }
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            if is_accepted(character) {
                escaped.push(character);
            } else {
                // Four digits are enough: SQS accepts everything from U+10000 on. Writing to a String never fails.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
        }
        Self(escaped)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text as the value of a message attribute. It is not JSON and has no escapes, so U+FFFD replaces what SQS does not
/// accept.
pub(super) fn attribute_text(text: &str) -> String {
    text.chars().map(|character| if is_accepted(character) { character } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Source: Amazon SQS API Reference, "`SendMessage`" (the body) and "`MessageAttributeValue`" (an attribute's value has the
/// same restrictions).
fn is_accepted(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::{prelude::*, sample::select};
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::queues) fn any_text() -> impl Strategy<Value = String> {
        let odd =
            select(vec!['\u{fffe}', '\u{ffff}', '\0', '\u{1f}', '\u{7f}', '\\', '"', 'u', '\u{fffd}', '\u{1ffff}']);
        prop::collection::vec(prop_oneof![odd, any::<char>()], 1..12).prop_map(String::from_iter)
    }

    #[test]
    fn the_accepted_characters_are_those_of_the_reference() {
        for (accepted, codes) in [
            (true, [0x9, 0xa, 0xd, 0x20, 0x7f, 0xd7ff, 0xe000, 0xfffd, 0x1_0000, 0x1_ffff, 0x10_ffff].as_slice()),
            (false, [0x0, 0x8, 0xb, 0xc, 0xe, 0x1f, 0xfffe, 0xffff].as_slice()),
        ] {
            for code in codes {
                assert_eq!(is_accepted(char::from_u32(*code).unwrap()), accepted, "{code:#x}");
            }
        }
    }

    #[test]
    fn noncharacters_are_escaped_and_the_rest_stays_as_it_is() {
        assert_eq!(MessageBody::json("{\"body\": \"Ñ\u{ffff}👋\"}").as_str(), "{\"body\": \"Ñ\\uffff👋\"}");
        assert_eq!(MessageBody::json("no JSON: \u{fffd}").as_str(), "no JSON: \u{fffd}");
    }

    #[test]
    fn an_attribute_has_a_replacement_for_a_refused_character() {
        assert_eq!(attribute_text("\u{ffff}colour\0: unknown field"), "\u{fffd}colour\u{fffd}: unknown field");
    }

    #[test]
    fn every_character_is_accepted_and_reads_back_equal() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        assert_eq!(all.len(), 1_112_064);
        for text in all.chunks(4_096).map(String::from_iter) {
            let json = json!({text.as_str(): [text]});
            let body = MessageBody::json(json.to_string());
            assert!(body.as_str().chars().all(is_accepted));
            assert_eq!(serde_json::from_str::<Value>(body.as_str()).unwrap(), json);
            assert!(attribute_text(&text).chars().all(is_accepted));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_as_an_attribute(text in any_text()) {
            prop_assert!(attribute_text(&text).chars().all(is_accepted));
            prop_assert_eq!(attribute_text(&text).chars().count(), text.chars().count());
        }

        #[test]
        fn any_json_is_accepted_and_reads_back_equal(key in any_text(), value in any_text()) {
            let json = json!({key: [value]});
            let body = MessageBody::json(json.to_string());
            prop_assert!(body.as_str().chars().all(is_accepted));
            prop_assert_eq!(serde_json::from_str::<Value>(body.as_str()).unwrap(), json);
        }
    }
}
