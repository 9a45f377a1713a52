//! Reads the parameters of a form, and remembers the names of those that cannot be read.

use std::str::FromStr;

use twilio_types::{
    address::{Address, Identity},
    sid::MessageSid,
};

use crate::form::Form;

/// A parameter that every form of its kind has is missing or malformed. The error leaves its value out, which may be
/// personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
#[non_exhaustive]
pub struct InvalidForm {
    /// The name of the parameter.
    pub field: &'static str,
    /// A correct value, in words.
    pub expected: &'static str,
}

/// The parameters that name the message. Source: Twilio, "Twilio's Request to your Incoming Message Webhook URL", which calls the
/// last two deprecated.
const MESSAGE_SIDS: [&str; 3] = ["MessageSid", "SmsSid", "SmsMessageSid"];

const MESSAGE_SID: InvalidForm =
    InvalidForm { field: "MessageSid", expected: "a message SID: SM or MM and 32 hexadecimal digits" };

/// A form, and the names of its parameters that cannot be read.
pub(crate) struct Fields<'a> {
    form: &'a Form,
    unreadable: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(form: &'a Form) -> Self {
        Self { form, unreadable: Vec::new() }
    }

    /// A parameter that every form of this kind has.
    pub(crate) fn required<T: FromStr>(&self, field: &'static str, expected: &'static str) -> Result<T, InvalidForm> {
        self.form.get(field).and_then(|text| text.parse().ok()).ok_or(InvalidForm { field, expected })
    }

    /// The SID of the message, under the first name that has a readable one.
    pub(crate) fn message_sid(&mut self) -> Result<MessageSid, InvalidForm> {
        MESSAGE_SIDS.into_iter().find_map(|name| self.parsed(name)).ok_or(MESSAGE_SID)
    }

    /// The text of an optional parameter.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.form.get_owned(name)
    }

    /// An optional parameter. What is there and cannot be read is remembered.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.read(name, |text| text.parse().ok())
    }

    /// As [`Fields::parsed`], with another way to read the text.
    pub(crate) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.form.get_filled(name)?;
        let value = read(text);
        if value.is_none() {
            self.mark(name);
        }
        value
    }

    /// A WhatsApp user id with its channel, as it was sent. What is no such id is kept as well, and remembered.
    pub(crate) fn user_id(&mut self, name: &str) -> Option<String> {
        let is_user_id = |text: &str| {
            let address = text.parse::<Address>().ok()?;
            matches!(address.identity, Identity::User(_)).then_some(())
        };
        self.read(name, is_user_id);
        self.text(name)
    }

    /// Remembers that a parameter cannot be read.
    pub(crate) fn mark(&mut self, name: impl Into<String>) {
        self.unreadable.push(name.into());
    }

    /// The names of the parameters that cannot be read.
    pub(crate) fn into_unreadable(self) -> Vec<String> {
        self.unreadable
    }
}
