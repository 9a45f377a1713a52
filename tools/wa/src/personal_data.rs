//! What is stored of one person, for an export and an erasure.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use domain::{contact_key::ContactKey, identities::PersonIdentities, media::MediaKey, notification::NotificationId};
use futures::TryStreamExt as _;
use serde_json::Value;
use stores::{
    dynamodb::Item,
    notifications::StoredNotification,
    personal_data::{PersonMessage, message_of, notification_of},
};
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{error::CommandError, redaction::redacted_debug, session::Session};

/// What the tables hold of a person.
pub struct PersonalData {
    pub identities: PersonIdentities,
    /// The items of the Contacts table.
    pub contacts: Vec<Item>,
    /// With the keys of their items.
    pub notifications: Vec<(String, StoredNotification)>,
    /// The items of the Messages table.
    pub messages: Vec<(Item, PersonMessage)>,
    /// The files that the stored notifications of this person name, and no other stored notification does.
    pub uploads: HashSet<MediaKey>,
}

redacted_debug!(PersonalData);

/// All identities of a person.
pub async fn identify(session: &Session, contact: &ContactKey) -> Result<PersonIdentities, CommandError> {
    let account_sid = session.account_sid().await?;
    let stored = session.contacts().await?.person(contact).await?;
    let identities = stored.identities().into_iter().chain([contact.clone()]);
    Ok(PersonIdentities::new(account_sid, identities))
}

impl PersonalData {
    /// Reads all of the Messages and the Notifications table: no index has a person.
    pub async fn find(session: &Session, identities: PersonIdentities) -> Result<Self, CommandError> {
        let contacts: Vec<_> = identities.contacts().cloned().collect();
        let contacts = session.contacts().await?.items_of(&contacts).await?;
        let mut found =
            Self { identities, contacts, notifications: Vec::new(), messages: Vec::new(), uploads: HashSet::new() };
        let bar = session.terminal.count("items read");
        found.find_notifications(session, &bar).await?;
        let (ids, messages) = (found.notification_ids(), session.messages().await?);
        let mut pages = std::pin::pin!(messages.all());
        while let Some(page) = pages.try_next().await? {
            bar.inc(page.read);
            let of_person = page.items.into_iter().filter_map(|item| {
                let what = message_of(&item, &found.identities, &ids)?;
                Some((item, what))
            });
            found.messages.extend(of_person);
        }
        bar.finish_and_clear();
        Ok(found)
    }

    async fn find_notifications(
        &mut self,
        session: &Session,
        bar: &crate::terminal::Progress,
    ) -> Result<(), CommandError> {
        let notifications = session.notifications().await?;
        let mut of_others = HashSet::new();
        let mut pages = std::pin::pin!(notifications.all());
        while let Some(page) = pages.try_next().await? {
            bar.inc(page.read);
            for item in page.items {
                let request = item.get("notification_json").and_then(|text| text.as_s().ok());
                let files = request.map(|request| files_of(request)).unwrap_or_default();
                match notification_of(item, &self.identities) {
                    Some(found) => {
                        self.uploads.extend(files);
                        self.notifications.push(found);
                    }
                    None => of_others.extend(files),
                }
            }
        }
        self.uploads.retain(|file| !of_others.contains(file));
        Ok(())
    }

    pub fn notification_ids(&self) -> BTreeSet<NotificationId> {
        self.notifications.iter().map(|(_, stored)| stored.subject.id.clone()).collect()
    }

    /// The messages that the person wrote, with the number of their files.
    pub fn inbound(&self) -> Vec<(MessageSid, u32)> {
        let inbound = self.messages.iter().filter_map(|(item, what)| match what {
            PersonMessage::Inbound { files } => Some((sid_of(item)?, *files)),
            PersonMessage::Other => None,
        });
        inbound.collect()
    }

    /// Everything by which a text may name the person, or something of theirs.
    pub fn traces(&self) -> Traces<'_> {
        let of_messages = self.messages.iter().filter_map(|(item, _)| sid_of(item));
        let attempts = self.notifications.iter().flat_map(|(_, stored)| &stored.progress.attempts);
        let of_attempts = attempts.filter_map(|attempt| attempt.message_sid.clone());
        Traces {
            identities: &self.identities,
            message_sids: of_messages.chain(of_attempts).collect(),
            notifications: self.notification_ids(),
        }
    }
}

