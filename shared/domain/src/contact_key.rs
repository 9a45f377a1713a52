//! The key of a person in the Contacts table.

use std::fmt;

use twilio_types::{
    address::{Address, Channel, E164, Identity, Recipient},
    sid::AccountSid,
};
use twilio_webhook::{inbound_message::InboundMessage, status_callback::StatusCallback};

/// `account_sid#identity`. A person who writes to two accounts is two contacts, since a suppression holds within the
/// account that received it. A phone number is stored in its canonical spelling, so that a STOP from one spelling holds
/// for all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactKey(String);

impl fmt::Debug for ContactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactKey").field("account_sid", &self.account_sid()).finish_non_exhaustive()
    }
}

impl ContactKey {
    pub fn new(account_sid: &AccountSid, identity: &Identity) -> Self {
        match identity {
            Identity::Phone(number) => Self::of_phone(account_sid, number),
            Identity::User(id) => Self(format!("{account_sid}#{id}")),
            Identity::Opaque(id) => Self(format!("{account_sid}#{id}")),
        }
    }

    /// The key of the person to whom a notification is sent.
    pub fn of(account_sid: &AccountSid, recipient: &Recipient) -> Self {
        Self::new(account_sid, &recipient.clone().into())
    }

    pub fn of_phone(account_sid: &AccountSid, number: &E164) -> Self {
        Self(format!("{account_sid}#{}", number.canonical()))
    }

    /// The key of the person who wrote a message.
    pub fn of_sender(message: &InboundMessage) -> Self {
        Self::new(&message.account_sid, &message.from.identity)
    }

