//! From bytes to an input near a real one.

use serde_json::{Map, Value, json};

/// Texts that parsers read in different ways: keywords, addresses, numbers, times, and characters at the edges of what stores
/// and queues accept.
const ODD_TEXTS: [&str; 64] = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "10",
    "00",
    "+",
    "1e999",
    "NaN",
    "0x10",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999",
    "1.5",
    "true",
    "null",
    "[]",
    "{}",
    "\"",
    "\\",
    "%",
    "%zz",
    "%25",
    "&",
    "=",
    "#",
    "##",
    "..",
    "../a",
    "/",
    "\0",
    "\u{1}",
    "\t",
    "\r\n",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{200e}",
    "\u{202e}",
    "\u{301}",
    "\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1ffff}",
    "\u{10ffff}",
    "\u{1f44b}",
    "STOP",
    "start",
    "UNSUBSCRIBE",
    "whatsapp:",
    "WhatsApp:+14155550123",
    "rcs:+14155550123",
    "+14155550123",
    "whatsapp:US.13491208655302741918",
    "US.ENT.1",
    "ACME Inc",
    "2026-11-20T09:00:00Z",
    "-009999-01-02T01:59:59Z",
    "9999-12-30T22:00:00.999999999Z",
    "SM00000000000000000000000000000001",
    "delivered",
];

/// Values in place of another.
fn odd_values() -> [Value; 12] {
    [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!([]),
        json!({}),
        json!([[[{"a": [null]}]]]),
        json!({"S": "x"}),
    ]
}

