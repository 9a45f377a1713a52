//! What the tables hold of a person, and how it is deleted.
//!
//! No index has a person, so Messages and Notifications are read as a whole: an erasure and an export are rare, and an index
//! would cost every message a write.
//!
//! - A notification is the person's if they are its recipient.
//! - A form is the person's if one of its parameters names them, but for the text: that may name another person. What became of
//!   an attempt is the person's as its notification is.
//! - An inbound message leaves a marker, its item without anything that was written: `reconcile` and a webhook that comes again
//!   would otherwise store the message again.
//! - A message to the person leaves markers of its statuses: [`crate::erased_status`].

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{contact_key::ContactKey, identities::PersonIdentities, notification::NotificationId};
use futures::Stream;
use jiff::Timestamp;

use crate::{
    attribute::{number, text, text_in, time},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
    format,
    messages::Messages,
    notifications::{Notifications, StoredNotification},
    scan::{ItemPage, scan},
};

const ERASING: &str = "erasing an item of the Messages table";
const ERASING_NOTIFICATION: &str = "erasing an item of the Notifications table";

/// The parameter of a form that a person wrote. It may name others.
const TEXT: &str = "Body";
const INBOUND: &str = "inbound";
/// The attribute of a marker. The stream of the table brings it too, and no event is made of it.
pub const ERASED_AT: &str = "erased_at";
/// The attributes that a marker keeps: what recognises the message, and what forgets the marker.
const KEPT: [&str; 7] = ["subject", "event", "message_sid", "account_sid", "received_at", "expires_at", "source"];

/// What an item of the Messages table is for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonMessage {
    /// The person wrote it. The number of its files is that of the form.
    Inbound { files: u32 },
    /// What is known of a message to the person, or of a file.
    Other,
}

impl Messages {
    /// Every item, page by page.
    pub fn all(&self) -> impl Stream<Item = Result<ItemPage, StoreError>> + '_ {
        scan(&self.client, &self.table, "reading the whole Messages table", |scan| scan.consistent_read(true))
    }

    /// Deletes an item, or makes a marker of the item of an inbound message. A marker in its place is kept.
    pub async fn erase(&self, item: &Item, now: Timestamp) -> Result<(), StoreError> {
        let key: Item =
            ["subject", "event"].into_iter().filter_map(|name| item.get_key_value(name)).map(pair).collect();
        if text_in(item, "event") != Some(INBOUND) {
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
            let delete = delete.condition_expression("attribute_not_exists(#erased)");
            let delete = delete.expression_attribute_names("#erased", ERASED_AT);
            return conditional(ERASING, delete).await.map(drop);
        }
        let mut marker: Item = KEPT.into_iter().filter_map(|name| item.get_key_value(name)).map(pair).collect();
        marker.insert("raw".to_owned(), empty_form());
        marker.insert(ERASED_AT.to_owned(), time(now));
        format::MESSAGE.mark(&mut marker);
        // An item that has expired meanwhile stays away.
        let put = self.client.put_item().table_name(&self.table).set_item(Some(marker));
        conditional(ERASING, put.condition_expression("attribute_exists(subject)")).await.map(drop)
    }
}

/// The form of a marker, without anything that was written.
pub(crate) fn empty_form() -> AttributeValue {
    AttributeValue::M(Item::new())
}

fn pair((name, value): (&String, &AttributeValue)) -> (String, AttributeValue) {
    (name.clone(), value.clone())
}

/// What an item of the Messages table is for a person; none if it is about another person. `notifications` are the ids of the
/// person's notifications.
pub fn message_of(
    item: &Item,
    person: &PersonIdentities,
    notifications: &BTreeSet<NotificationId>,
) -> Option<PersonMessage> {
    if item.contains_key(ERASED_AT) {
        return None;
    }
    let (account_sid, rest) = text_in(item, "subject")?.split_once('#')?;
    if account_sid != person.account_sid().as_str() {
        return None;
    }
    // An attempt has the id of its notification, which may have a number sign in it.
    let of_attempt = rest.rsplit_once('#').and_then(|(id, _)| NotificationId::try_from(id.to_owned()).ok());
    let sender = text_in(item, "person").map(ContactKey::stored);
    let is_of_person = of_attempt.is_some_and(|id| notifications.contains(&id))
        || sender.is_some_and(|sender| person.has(&sender))
        || parameters(item).any(|(name, value)| name != TEXT && person.is_named(value));
    let files = || parameters(item).find(|(name, _)| *name == "NumMedia")?.1.parse().ok();
    match text_in(item, "event") {
        Some(INBOUND) if is_of_person => Some(PersonMessage::Inbound { files: files().unwrap_or_default() }),
        _ => is_of_person.then_some(PersonMessage::Other),
    }
}

