//! A webhook that Twilio signed and that DynamoDB did not store in time, as a message of the spool queue.
//!
//! The message holds what recording needs: the form, the path, the notification and the attempt that the URL names, and the time
//! of arrival. It has neither the signature nor the rest of the query, in which an operator may have put a secret. The form is
//! trusted as one in the Messages table is: the function that verified it is the only one that may write to the queue.

use std::fmt;

use domain::{callback_url::CallbackOrigin, limits::MAX_FORM_BYTES, notification::NotificationId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stores::format::Format;
use twilio_webhook::form::Form;

use crate::queues::{MESSAGE_BYTES, MessageBody, UnreadableBody, format};

const FORMAT: Format = Format::new("a spooled webhook", 1);

/// A form of Twilio is percent-encoded, which makes a byte three at most. Its path has fewer than the 10,240 bytes of a request's
/// line and headers (Amazon API Gateway, "Quotas for HTTP APIs"), of which JSON makes six times as many at most.
const _: () = assert!(3 * MAX_FORM_BYTES + 6 * 10_240 + 10_000 < MESSAGE_BYTES, "every webhook can be spooled");

/// The webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct SpooledWebhook {
    pub form: Form,
    /// The path of the URL that it came to.
    pub path: String,
    pub origin: Option<CallbackOrigin>,
    pub arrived_at: Timestamp,
}

impl fmt::Debug for SpooledWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledWebhook").field("arrived_at", &self.arrived_at).finish_non_exhaustive()
    }
}

/// The body of a message.
#[derive(Serialize, Deserialize)]
struct Body {
    arrived_at: Timestamp,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// As Twilio posts it: parameters with their values, percent-encoded.
    form: String,
}

#[derive(Serialize, Deserialize)]
struct Origin {
    notification_id: NotificationId,
    attempt: u32,
}

impl SpooledWebhook {
    /// The body of its message.
    pub fn body(&self) -> MessageBody {
        let origin = self.origin.clone();
        let body = Body {
            arrived_at: self.arrived_at,
            path: self.path.clone(),
            origin: origin.map(|CallbackOrigin { notification_id, attempt }| Origin { notification_id, attempt }),
            form: self.form.encode(),
        };
        MessageBody::json(format::write(FORMAT, &body))
    }

    /// Reads the body of a message.
    pub fn read(body: &str) -> Result<Self, UnreadableBody> {
        let Body { arrived_at, path, origin, form } = format::read(FORMAT, body)?;
        Ok(Self {
            form: Form::parse(form.as_bytes()),
            path,
            origin: origin.map(|Origin { notification_id, attempt }| CallbackOrigin { notification_id, attempt }),
            arrived_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn webhook(form: &[u8]) -> SpooledWebhook {
        SpooledWebhook {
            form: Form::parse(form),
            path: "/twilio/status".to_owned(),
            origin: CallbackOrigin::in_query("attempt=2&notification=order%201&key=secret"),
            arrived_at: "2026-11-20T09:00:00.123456789Z".parse().unwrap(),
        }
    }

    /// As a function of this version wrote it: the queue may hold such messages for 14 days after an update.
    #[test]
    fn message_of_version_1_is_read() {
        let body = r#"{"format":1,"arrived_at":"2026-11-20T09:00:00.123456789Z","path":"/twilio/status",
            "origin":{"notification_id":"order 1","attempt":2},"form":"AccountSid=AC1&Body=a+%26b"}"#;
        assert_eq!(SpooledWebhook::read(body).unwrap(), webhook(b"AccountSid=AC1&Body=a+%26b"));
        let body = r#"{"format":1,"arrived_at":"2026-11-20T09:00:00Z","path":"/","form":""}"#;
        assert_eq!(SpooledWebhook::read(body).unwrap().origin, None);
    }

    #[test]
    fn message_of_another_version_is_not_read() {
        let refused = SpooledWebhook::read(r#"{"format":2,"webhook":{}}"#).unwrap_err();
        assert!(matches!(refused, UnreadableBody::Format(_)), "{refused}");
        for body in ["", "{}", r#"{"format":1}"#] {
            assert!(matches!(SpooledWebhook::read(body), Err(UnreadableBody::Malformed { .. })), "{body}");
        }
    }

    #[test]
    fn query_and_texts_are_not_shown() {
        let webhook = webhook(b"Body=private");
        assert!(!webhook.body().as_str().contains("secret"), "of the query only the notification is kept");
        assert!(!format!("{webhook:?}").contains("private"));
    }

    /// A control character is one byte of a body that is not percent-encoded, and three bytes of one that is.
    #[test]
    fn longest_form_fits_into_a_message() {
        let mut form = webhook(&b"\x01".repeat(MAX_FORM_BYTES));
        form.path = "\x01".repeat(10_240);
        assert!(form.body().as_str().len() < MESSAGE_BYTES, "{}", form.body().as_str().len());
    }

    proptest! {
        #[test]
        fn any_webhook_is_read_back(form in prop::collection::vec(any::<u8>(), 0..300), path: String) {
            let webhook = SpooledWebhook { path, ..webhook(&form) };
            prop_assert_eq!(SpooledWebhook::read(webhook.body().as_str()).unwrap(), webhook);
        }
    }
}