    /// Every key of the person who wrote a message: [`ContactKey::of_sender`], and those of the WhatsApp user id and of
    /// the parent id that the message names beside it.
    pub fn all_of_sender(message: &InboundMessage) -> Vec<Self> {
        let details = &message.details;
        let ids = [&details.external_user_id, &details.parent_external_user_id];
        let named = ids.into_iter().filter_map(|id| id.as_deref()?.parse::<Address>().ok());
        let named = named.filter(is_of_one_person);
        let mut keys = vec![Self::of_sender(message)];
        for key in named.map(|address| Self::new(&message.account_sid, &address.identity)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// The key of the recipient of a message, if its status callback names the recipient.
    pub fn of_recipient(callback: &StatusCallback) -> Option<Self> {
        callback.to.as_ref().map(|to| Self::new(&callback.account_sid, &to.identity))
    }

    /// A key as the table holds it.
    pub fn stored(key: &str) -> Self {
        Self(key.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The phone number or the user id, without the account.
    pub fn address(&self) -> &str {
        self.0.split_once('#').map_or("", |(_, address)| address)
    }

    /// The key of another address within the same account.
    #[must_use]
    pub fn beside(&self, address: &str) -> Self {
        Self(format!("{}#{address}", self.account_sid()))
    }

    /// Whether the identity is a phone number.
    pub fn is_number(&self) -> bool {
        self.address().starts_with('+')
    }

    fn account_sid(&self) -> &str {
        self.0.split_once('#').map_or("", |(account_sid, _)| account_sid)
    }
}

/// Whether what a message names beside its sender is an id that one person alone has. A text that is no id, such as
/// `unknown`, may come with the messages of many, and would make all of them one person.
fn is_of_one_person(named: &Address) -> bool {
    let is_visible = |id: &str| !id.chars().any(|c| c.is_whitespace() || c.is_control());
    match &named.identity {
        Identity::User(_) => true,
        Identity::Opaque(id) => named.channel == Channel::WhatsApp && is_visible(id),
        Identity::Phone(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use twilio_webhook::{form::Form, inbound_message::InvalidForm, signature::TrustedForm};

    use super::*;

    const TEXT: &str = "SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0&ProfileName=Ava&MessageType=text\
        &SmsSid=SM00000000000000000000000000000001&WaId=14155550123&SmsStatus=received&Body=Where+is+my+order%3F\
        &To=whatsapp%3A%2B14155238886&NumSegments=1&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000001\
        &AccountSid=AC00000000000000000000000000000001&From=whatsapp%3A%2B14155550123&ApiVersion=2010-04-01";

    fn parse(form: &str) -> Result<InboundMessage, InvalidForm> {
        InboundMessage::parse(TrustedForm::Stored(&Form::parse(form.as_bytes())))
    }

    #[test]
    fn the_sender_of_a_message_is_a_contact() {
        let key = ContactKey::of_sender(&parse(TEXT).unwrap());
        assert_eq!(key.as_str(), "AC00000000000000000000000000000001#+14155550123");
    }

    #[test]
    fn the_recipient_of_a_status_callback_is_a_contact() {
        let form = TEXT
            .replace("SmsStatus=received", "MessageStatus=sent")
            .replace("To=whatsapp%3A%2B14155238886", "To=whatsapp%3A%2B14155550123");
        let callback = StatusCallback::parse(TrustedForm::Stored(&Form::parse(form.as_bytes()))).unwrap();
        let key = ContactKey::of_recipient(&callback).unwrap();
        assert_eq!(key.as_str(), "AC00000000000000000000000000000001#+14155550123");
    }

    #[test]
    fn a_sender_without_a_phone_number_is_a_contact() {
        let message =
            parse(&TEXT.replace("From=whatsapp%3A%2B14155550123", "From=whatsapp%3AUS.1349120865530")).unwrap();
        assert_eq!(ContactKey::of_sender(&message).as_str(), "AC00000000000000000000000000000001#US.1349120865530");
    }

    #[test]
    fn a_sender_has_a_key_for_each_identity_in_the_message() {
        let number = "AC00000000000000000000000000000001#+14155550123";
        let id = "AC00000000000000000000000000000001#US.13";
        let parent = "AC00000000000000000000000000000001#US.ENT.14";
        let both = "&ExternalUserId=whatsapp%3AUS.13&ParentExternalUserId=whatsapp%3AUS.ENT.14";
        let cases = [
            ("%2B14155550123", both, vec![number, id, parent]),
            ("US.ENT.14", both, vec![parent, id]),
            ("us.ent.14", both, vec![parent, id]),
            ("%2B14155550123", "", vec![number]),
            ("%2B14155550123", "&ExternalUserId=whatsapp%3AUS.13", vec![number, id]),
            ("US.13", "&ExternalUserId=whatsapp%3AUS.13", vec![id]),
            ("US.13", "", vec![id]),
            ("%2B14155550123", "&ExternalUserId=whatsapp%3A%2B14155550199", vec![number]),
            ("%2B14155550123", "&ExternalUserId=whatsapp%3A+", vec![number]),
            ("%2B14155550123", "&ExternalUserId=unknown&ParentExternalUserId=+", vec![number]),
        ];
        for (from, more, expected) in cases {
            let message =
                parse(&format!("{}{more}", TEXT.replace("%2B14155550123&Api", &format!("{from}&Api")))).unwrap();
            assert_eq!(
                ContactKey::all_of_sender(&message).iter().map(ContactKey::as_str).collect::<Vec<_>>(),
                expected,
                "{from}{more}"
            );
        }
    }

    #[test]
    fn contact_keys_of_two_accounts_differ() {
        let account: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let key = ContactKey::new(&account, &"+14155550123".parse().unwrap());
        assert_eq!(key.as_str(), "AC00000000000000000000000000000001#+14155550123");
        assert_eq!(key.address(), "+14155550123");
        assert_eq!(key.beside("US.1#2").as_str(), "AC00000000000000000000000000000001#US.1#2");
        assert_eq!(key.beside("US.1#2").address(), "US.1#2");
    }

    #[test]
    fn a_recipient_is_the_contact_of_its_number_or_user_id() {
        let account: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        for text in ["+5511987654321", "US.ENT.1349"] {
            let key = ContactKey::of(&account, &text.parse().unwrap());
            assert_eq!(key, ContactKey::new(&account, &text.parse().unwrap()));
            assert_eq!(key.address(), text);
        }
    }

    #[test]
    fn all_spellings_of_a_number_are_one_contact() {
        let account: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        for (one, other) in [
            ("+5511987654321", "+551187654321"),
            ("+5215512345678", "+525512345678"),
            ("+5491123456789", "+541123456789"),
        ] {
            let written = ContactKey::new(&account, &one.parse().unwrap());
            assert_eq!(written, ContactKey::of_phone(&account, &other.parse().unwrap()), "{one}");
        }
    }
}
