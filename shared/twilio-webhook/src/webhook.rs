//! What a form is: a message from a person, the status of a message, neither, or nothing at all.
//!
//! The form itself says it, and not the URL that it came to: the two URLs are easily confused in Twilio's Console.

use twilio_types::{address::Address, message_status::MessageStatus, sid::AccountSid};

use crate::{
    fields::{Fields, InvalidForm},
    form::Form,
    inbound_message::{InboundMessage, is_received},
    redacted::redacted_debug,
    signature::TrustedForm,
    status_callback::{StatusCallback, status},
};

/// A form that Twilio signed, whatever it says.
#[derive(Debug, Clone, PartialEq)]
pub enum Webhook {
    /// A person wrote.
    Inbound(Box<InboundMessage>),
    /// Twilio reports the status of a message.
    Status(Box<StatusCallback>),
    /// Neither, as far as it can be understood.
    Unknown(UnknownWebhook),
    /// Nothing but the account. Twilio sends no such form: it is how an operator's tool tries a signature without effect.
    Empty(AccountSid),
}

/// A form that is neither a message nor a status. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownWebhook {
    /// `AccountSid`: the account that it concerns.
    pub account_sid: AccountSid,
    /// The names of the parameters that are missing or cannot be read, so that it is neither.
    pub unreadable_parameters: Vec<String>,
}

redacted_debug! {
    UnknownWebhook { account_sid, unreadable_parameters }
}

const ACCOUNT_SID: &str = "AccountSid";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inbound,
    Status,
}

impl Webhook {
    /// Tells the kinds of forms apart:
    ///
    /// - A message from a person has the status `received` or `receiving`, or no status.
    /// - The status of a message has another status.
    /// - What lacks the SID of the message, or an address of a message from a person, is neither.
    /// - A form with nothing but an account is empty.
    ///
    /// A form with a new word in `SmsStatus`, without `MessageStatus` and with a text, is a message: only those have a text,
    /// and it may be an opt-out.
    ///
    /// The error is that of a form without an account.
    pub fn of<'a>(form: impl Into<TrustedForm<'a>>) -> Result<Self, InvalidForm> {
        let trusted = form.into();
        let form = trusted.form();
        let account_sid = Fields::of(form).required(ACCOUNT_SID, "an account SID: AC and 32 hexadecimal digits")?;
        if form.pairs().iter().all(|(name, _)| name == ACCOUNT_SID) {
            return Ok(Self::Empty(account_sid));
        }
        let kind = Kind::of(form);
        let known = match kind {
            Kind::Inbound => InboundMessage::parse(trusted).map(|message| Self::Inbound(Box::new(message))),
            Kind::Status => StatusCallback::parse(trusted).map(|callback| Self::Status(Box::new(callback))),
        };
        Ok(known.unwrap_or_else(|_| {
            Self::Unknown(UnknownWebhook { account_sid, unreadable_parameters: kind.missing(form) })
        }))
    }
}

impl Kind {
    fn of(form: &Form) -> Self {
        let is_message = match (form.get_filled("MessageStatus"), form.get_filled("SmsStatus")) {
            (Some(word), _) => is_received(word),
            (None, Some(word)) => is_received(word) || (!is_known(word) && form.get("Body").is_some()),
            (None, None) => true,
        };
        if is_message { Self::Inbound } else { Self::Status }
    }

    /// The names of what a form of this kind has, and this one lacks.
    fn missing(self, form: &Form) -> Vec<String> {
        let mut fields = Fields::of(form);
        let mut missing = Vec::new();
        missing.extend(fields.message_sid().err());
        match self {
            Self::Inbound => {
                missing.extend(fields.required::<Address>("From", "").err());
                missing.extend(fields.required::<Address>("To", "").err());
            }
            Self::Status => missing.extend(status(&mut fields).err()),
        }
        missing.into_iter().map(|error| error.field.to_owned()).collect()
    }
}

