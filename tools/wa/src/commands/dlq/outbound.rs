//! A dead letter of the outbound queues: a notification, or the name of a stored one.

use domain::{
    json::without_byte_order_mark,
    lane::Lane,
    notification::{Category, Notification, NotificationId},
    progress::Reopening,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::queues::{LaneUrls, NotificationReference, REASON};
use stores::notifications::StoredNotification;
use twilio_types::sid::AccountSid;

use super::{queue::RawLetter, target::RetryOutcome};
use crate::{error::CommandError, redaction::redacted_debug, session::Session};

/// The reason of a letter that SQS moved itself.
const MOVED_BY_SQS: &str = "send received it 1,000 times without a result: its log says why";
const NO_REASON: &str = "it has no reason: a program other than send put it here";

/// A notification in the dead-letter queue.
pub(super) struct DeadNotification {
    pub(super) account_sid: AccountSid,
    pub(super) id: Option<NotificationId>,
    request: Request,
    /// The stored notification of this id.
    stored: Option<StoredNotification>,
}

redacted_debug!(DeadNotification);

enum Request {
    Notification(Box<Notification>),
    Reference,
    /// The name of a stored notification, which a later release wrote, with what is wrong with it.
    UnreadableReference(String),
    /// Its category as it is written, and what is wrong with it.
    Invalid(Option<String>, String),
}

/// What can be read of a notification that is invalid.
#[derive(Default, Deserialize)]
struct Remains {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    category: Value,
}

impl DeadNotification {
    /// Reads a letter, and what is stored of its notification.
    pub(super) async fn read(session: &Session, letter: &RawLetter) -> Result<Self, CommandError> {
        let mut read = Self::parse(&letter.body, session.account_sid().await?);
        if let Some(id) = &read.id {
            let stored = session.notifications().await?.get(&read.account_sid, id).await?;
            // DynamoDB deletes late.
            read.stored = stored.filter(|stored| stored.expires_at >= Timestamp::now().as_second());
        }
        Ok(read)
    }

    /// `account_sid` is the account of a notification that names none.
    fn parse(body: &str, account_sid: AccountSid) -> Self {
        match NotificationReference::read(body) {
            Ok(None) => {}
            Ok(Some(NotificationReference { account_sid, id, .. })) => {
                return Self { account_sid, id: Some(id), request: Request::Reference, stored: None };
            }
            Err(unreadable) => {
                let request = Request::UnreadableReference(unreadable.to_string());
                return Self { account_sid, id: None, request, stored: None };
            }
        }
        match Notification::parse(body) {
            Ok(notification) => Self {
                account_sid: notification.account_sid.clone().unwrap_or(account_sid),
                id: Some(notification.id.clone()),
                request: Request::Notification(Box::new(notification)),
                stored: None,
            },
            Err(invalid) => {
                let Remains { id, category } = serde_json::from_str(without_byte_order_mark(body)).unwrap_or_default();
                let id = id.as_str().and_then(|id| NotificationId::try_from(id.to_owned()).ok());
                let category = category.as_str().map(str::to_owned);
                Self {
                    account_sid: invalid.account_sid.clone().unwrap_or(account_sid),
                    id,
                    request: Request::Invalid(category, invalid.to_string()),
                    stored: None,
                }
            }
        }
    }

    pub(super) fn category(&self) -> Option<&str> {
        let stored = || self.stored.as_ref()?.subject.category.map(Category::as_str);
        match &self.request {
            Request::Notification(notification) => Some(notification.category.as_str()),
            Request::Reference | Request::UnreadableReference(_) => stored(),
            Request::Invalid(category, _) => category.as_deref(),
        }
    }

    pub(super) fn recipient(&self) -> Option<String> {
        match &self.request {
            Request::Notification(notification) => Some(notification.to.as_str().to_owned()),
            _ => Some(self.stored.as_ref()?.subject.recipient.as_ref()?.as_str().to_owned()),
        }
    }

    /// The notification as it was queued; none if it is not stored any more.
    pub(super) fn request(&self, letter: &RawLetter) -> Option<Value> {
        let text = match self.request {
            Request::Reference => self.stored.as_ref()?.subject.request.as_deref()?,
            _ => &letter.body,
        };
        Some(serde_json::from_str(without_byte_order_mark(text)).unwrap_or_else(|_| Value::String(text.to_owned())))
    }

    /// On which lane a retry would put it; the error says why a retry would not send it.
    pub(super) fn lane(&self, body: &str) -> Result<Lane, String> {
        if self.category() == Some(Category::Authentication.as_str()) {
            return Err("one-time passwords are not kept: request a new one".to_owned());
        }
        let category = match (&self.request, &self.stored) {
            (Request::UnreadableReference(problem), _) => {
                return Err(format!("{problem}; its notification comes again by itself, so it can be dropped"));
            }
            (Request::Invalid(_, problem), _) => {
                return Err(format!("{problem}: correct it, and send it with a new id"));
            }
            (Request::Notification(notification), Some(stored))
                if stored.subject.digest != notification.digest() && !stored.was_unreadable(body) =>
            {
                return Err("its id belongs to a notification with other content: send it with a new id".to_owned());
            }
            (Request::Notification(notification), _) => Some(notification.category),
            (Request::Reference, Some(stored)) => stored.notification().map(|notification| notification.category),
            (Request::Reference, None) => None,
        };
        let category = category.ok_or("it is not stored any more")?;
        match self.stored.as_ref().map(|stored| stored.progress.reopening()) {
            Some(reopening @ Reopening::Final(_)) => Err(reopening.refusal().unwrap_or_default().to_owned()),
            Some(Reopening::Reopened | Reopening::NotEnded) | None => Ok(Lane::of(category)),
        }
    }

    /// Puts it on the queue of its lane, marked as a retry by its reason. The caller deletes the letter afterwards.
    pub(super) async fn retry(
        &self,
        client: &aws_sdk_sqs::Client,
        lanes: &LaneUrls,
        letter: &RawLetter,
    ) -> Result<RetryOutcome, CommandError> {
        let lane = match self.lane(&letter.body) {
            Ok(lane) => lane,
            Err(refusal) => return Ok(RetryOutcome::Refused(refusal)),
        };
        let mut attributes = letter.attributes.clone();
        if !attributes.contains_key(REASON) {
            let text = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String");
            let text = text.string_value(reason(letter)).build();
            attributes.insert(REASON.to_owned(), text.map_err(|error| CommandError::usage(error.to_string()))?);
        }
        let send = client.send_message().queue_url(lanes.of(lane)).message_body(&letter.body);
        let send = send.set_message_attributes(Some(attributes)).message_group_id(self.account_sid.as_str());
        send.send().await.map_err(|error| CommandError::of_sdk("putting a notification on its queue", error))?;
        Ok(RetryOutcome::Retried)
    }
}

/// Why a letter is in the queue.
pub(super) fn reason(letter: &RawLetter) -> &str {
    let otherwise = if letter.is_moved_by_sqs { MOVED_BY_SQS } else { NO_REASON };
    letter.reason().unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use domain::progress::Outcome;
    use serde_json::json;
    use stores::notifications::Subject;

    use super::*;

    fn account_sid() -> AccountSid {
        "AC00000000000000000000000000000001".parse().unwrap()
    }

    fn body(category: &str) -> String {
        let content = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
        json!({"id": "order-1", "to": "+14155550123", "category": category, "content": content}).to_string()
    }

    fn reference() -> String {
        let id = NotificationId::try_from("order-1".to_owned()).unwrap();
        NotificationReference { account_sid: account_sid(), id, hops: 0 }.body().as_str().to_owned()
    }

    fn stored(category: &str, outcome: Option<Outcome>) -> StoredNotification {
        let notification = Notification::parse(&body(category)).unwrap();
        let subject = Subject {
            account_sid: account_sid(),
            id: notification.id.clone(),
            digest: notification.digest(),
            recipient: Some(notification.to.clone()),
            category: Some(notification.category),
            metadata: std::collections::BTreeMap::new(),
            request: Some(body(category)),
        };
        let mut stored = StoredNotification::new(subject, Timestamp::UNIX_EPOCH);
        if let Some(outcome) = outcome {
            stored.progress.end(outcome, "why".to_owned());
        }
        stored
    }

    fn lane(body: &str, stored: Option<StoredNotification>) -> Result<Lane, String> {
        DeadNotification { stored, ..DeadNotification::parse(body, account_sid()) }.lane(body)
    }

    #[test]
    fn a_rejected_notification_goes_to_the_lane_of_its_category() {
        for (category, expected) in
            [("marketing", Lane::Marketing), ("utility", Lane::Standard), ("service", Lane::Urgent)]
        {
            let rejected = || stored(category, Some(Outcome::Rejected));
            assert_eq!(lane(&body(category), Some(rejected())), Ok(expected));
            assert_eq!(lane(&reference(), Some(rejected())), Ok(expected));
            assert_eq!(lane(&body(category), Some(stored(category, None))), Ok(expected), "it has not ended");
            assert_eq!(lane(&body(category), None), Ok(expected), "nothing is stored of it");
        }
    }

    #[test]
    fn what_would_not_be_sent_is_not_retried() {
        let refused = |body: &str, stored, expected: &str| {
            let refusal = lane(body, stored).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        };
        for outcome in [Outcome::Suppressed, Outcome::Expired, Outcome::Cancelled] {
            let refusal = lane(&body("utility"), Some(stored("utility", Some(outcome)))).unwrap_err();
            assert!(!refusal.is_empty(), "{outcome:?}");
        }
        refused(&reference(), None, "not stored any more");
        refused(r#"{"id": "order-1"}"#, None, "to: missing");
        let of_a_later_release = reference().replace(r#""format":1"#, r#""format":9"#);
        refused(&of_a_later_release, None, "has the format 9");
        refused(&of_a_later_release, None, "can be dropped");
        let mut other = stored("utility", Some(Outcome::Rejected));
        other.subject.digest = "another".to_owned();
        refused(&body("utility"), Some(other), "its id belongs to a notification with other content");
    }

    #[test]
    fn a_one_time_password_is_never_retried() {
        let id_alone = json!({"id": "code-1", "category": "authentication"}).to_string();
        for (body, stored) in [
            (body("authentication"), None),
            (id_alone, None),
            (reference(), Some(stored("authentication", Some(Outcome::Rejected)))),
        ] {
            assert!(lane(&body, stored).unwrap_err().starts_with("one-time passwords are not kept"), "{body}");
        }
    }

    #[test]
    fn what_is_left_of_an_invalid_notification_is_shown() {
        let read = DeadNotification::parse(r#"{"id": "order-1", "category": "utility", "colour": 1}"#, account_sid());
        assert_eq!((read.id.as_ref().map(NotificationId::as_str), read.category()), (Some("order-1"), Some("utility")));
        let read = DeadNotification::parse("no JSON", account_sid());
        assert!(read.id.is_none() && read.category().is_none());
    }
}
