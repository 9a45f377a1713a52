//! A signed form that is neither a message from a person nor a status of a message: it is kept as it came.

use std::fmt;

use domain::{
    digest::sha256_hex,
    limits::{Retention, expiry},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;
use twilio_webhook::{
    form::{Form, RawForm},
    signature::TrustedForm,
    webhook::UnknownWebhook,
};

use super::{MessageArrival, MessageSubject, Messages, to_item};
use crate::{
    attribute::text_in,
    dynamodb::{Item, StoreError},
};

/// The range key.
const UNKNOWN: &str = "unknown";

/// The SHA-256 of a form's parameters, whatever their order, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FormHash(String);

impl FormHash {
    pub fn of(form: &Form) -> Self {
        let mut pairs: Vec<_> = form.pairs().iter().collect();
        pairs.sort();
        // With their lengths, so that no other parameters give the same text.
        let texts = pairs.into_iter().flat_map(|(name, value)| [name, value]);
        let text = texts.fold(String::new(), |whole, text| whole + &text.len().to_string() + ":" + text);
        Self(sha256_hex(text.as_bytes()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FormHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item of such a form.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredForm {
    /// Always `unknown`.
    event: String,
    pub account_sid: AccountSid,
    pub received_at: Timestamp,
    /// In seconds since 1970.
    pub expires_at: i64,
    /// The path of the URL that it came to.
    pub path: String,
    /// The form that Twilio sent.
    pub raw: RawForm,
    /// The names of the parameters that are missing or cannot be read.
    pub unreadable_parameters: Vec<String>,
}

impl fmt::Debug for StoredForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredForm")
            .field("account_sid", &self.account_sid)
            .field("received_at", &self.received_at)
            .field("path", &self.path)
            .field("unreadable_parameters", &self.unreadable_parameters)
            .finish_non_exhaustive()
    }
}

impl StoredForm {
    pub fn new(
        webhook: &UnknownWebhook,
        form: TrustedForm<'_>,
        path: &str,
        arrival: MessageArrival,
        retention: Retention,
    ) -> Self {
        Self {
            event: UNKNOWN.to_owned(),
            account_sid: webhook.account_sid.clone(),
            received_at: arrival.at,
            expires_at: expiry(arrival.at, retention.into()),
            path: path.to_owned(),
            raw: form.form().to_raw(),
            unreadable_parameters: webhook.unreadable_parameters.clone(),
        }
    }

    pub fn hash(&self) -> FormHash {
        FormHash::of(&Form::from(self.raw.clone()))
    }

    /// The hash key.
    pub fn subject(&self) -> MessageSubject {
        MessageSubject::Form(self.account_sid.clone(), self.hash())
    }

    /// Whether an item of the Messages table is such a form.
    pub fn is_in(item: &Item) -> bool {
        text_in(item, "event") == Some(UNKNOWN)
    }
}

impl Messages {
    /// Records a form unless it is recorded already, with one request in both cases.
    pub async fn record_form(&self, form: &StoredForm) -> Result<FormOutcome, StoreError> {
        let operation = "recording a form in the Messages table";
        let item = to_item(operation, form, &form.subject())?;
        Ok(match self.put_first(operation, item).await? {
            None => FormOutcome::First,
            Some(_) => FormOutcome::Duplicate,
        })
    }

    /// Reads an item of such a form.
    pub fn read_form(item: Item) -> Result<StoredForm, StoreError> {
        super::read("reading a form of the Messages table", item)
    }
}

/// What became of recording a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormOutcome {
    First,
    Duplicate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_hash_in_any_order_of_its_parameters() {
        let hash = |form: &str| FormHash::of(&Form::parse(form.as_bytes()));
        assert_eq!(hash("a=1&b=2&a=3"), hash("a=3&b=2&a=1"));
        for other in ["a=1&b=2", "a=1&b=2&a=3&a=3", "a=1%26b=2&a=3", "a=1&b=2&a=3&=", "a%3D1=&b=2&a=3"] {
            assert_ne!(hash("a=1&b=2&a=3"), hash(other), "{other}");
        }
    }

    #[test]
    fn a_form_is_read_back_from_its_item_and_debug_hides_it() {
        let form = Form::parse(b"AccountSid=AC00000000000000000000000000000001&EventType=secret&=&a=1&a=2");
        let trusted = TrustedForm::Stored(&form);
        let twilio_webhook::webhook::Webhook::Unknown(unknown) = twilio_webhook::webhook::Webhook::of(trusted).unwrap()
        else {
            panic!("expected an unknown form")
        };
        let arrival = MessageArrival::webhook("2026-11-20T09:00:00.123Z".parse().unwrap());
        let stored = StoredForm::new(&unknown, trusted, "/twilio/status", arrival, Retention::default());
        assert_eq!(stored.hash(), FormHash::of(&form));
        let item = to_item("", &stored, &stored.subject()).unwrap();
        assert!(StoredForm::is_in(&item));
        assert_eq!(Messages::read_form(item).unwrap(), stored);
        assert!(!format!("{stored:?}").contains("secret"));
    }
}
