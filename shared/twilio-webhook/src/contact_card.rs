//! A contact card (vCard), which a person shares: who it is of, and how to reach them.
//!
//! Source: RFC 6350 and, for what phones still write, RFC 2426 and vCard 2.1. Unknown properties are left out. A card that
//! breaks the grammar is read as far as it can be: neither Twilio nor WhatsApp vouches for it.

use std::borrow::Cow;

use serde::Serialize;

use crate::redacted::redacted_debug;

/// A contact card.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ContactCard {
    /// `FN`: the name as it is shown, or the parts of `N` in the order of speech.
    pub name: Option<String>,
    /// `ORG`: the company.
    pub organization: Option<String>,
    /// `TEL`.
    pub phones: Vec<ContactPhone>,
    /// `EMAIL`.
    pub emails: Vec<String>,
}

/// A phone number of a contact card.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ContactPhone {
    /// The number as the card has it.
    pub number: String,
    /// `TYPE`, in lower case, as in `cell`.
    pub kind: Option<String>,
    /// `waid`: the number's WhatsApp id, which WhatsApp adds to the cards that it sends.
    pub wa_id: Option<String>,
}

redacted_debug! {
    ContactCard {}
    ContactPhone { kind }
}

/// The most cards, phones, addresses and parameters that are read: a person shares few, and a file may have any number.
const MOST: usize = 100;

/// A longer line is left out: it is a picture, or made to use up memory.
const LONGEST_LINE: usize = 128 * 1024;

impl ContactCard {
    /// The cards in a text; none where it has no vCard.
    pub fn parse_all(text: &str) -> Vec<Self> {
        let mut cards = Vec::new();
        let mut open: Option<(Self, Option<String>)> = None;
        for line in unfolded(text).filter(|line| line.len() <= LONGEST_LINE) {
            let Some(property) = Property::parse(&line) else { continue };
            match (property.name.as_str(), property.value.trim().to_ascii_uppercase().as_str()) {
                ("BEGIN", "VCARD") => open = Some((Self::default(), None)),
                ("END", "VCARD") => cards.extend(open.take().map(Self::complete)),
                _ => {
                    if let Some((card, name)) = &mut open {
                        card.take(&property, name);
                    }
                }
            }
            if cards.len() == MOST {
                break;
            }
        }
        // A card that was cut off still names a person.
        cards.extend(open.map(Self::complete));
        cards.retain(|card| *card != Self::default());
        cards
    }

    fn complete((card, name): (Self, Option<String>)) -> Self {
        Self { name: card.name.or(name), ..card }
    }

    fn take(&mut self, property: &Property, name: &mut Option<String>) {
        let text = || Some(property.text()).filter(|text| !text.trim().is_empty());
        match property.name.as_str() {
            "FN" => self.name = text().or(self.name.take()),
            "N" => *name = property.full_name(),
            "ORG" => self.organization = property.components().into_iter().next().filter(|org| !org.is_empty()),
            "TEL" if self.phones.len() < MOST => self.phones.extend(text().map(|number| ContactPhone {
                number: number.strip_prefix("tel:").unwrap_or(&number).to_owned(),
                kind: property.parameter("TYPE").map(|kind| kind.to_ascii_lowercase()),
                wa_id: property.parameter("WAID"),
            })),
            "EMAIL" if self.emails.len() < MOST => self.emails.extend(text()),
            _ => {}
        }
    }
}

/// The lines, with those joined that a folded line was split into. One line is in memory, of which only the beginning is kept
/// where it is too long.
fn unfolded(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r')).peekable();
    std::iter::from_fn(move || {
        let mut line = Cow::Borrowed(lines.next()?);
        let mut is_quoted = None;
        while let Some(next) = lines.peek() {
            let rest = if let Some(rest) = next.strip_prefix([' ', '\t']) {
                rest
            } else if line.ends_with('=') && *is_quoted.get_or_insert_with(|| is_quoted_printable(&line)) {
                // A soft line break of quoted-printable, as vCard 2.1 has it.
                line.to_mut().pop();
                next
            } else {
                break;
            };
            if line.len() <= LONGEST_LINE {
                line.to_mut().push_str(rest);
            }
            lines.next();
        }
        Some(line)
    })
}

fn is_quoted_printable(line: &str) -> bool {
    line.split(':').next().is_some_and(|head| head.to_ascii_uppercase().contains("QUOTED-PRINTABLE"))
}

/// A line: `group.NAME;PARAMETER=value:value`.
struct Property {
    /// In upper case, without its group.
    name: String,
    /// The names in upper case.
    parameters: Vec<(String, String)>,
    value: String,
}