/// The parameters of an item's form.
fn parameters(item: &Item) -> impl Iterator<Item = (&str, &str)> {
    let raw = item.get("raw").and_then(|raw| raw.as_m().ok());
    raw.into_iter().flatten().flat_map(|(name, value)| {
        let one = value.as_s().ok().map(String::as_str);
        let several = value.as_l().ok().into_iter().flatten().filter_map(|value| value.as_s().ok());
        one.into_iter().chain(several.map(String::as_str)).map(move |value| (name.as_str(), value))
    })
}

impl Notifications {
    /// Every item, page by page.
    pub fn all(&self) -> impl Stream<Item = Result<ItemPage, StoreError>> + '_ {
        scan(&self.client, &self.table, "reading the whole Notifications table", |scan| scan.consistent_read(true))
    }

    /// Deletes an item of a notification, if it is as it was read, with the items that name its messages.
    pub async fn erase(&self, key: &str, stored: &StoredNotification) -> Result<Erased, StoreError> {
        for message_sid in stored.progress.attempts.iter().filter_map(|attempt| attempt.message_sid.as_ref()) {
            let owner = format!("message#{}#{message_sid}", stored.subject.account_sid);
            self.delete(&owner).await?;
        }
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("notification", text(key))
            .condition_expression("version = :seen")
            .expression_attribute_values(":seen", number(stored.version));
        Ok(match conditional(ERASING_NOTIFICATION, delete).await? {
            ConditionalWrite::Written(_) => Erased::Deleted,
            ConditionalWrite::Refused(_) => Erased::Changed,
        })
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).key("notification", text(key)).send().await;
        delete.map(drop).map_err(|error| StoreError::of_sdk(ERASING_NOTIFICATION, error))
    }
}

/// What became of a notification that was to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    Deleted,
    /// It has changed since it was read, or is not stored any more.
    Changed,
}

/// The notification of an item, with its key, if a person is its recipient. An item that is no notification has none.
pub fn notification_of(item: Item, person: &PersonIdentities) -> Option<(String, StoredNotification)> {
    let key = text_in(&item, "notification")?.to_owned();
    if key.starts_with("message#") {
        return None;
    }
    let stored = StoredNotification::read(item).ok()?;
    let subject = &stored.subject;
    let recipient = subject.recipient.as_ref().map(|recipient| ContactKey::of(&subject.account_sid, recipient));
    let is_of_person = recipient.is_some_and(|recipient| person.has(&recipient));
    is_of_person.then_some((key, stored))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    fn person() -> PersonIdentities {
        let contact = ContactKey::stored(&format!("{ACCOUNT}#+14155550123"));
        PersonIdentities::new(ACCOUNT.parse().unwrap(), [contact])
    }

    fn found(subject: &str, event: &str, more: &Value) -> Option<PersonMessage> {
        let mut item = json!({"subject": subject, "event": event});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let ids = BTreeSet::from(["order#1".to_owned().try_into().unwrap()]);
        message_of(&serde_dynamo::to_item(item).unwrap(), &person(), &ids)
    }

    #[test]
    fn item_is_the_persons_by_form_notification_or_file() {
        let message = format!("{ACCOUNT}#SM1");
        let from = |number: &str| json!({"raw": {"From": format!("whatsapp:{number}"), "NumMedia": "2"}});
        assert_eq!(found(&message, "inbound", &from("+14155550123")), Some(PersonMessage::Inbound { files: 2 }));
        assert_eq!(found(&message, "inbound", &from("+14155550124")), None);
        assert_eq!(
            found(&message, "media#0", &json!({"person": format!("{ACCOUNT}#+14155550123")})),
            Some(PersonMessage::Other)
        );
        assert_eq!(found(&format!("{ACCOUNT}#order#1#0"), "email#bounce", &json!({})), Some(PersonMessage::Other));
        assert_eq!(found(&format!("{ACCOUNT}#order#2#0"), "email#bounce", &json!({})), None);
        let status = json!({"raw": {"To": ["whatsapp:+14155550123", "x"]}});
        assert_eq!(found(&format!("{ACCOUNT}#order#2#0"), "SM1#read", &status), Some(PersonMessage::Other));
        let other_account = "AC00000000000000000000000000000002#SM1";
        assert_eq!(found(other_account, "inbound", &from("+14155550123")), None);
    }

    #[test]
    fn message_of_another_person_who_names_the_person_is_kept() {
        let raw = json!({"raw": {"From": "whatsapp:+14155550124", "Body": "+14155550123"}});
        assert_eq!(found(&format!("{ACCOUNT}#SM1"), "inbound", &raw), None);
    }

    #[test]
    fn marker_is_not_erased_again() {
        let marker = json!({"raw": {}, "erased_at": "2026-11-20T09:00:00.000Z"});
        assert_eq!(found(&format!("{ACCOUNT}#SM1"), "inbound", &marker), None);
        assert_eq!(found(&format!("{ACCOUNT}#order#1#0"), "SM1#read", &marker), None);
    }
}