fn is_known(word: &str) -> bool {
    word.parse::<MessageStatus>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: &str = "AccountSid=AC00000000000000000000000000000001";
    const SID: &str = "MessageSid=SM00000000000000000000000000000001";

    fn of(form: &str) -> Webhook {
        Webhook::of(TrustedForm::Stored(&Form::parse(form.as_bytes()))).unwrap()
    }

    #[test]
    fn a_form_is_what_its_status_says() {
        for (parameters, is_inbound) in [
            ("SmsStatus=received&Body=STOP", true),
            ("SmsStatus=receiving", true),
            ("MessageStatus=received", true),
            ("SmsStatus=Received", true),
            ("Body=STOP", true),
            ("NumMedia=0", true),
            ("MessageStatus=&Body=", true),
            ("SmsStatus=arrived&Body=STOP", true),
            ("SmsStatus=arrived", false),
            ("SmsStatus=sent&Body=hi", false),
            ("MessageStatus=expired", false),
            ("MessageStatus=expired&SmsStatus=expired&Body=hi", false),
            ("MessageStatus=delivered&SmsStatus=delivered", false),
            ("SmsStatus=undelivered&ErrorCode=30003", false),
        ] {
            let webhook = of(&format!("{ACCOUNT}&{SID}&From=%2B14155550123&To=68849&{parameters}"));
            let expected = if is_inbound { "Inbound" } else { "Status" };
            assert!(format!("{webhook:?}").starts_with(expected), "{parameters}: {webhook:?}");
        }
    }

    #[test]
    fn a_form_that_is_neither_names_what_it_lacks() {
        for (parameters, missing) in [
            ("=", vec!["MessageSid", "From", "To"]),
            ("EventType=onConversationAdded", vec!["MessageSid", "From", "To"]),
            ("MessageSid=SM1&From=%2B14155550123&To=68849", vec!["MessageSid"]),
            ("SmsSid=SM00000000000000000000000000000001&From=&To=68849", vec!["From"]),
            ("MessageSid=SM00000000000000000000000000000001&SmsStatus=received", vec!["From", "To"]),
            ("MessageStatus=sent", vec!["MessageSid"]),
            ("MessageSid=SM00000000000000000000000000000001&MessageStatus=%00", vec!["MessageStatus"]),
        ] {
            match of(&format!("{ACCOUNT}&{parameters}")) {
                Webhook::Unknown(unknown) => assert_eq!(unknown.unreadable_parameters, missing, "{parameters}"),
                other => panic!("{parameters}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_form_with_nothing_but_its_account_is_empty() {
        for form in [ACCOUNT.to_owned(), format!("{ACCOUNT}&{ACCOUNT}")] {
            assert_eq!(of(&form), Webhook::Empty("AC00000000000000000000000000000001".parse().unwrap()), "{form}");
        }
    }

    #[test]
    fn a_form_without_an_account_is_refused() {
        for form in ["", "AccountSid=", "AccountSid=AC1", "=", SID] {
            let form = Form::parse(form.as_bytes());
            assert_eq!(Webhook::of(TrustedForm::Stored(&form)).unwrap_err().field, "AccountSid");
        }
    }

    proptest! {
        /// A form of an account is never refused, and a message with its addresses, or a status, is recognised.
        #[test]
        fn every_form_of_an_account_is_of_a_kind(
            parameters in prop::collection::btree_map(
                prop_oneof![
                    "MessageSid|SmsSid|SmsMessageSid|From|To|Body|NumMedia|MediaUrl[0-9]{1,2}|Latitude|Longitude|OptOutType",
                    "MessageStatus|SmsStatus|ErrorCode|ExternalUserId|Forwarded|MessagingServiceSid|ReferralNumMedia",
                    any::<String>(),
                ],
                prop_oneof![any::<String>(), "[0-9]{1,12}", "whatsapp:\\+[1-9][0-9]{6,14}", Just("received".to_owned())],
                0..12,
            ),
            is_message in any::<bool>(),
        ) {
            let mut form: Vec<(String, String)> = vec![
                ("AccountSid".to_owned(), "AC00000000000000000000000000000001".to_owned()),
                ("MessageSid".to_owned(), "SM00000000000000000000000000000001".to_owned()),
                ("MessageStatus".to_owned(), if is_message { "received" } else { "delivered" }.to_owned()),
                ("From".to_owned(), "ACME Inc".to_owned()),
                ("To".to_owned(), "RCS:+14155550123".to_owned()),
            ];
            form.extend(parameters.clone());
            let whole: Form = form.clone().into_iter().collect();
            let webhook = Webhook::of(TrustedForm::Stored(&whole)).unwrap();
            prop_assert_eq!(matches!(webhook, Webhook::Inbound(_)), is_message);
            prop_assert_eq!(matches!(webhook, Webhook::Status(_)), !is_message);
            // Without its own parameters it may be of any kind.
            let rest: Form = form.into_iter().take(1).chain(parameters).collect();
            prop_assert!(Webhook::of(TrustedForm::Stored(&rest)).is_ok());
        }
    }
}
