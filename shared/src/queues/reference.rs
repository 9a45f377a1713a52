//! A message that names a stored notification. What it says is read from the table when the message is received, so that no
//! text and no one-time password is copied to a queue, and a notification that has ended meanwhile is not sent.

use domain::notification::NotificationId;
use serde::{Deserialize, Serialize};
use stores::format::Format;
use twilio_types::sid::AccountSid;

use super::{
    body::MessageBody,
    format::{self, UnreadableBody},
};

const FORMAT: Format = Format::new("the name of a stored notification", 1);

/// The name of a stored notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationReference {
    pub account_sid: AccountSid,
    pub id: NotificationId,
    /// How many messages in a row the send function has sent to itself for it, with this one.
    #[serde(default)]
    pub hops: u8,
}

/// The body of the message. A notification has no such field.
#[derive(Serialize, Deserialize)]
struct ReferenceBody {
    stored_notification: NotificationReference,
}

impl NotificationReference {
    /// The body of its message.
    pub fn body(&self) -> MessageBody {
        MessageBody::json(format::write(FORMAT, &ReferenceBody { stored_notification: self.clone() }))
    }

    /// Reads the body of a queue message; none if it is something else, such as a notification.
    ///
    /// # Errors
    ///
    /// It is a name that this release cannot read.
    pub fn read(body: &str) -> Result<Option<Self>, UnreadableBody> {
        // Most messages are notifications, which are not parsed a second time for this. `body` writes this field first.
        if !body.trim_start().starts_with(r#"{"stored_notification""#) {
            return Ok(None);
        }
        format::read(FORMAT, body).map(|body: ReferenceBody| Some(body.stored_notification))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::body::tests::any_text, *};

    #[test]
    fn a_reference_is_read_back_from_its_message() {
        let reference = NotificationReference {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            id: NotificationId::try_from("order \u{ffff} #1".to_owned()).unwrap(),
            hops: 3,
        };
        assert_eq!(NotificationReference::read(reference.body().as_str()).unwrap(), Some(reference));
    }

    proptest! {
        #[test]
        fn any_id_is_read_back_from_what_sqs_accepts(id in any_text()) {
            let Ok(id) = NotificationId::try_from(id) else { return Ok(()) };
            let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
            let reference = NotificationReference { account_sid, id, hops: 3 };
            let body = reference.body();
            prop_assert_eq!(NotificationReference::read(body.as_str()).unwrap(), Some(reference));
            prop_assert!(body == MessageBody::json(body.as_str()), "nothing is left to escape");
        }
    }

    #[test]
    fn a_notification_is_no_reference() {
        for body in ["", "{}", r#"{"id": "order-1"}"#] {
            assert_eq!(NotificationReference::read(body).unwrap(), None, "{body}");
        }
    }

    /// As the release before wrote it.
    #[test]
    fn reference_without_a_format_is_read() {
        let body =
            r#"{"stored_notification":{"account_sid":"AC00000000000000000000000000000001","id":"order-1","hops":2}}"#;
        assert_eq!(NotificationReference::read(body).unwrap().map(|reference| reference.hops), Some(2));
    }

    #[test]
    fn reference_of_a_later_release_is_refused() {
        for body in [r#"{"stored_notification":{"key":"order-1"},"format":2}"#, r#"{"stored_notification":"order-1"}"#]
        {
            assert!(NotificationReference::read(body).is_err(), "{body}");
        }
    }
}