/// What names a person, or something of theirs.
pub struct Traces<'a> {
    identities: &'a PersonIdentities,
    message_sids: BTreeSet<MessageSid>,
    notifications: BTreeSet<NotificationId>,
}

impl fmt::Debug for Traces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("identities", &self.identities).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl<'a> Traces<'a> {
    pub fn new(
        identities: &'a PersonIdentities,
        message_sids: impl IntoIterator<Item = MessageSid>,
        notifications: impl IntoIterator<Item = NotificationId>,
    ) -> Self {
        Self {
            identities,
            message_sids: message_sids.into_iter().collect(),
            notifications: notifications.into_iter().collect(),
        }
    }
}

impl Traces<'_> {
    /// Whether a message of a queue is about the person.
    pub fn are_in(&self, text: &str) -> bool {
        let is_named = |id: &NotificationId| {
            let escaped = serde_json::to_string(id.as_str()).unwrap_or_default();
            let escaped = escaped.trim_matches('"');
            // The id alone, or in a key of a table.
            ["\"ID\"", "#ID\"", "#ID#"].iter().any(|form| text.contains(&form.replace("ID", escaped)))
        };
        self.identities.occur_in(text)
            || self.message_sids.iter().any(|sid| text.contains(sid.as_str()))
            || self.notifications.iter().any(is_named)
    }
}

fn sid_of(item: &Item) -> Option<MessageSid> {
    item.get("message_sid")?.as_s().ok()?.parse().ok()
}

/// The folder of the files of a message in the media bucket.
pub fn folder(account_sid: &AccountSid, message_sid: &MessageSid) -> String {
    let key = MediaKey::of_inbound(account_sid, message_sid, 0);
    key.as_str().strip_suffix("0").unwrap_or_default().to_owned()
}

/// The files of the media bucket that a notification names.
fn files_of(request: &str) -> Vec<MediaKey> {
    fn collect(value: &Value, found: &mut Vec<MediaKey>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Array(files)) = fields.get("media") {
                    let keys = files.iter().filter_map(|file| file.get("key")?.as_str()?.parse().ok());
                    found.extend(keys);
                }
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(request).unwrap_or_default(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    #[test]
    fn files_of_all_options_are_found() {
        let media = |key: &str| json!({"type": "media", "media": [{"key": key}, {"url": "https://example.com/a.png"}]});
        let request = json!({"content": media("uploads/a.png"), "fallback": [{"content": media("uploads/b.png")}]});
        let files: Vec<_> = files_of(&request.to_string()).iter().map(|key| key.as_str().to_owned()).collect();
        assert_eq!(files, ["uploads/a.png", "uploads/b.png"]);
        assert!(files_of("no JSON").is_empty());
    }

    #[test]
    fn letter_is_the_persons_by_number_message_or_notification() {
        let contact = ContactKey::stored(&format!("{ACCOUNT}#+14155550123"));
        let identities = PersonIdentities::new(ACCOUNT.parse().unwrap(), [contact]);
        let sid = format!("SM{:032}", 7);
        let traces = Traces::new(&identities, [sid.parse().unwrap()], ["order-1".to_owned().try_into().unwrap()]);
        for text in [
            r#"{"to":"+14155550123"}"#.to_owned(),
            format!(r#"{{"message_sid":"{sid}"}}"#),
            r#"{"notification":{"id":"order-1"}}"#.to_owned(),
            format!(r#"{{"subject":"{ACCOUNT}#order-1#0"}}"#),
        ] {
            assert!(traces.are_in(&text), "{text}");
        }
        assert!(!traces.are_in(r#"{"id":"order-11","to":"+14155550124"}"#));
    }

    #[test]
    fn folder_of_a_message_has_all_its_files() {
        let (account_sid, sid) = (ACCOUNT.parse().unwrap(), format!("SM{:032}", 10).parse().unwrap());
        assert_eq!(folder(&account_sid, &sid), format!("inbound/{account_sid}/{sid}/"));
        assert!(MediaKey::of_inbound(&account_sid, &sid, 3).as_str().starts_with(&folder(&account_sid, &sid)));
    }
}
