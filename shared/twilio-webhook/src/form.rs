//! A form as Twilio posts it: names and values in their order, repetitions kept.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The parameters of an `application/x-www-form-urlencoded` body.
///
/// Values are personal (they hold message bodies), so `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form(Vec<(String, String)>);

/// A form as JSON and tables have it: one value for a name, or a list if the name came repeatedly.
pub type RawForm = BTreeMap<String, RawValue>;

/// The value or values of one name. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RawValue {
    /// The name came once, as it does in Twilio's forms.
    One(String),
    /// The name came more than once.
    Many(Vec<String>),
}

impl Form {
    /// Parses a body. No body is refused: bytes that are not UTF-8 become U+FFFD, which no signature covers.
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The form as a body that [`Form::parse`] reads back: ASCII characters alone, the parameters in their order.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The first value under a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value under a name unless it is empty: Twilio sends optional parameters empty or not at all.
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// [`Form::get_filled`], as an owned text.
    pub fn get_owned(&self, name: &str) -> Option<String> {
        self.get_filled(name).map(str::to_owned)
    }

    /// [`Form::get_filled`], parsed; none if it cannot be parsed.
    pub fn get_parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get_filled(name)?.parse().ok()
    }

    /// All parameters in the order in which they came.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The form by name, for a table or an event.
    pub fn to_raw(&self) -> RawForm {
        let mut raw = RawForm::new();
        for (name, value) in &self.0 {
            match raw.get_mut(name) {
                None => {
                    raw.insert(name.clone(), RawValue::One(value.clone()));
                }
                Some(RawValue::Many(values)) => values.push(value.clone()),
                Some(one @ RawValue::One(_)) => {
                    let first = std::mem::replace(one, RawValue::Many(Vec::new()));
                    if let (RawValue::One(first), RawValue::Many(values)) = (first, one) {
                        values.extend([first, value.clone()]);
                    }
                }
            }
        }
        raw
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<RawForm> for Form {
    fn from(raw: RawForm) -> Self {
        raw.into_iter()
            .flat_map(|(name, value)| {
                let values = match value {
                    RawValue::One(value) => vec![value],
                    RawValue::Many(values) => values,
                };
                values.into_iter().map(move |value| (name.clone(), value))
            })
            .collect()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl fmt::Debug for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_value_is_returned() {
        let form = Form::parse(b"Body=a+b%26c&Body=second&Empty=&From=whatsapp%3A%2B14155550123");
        assert_eq!(form.get("Body"), Some("a b&c"));
        assert_eq!(form.get("From"), Some("whatsapp:+14155550123"));
        assert_eq!(form.get("Empty"), Some(""));
        assert_eq!(form.get_filled("Empty"), None);
        assert_eq!(form.get("Missing"), None);
    }

    #[test]
    fn number_is_parsed_and_what_is_none_is_left_out() {
        let form = Form::parse(b"NumMedia=3&Empty=&Body=three");
        let parsed = |name| form.get_parsed::<u32>(name);
        assert_eq!(["NumMedia", "Empty", "Body", "Missing"].map(parsed), [Some(3), None, None, None]);
    }

    #[test]
    fn the_raw_form_has_repeated_values_as_a_list() {
        let raw = Form::parse(b"A=1&B=2&A=3&A=4").to_raw();
        assert_eq!(serde_json::to_string(&raw).unwrap(), r#"{"A":["1","3","4"],"B":"2"}"#);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let form = Form::parse(b"Body=private");
        assert_eq!(format!("{form:?} {:?}", form.to_raw()), r#"["Body"] {"Body": ...}"#);
    }

    proptest! {
        #[test]
        fn any_form_is_read_back_from_its_body(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let form = Form::parse(&body);
            let encoded = form.encode();
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(Form::parse(encoded.as_bytes()), form);
        }

        #[test]
        fn any_body_is_read_and_its_raw_form_loses_no_value(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let form = Form::parse(&body);
            let mut before = form.pairs().to_vec();
            let mut after = Form::from(form.to_raw()).pairs().to_vec();
            before.sort();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }
}