impl Property {
    fn parse(line: &str) -> Option<Self> {
        let mut quoted = false;
        let colon = line.find(|character| {
            quoted ^= character == '"';
            character == ':' && !quoted
        })?;
        let (head, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let mut parts = head.split(';');
        let name = parts.next()?.rsplit('.').next()?.trim().to_ascii_uppercase();
        let parameter = |part: &str| match part.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_uppercase(), value.trim().trim_matches('"').to_owned()),
            // vCard 2.1 has types without their name.
            None if part.eq_ignore_ascii_case("QUOTED-PRINTABLE") => ("ENCODING".to_owned(), part.to_owned()),
            None => ("TYPE".to_owned(), part.trim().to_owned()),
        };
        Some(Self { name, parameters: parts.take(MOST).map(parameter).collect(), value: value.to_owned() })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let values = self.parameters.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let values: Vec<_> = values.filter(|value| !value.is_empty()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The whole value, without escapes.
    fn text(&self) -> String {
        unescaped(&self.decoded())
    }

    /// The parts between semicolons, without escapes.
    fn components(&self) -> Vec<String> {
        let decoded = self.decoded();
        let (mut parts, mut escaped) = (vec![String::new()], false);
        for character in decoded.chars() {
            if character == ';' && !escaped {
                parts.push(String::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(character);
            }
            escaped = character == '\\' && !escaped;
        }
        parts.iter().map(|part| unescaped(part)).collect()
    }

    /// Of `N`: prefix, given, additional and family name, and suffix. Source: RFC 6350, section 6.2.2.
    fn full_name(&self) -> Option<String> {
        let parts = self.components();
        let named = [3, 1, 2, 0, 4].into_iter().filter_map(|index| parts.get(index)).filter(|part| !part.is_empty());
        let name = named.cloned().collect::<Vec<_>>().join(" ");
        (!name.is_empty()).then_some(name)
    }

    fn decoded(&self) -> String {
        let encoding = self.parameter("ENCODING").unwrap_or_default();
        if encoding.eq_ignore_ascii_case("QUOTED-PRINTABLE") {
            quoted_printable(&self.value)
        } else {
            self.value.clone()
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

/// `=C3=A4` are the bytes of a character. What is no such code stays as it is.
fn quoted_printable(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.filter(|_| first == b'=').and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_card_of_whatsapp_is_read() {
        let text = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Berg;Ava;;Dr.;\r\nFN:Dr. Ava Berg\r\nORG:Acme\\, Inc.;Sales\r\n\
            item1.TEL;waid=14155550123;type=CELL:+1 415-555-\r\n 0123\r\nitem1.X-ABLabel:Mobile\r\n\
            EMAIL;TYPE=work:ava@example.com\r\nEND:VCARD\r\n";
        let card = ContactCard::parse_all(text);
        let expected = ContactCard {
            name: Some("Dr. Ava Berg".to_owned()),
            organization: Some("Acme, Inc.".to_owned()),
            phones: vec![ContactPhone {
                number: "+1 415-555-0123".to_owned(),
                kind: Some("cell".to_owned()),
                wa_id: Some("14155550123".to_owned()),
            }],
            emails: vec!["ava@example.com".to_owned()],
        };
        assert!(card == [expected], "{:?}", serde_json::to_string(&card));
    }

    #[test]
    fn a_card_without_a_shown_name_has_the_parts_of_its_name() {
        let cards = ContactCard::parse_all("BEGIN:VCARD\nN:Berg;Ava;M.;;\nEND:VCARD\nBEGIN:VCARD\nFN:Ben\nEND:VCARD");
        let names: Vec<_> = cards.iter().map(|card| card.name.as_deref()).collect();
        assert_eq!(names, [Some("Ava M. Berg"), Some("Ben")]);
    }

    #[test]
    fn a_card_of_an_old_phone_is_read() {
        let text = "begin:vcard\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg =\nKlein\nTEL;CELL;PREF:0171 1\nend:vcard";
        let card = ContactCard::parse_all(text).remove(0);
        assert_eq!(card.name.as_deref(), Some("Jörg Klein"));
        assert_eq!(card.phones[0].kind.as_deref(), Some("cell,pref"));
        let uri =
            ContactCard::parse_all("BEGIN:VCARD\nTEL;VALUE=uri;TYPE=\"voice,home\":tel:+1-555\nEND:VCARD").remove(0);
        assert_eq!((uri.phones[0].number.as_str(), uri.phones[0].kind.as_deref()), ("+1-555", Some("voice,home")));
    }

    #[test]
    fn a_text_without_a_card_has_none() {
        for text in ["", "Hello: how are you?", "BEGIN:VCARD\nVERSION:3.0\nEND:VCARD", "TEL:1"] {
            assert!(ContactCard::parse_all(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn file_made_to_use_up_memory_is_read_in_short() {
        let card = |line: &str| format!("BEGIN:VCARD\nFN:Ava\n{line}\nTEL;TYPE=cell:1\nEND:VCARD");
        let picture = format!("PHOTO;ENCODING=b:{}", "\n abcd".repeat(LONGEST_LINE));
        for line in ["\n".repeat(LONGEST_LINE), picture, format!("ORG:{}", ";".repeat(LONGEST_LINE))] {
            let cards = ContactCard::parse_all(&card(&line));
            assert_eq!((cards.len(), cards[0].phones.len(), &cards[0].organization), (1, 1, &None));
        }
        let property = Property::parse(&format!("TEL{}:1", ";a".repeat(LONGEST_LINE))).unwrap();
        assert_eq!(property.parameters.len(), MOST);
        let mut longest = 0;
        unfolded(&"a=b\n c".repeat(LONGEST_LINE)).for_each(|line| longest = longest.max(line.len()));
        assert!(longest <= LONGEST_LINE + 5, "{longest}");
    }

    #[test]
    fn as_many_phones_and_emails_are_read_as_the_limit_says() {
        let lines: Vec<_> = (0..=MOST).map(|number| format!("TEL:{number}\nEMAIL:{number}@example.com")).collect();
        let lines = lines.join("\n");
        let card = ContactCard::parse_all(&format!("BEGIN:VCARD\n{lines}\nEND:VCARD")).remove(0);
        assert_eq!((card.phones.len(), card.emails.len()), (MOST, MOST));
        let last = (card.phones[MOST - 1].number.as_str(), card.emails[MOST - 1].as_str());
        assert_eq!(last, ("99", "99@example.com"), "the first ones are kept");
    }

    #[test]
    fn line_of_the_longest_length_is_read_and_a_longer_one_is_not() {
        let organization = |length: usize| {
            let value = "a".repeat(length - "ORG:".len());
            ContactCard::parse_all(&format!("BEGIN:VCARD\nFN:Ava\nORG:{value}")).remove(0).organization
        };
        assert_eq!(organization(131_072).map(|text| text.len()), Some(131_068));
        assert_eq!(organization(131_073), None);
    }

    #[test]
    fn equals_sign_joins_lines_of_quoted_printable_only() {
        let card = |encoding: &str| {
            let text = format!("BEGIN:VCARD\nFN:Ava\nLOGO;ENCODING={encoding}:aGk=\nTEL:0171 1\nEND:VCARD");
            ContactCard::parse_all(&text).remove(0)
        };
        assert_eq!(card("b").phones.len(), 1, "the end of base64 is no line break");
        assert_eq!(card("QUOTED-PRINTABLE").phones.len(), 0, "the line goes on");
    }

    #[test]
    fn colon_in_quotes_is_a_part_of_its_parameter() {
        let card = ContactCard::parse_all("BEGIN:VCARD\nTEL;TYPE=\"desk: left\":0171 1\nEND:VCARD").remove(0);
        let phone = &card.phones[0];
        assert_eq!((phone.number.as_str(), phone.kind.as_deref()), ("0171 1", Some("desk: left")));
    }

    #[test]
    fn encoding_without_its_name_is_read() {
        let card = ContactCard::parse_all("BEGIN:VCARD\nFN;QUOTED-PRINTABLE:J=C3=B6rg\nEND:VCARD").remove(0);
        assert_eq!(card.name.as_deref(), Some("J\u{f6}rg"));
    }

    #[test]
    fn escaped_backslash_does_not_escape_what_follows() {
        let organization = |value: &str| {
            ContactCard::parse_all(&format!("BEGIN:VCARD\nORG:{value}\nEND:VCARD")).remove(0).organization
        };
        assert_eq!(organization(r"Acme\\;Sales").as_deref(), Some(r"Acme\"));
        assert_eq!(organization(r"Acme\; Sales;North").as_deref(), Some("Acme; Sales"));
    }

    #[test]
    fn debug_shows_nobody() {
        let cards = ContactCard::parse_all("BEGIN:VCARD\nFN:Ava\nTEL;TYPE=cell:+14155550123\nEND:VCARD");
        let shown = format!("{cards:?} {:?}", cards[0].phones);
        assert!(!shown.contains("Ava") && !shown.contains("4155550123"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_failure(text in any::<String>(), lines in prop::collection::vec("(BEGIN:VCARD|END:VCARD|FN|N|TEL|ORG)[;:=\\\\a\" ]{0,8}.{0,8}", 0..12)) {
            ContactCard::parse_all(&text);
            ContactCard::parse_all(&lines.join("\n"));
        }
    }
}