/// Makes inputs from bytes. When the bytes are used up, it mutates no further.
#[derive(Debug)]
pub struct Mutator<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl<'a> Mutator<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    /// The next byte; 0 if there is none any more.
    pub fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or_default()
    }

    fn is_used_up(&self) -> bool {
        self.bytes.len() == 0
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let byte = usize::from(self.byte());
        let number = if end > 256 { byte << 8 | usize::from(self.byte()) } else { byte };
        number % end
    }

    /// One time in that many.
    pub fn one_in(&mut self, times: usize) -> bool {
        !self.is_used_up() && self.below(times) == times - 1
    }

    pub fn one_of<'b, T>(&mut self, choices: &'b [T]) -> &'b T {
        let index = self.below(choices.len());
        &choices[index]
    }

    /// A text that is odd, random, or long.
    pub fn text(&mut self) -> String {
        match self.below(8) {
            0..4 => (*self.one_of(&ODD_TEXTS)).to_owned(),
            4 => self.one_of(&ODD_TEXTS).repeat(1 + self.below(200)),
            5 => {
                let bytes: Vec<u8> = (0..self.below(12)).map(|_| self.byte()).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => (0..=self.below(4)).map(|_| self.character()).collect(),
        }
    }

    fn character(&mut self) -> char {
        let code = u32::from(self.byte()) << 13 | u32::from(self.byte()) << 5 | u32::from(self.byte()) & 31;
        char::from_u32(code % 0x11_0000).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// A text with some changes: a piece replaced, repeated, removed or put in.
    pub fn changed_text(&mut self, text: &str) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let place = self.below(text.len() + 1);
            let end = (place + self.below(6)).min(text.len());
            match self.below(5) {
                0 => drop(text.drain(place..end)),
                1 => drop(text.splice(place..place, self.text().chars().collect::<Vec<_>>())),
                2 => drop(text.splice(place..end, self.text().chars().collect::<Vec<_>>())),
                3 => text.extend_from_within(place..end),
                _ => text[place..end].iter_mut().for_each(|c| {
                    *c = if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
                }),
            }
        }
        text.into_iter().collect()
    }

    /// Bytes, one time in eight with some of them changed.
    pub fn changed_bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.one_in(8) {
            return bytes;
        }
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len() + 1);
            let byte = self.byte();
            match self.below(4) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, byte),
                _ => {
                    if let Some(changed) = bytes.get_mut(place) {
                        *changed = byte;
                    }
                }
            }
        }
        bytes
    }

    /// The parameters of a form near one of these, which are as they are in a body.
    pub fn params(&mut self, seeds: &[String]) -> Vec<(String, String)> {
        let seed = self.one_of(seeds);
        let mut params: Vec<(String, String)> = form_urlencoded::parse(seed.as_bytes()).into_owned().collect();
        for _ in 0..self.below(8) {
            if self.is_used_up() {
                break;
            }
            self.change_params(&mut params);
        }
        params
    }

    fn change_params(&mut self, params: &mut Vec<(String, String)>) {
        if params.is_empty() {
            params.push((self.text(), self.text()));
            return;
        }
        let (place, other) = (self.below(params.len()), self.below(params.len()));
        match self.below(9) {
            0 => drop(params.remove(place)),
            1 => {
                let again = (params[place].0.clone(), self.text());
                params.insert(other, again);
            }
            2 => params.swap(place, other),
            3 => params[place].0 = self.text(),
            4 => params[place].0 = self.changed_text(&params[place].0.clone()),
            5 => params[place].1 = self.changed_text(&params[place].1.clone()),
            6 => params[place].1 = params[other].1.clone(),
            _ => params[place].1 = self.text(),
        }
    }

    /// The body of a form near one of these.
    pub fn form(&mut self, seeds: &[String]) -> Vec<u8> {
        let params = self.params(seeds);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        self.changed_bytes(body.into_bytes())
    }

    /// A JSON value near one of these.
    pub fn json(&mut self, seeds: &[Value]) -> Value {
        let mut value = self.one_of(seeds).clone();
        for _ in 0..self.below(5) {
            if self.is_used_up() {
                break;
            }
            self.change_somewhere(&mut value, seeds);
        }
        value
    }

    /// The text of a JSON value near one of these, also with a field twice, a byte order mark, or broken off.
    pub fn json_text(&mut self, seeds: &[Value]) -> String {
        let value = self.json(seeds);
        let text = match (self.below(16), &value) {
            (15, Value::Object(fields)) => self.with_a_field_twice(fields),
            (14, _) => format!("\u{feff}{value}"),
            _ => value.to_string(),
        };
        String::from_utf8_lossy(&self.changed_bytes(text.into_bytes())).into_owned()
    }

    fn with_a_field_twice(&mut self, fields: &Map<String, Value>) -> String {
        let mut fields: Vec<_> = fields.iter().collect();
        if !fields.is_empty() {
            fields.push(fields[self.below(fields.len())]);
        }
        let fields = fields.into_iter().map(|(name, value)| format!("{}:{value}", json!(name)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    fn change_somewhere(&mut self, value: &mut Value, seeds: &[Value]) {
        match value {
            Value::Object(fields) if !fields.is_empty() && !self.one_in(6) => {
                let name = fields.keys().nth(self.below(fields.len())).cloned().unwrap_or_default();
                self.change_field(fields, &name, seeds);
            }
            Value::Array(items) if !items.is_empty() && !self.one_in(6) => {
                let place = self.below(items.len());
                match self.below(6) {
                    0 => drop(items.remove(place)),
                    1 => items.push(items[place].clone()),
                    _ => self.change_somewhere(&mut items[place], seeds),
                }
            }
            Value::String(text) if !self.one_in(3) => *text = self.changed_text(text),
            _ => *value = self.odd_value(seeds),
        }
    }

    fn change_field(&mut self, fields: &mut Map<String, Value>, name: &str, seeds: &[Value]) {
        match self.below(10) {
            0 => drop(fields.remove(name)),
            1 => {
                let moved = fields.remove(name).unwrap_or_default();
                fields.insert(self.changed_text(name), moved);
            }
            2 => drop(fields.insert(self.text(), json!(self.text()))),
            3 => drop(fields.insert(name.to_owned(), self.odd_value(seeds))),
            _ => {
                if let Some(value) = fields.get_mut(name) {
                    self.change_somewhere(value, seeds);
                }
            }
        }
    }

    fn odd_value(&mut self, seeds: &[Value]) -> Value {
        match self.below(4) {
            0 => self.one_of(&odd_values()).clone(),
            1 => self.one_of(seeds).clone(),
            _ => json!(self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_the_first_seed() {
        let mut mutator = Mutator::new(&[]);
        assert_eq!(mutator.form(&["A=1&B=2".to_owned()]), b"A=1&B=2");
        assert_eq!(mutator.json_text(&[json!({"a": 1})]), r#"{"a":1}"#);
    }

    #[test]
    fn most_inputs_are_changed_and_many_are_still_json() {
        let seed = json!({"id": "order-1", "content": {"type": "text", "variables": [1, 2]}});
        let inputs: Vec<_> = (0..1000_u32)
            .map(|number| {
                let bytes: Vec<u8> =
                    (0..24_u32).map(|index| ((number * 31 + index * 7919) >> 3).to_le_bytes()[0]).collect();
                Mutator::new(&bytes).json_text(std::slice::from_ref(&seed))
            })
            .collect();
        let unchanged = seed.to_string();
        let changed = inputs.iter().filter(|input| **input != unchanged).count();
        let json = inputs.iter().filter(|input| serde_json::from_str::<Value>(input).is_ok()).count();
        assert!(changed > 500 && json > 500, "{changed} changed, {json} JSON");
    }
}
