//! What became of a file that a person sent: stored in the media bucket, or not, and why.

use std::fmt;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::{contact_key::ContactKey, media::MediaKey, media_failure::MediaFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twilio_types::sid::{AccountSid, MessageSid};
use twilio_webhook::inbound_message::InboundMessage;

use super::{MessageSubject, Messages, StoredMessage, to_item};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError, batch_get},
};

/// How the range keys of these items begin; the file's place in its message follows.
pub(super) const MEDIA: &str = "media#";

/// The range key of a message from a person.
const INBOUND: &str = "inbound";

/// An item of such a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMedia {
    /// `media#<index>`
    event: String,
    pub account_sid: AccountSid,
    pub message_sid: MessageSid,
    /// The file's place among those of its message, from 0.
    pub index: u32,
    /// The key of the person who sent it. No attribute is called as the hash key of another table, by which the records of the
    /// streams are distinguished.
    person: String,
    pub from: String,
    pub to: String,
    /// When it was stored or given up.
    pub decided_at: Timestamp,
    /// In seconds since 1970: when its message expires.
    pub expires_at: i64,
    /// The type that Twilio named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_content_type: Option<String>,
    pub outcome: MediaOutcome,
}

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaOutcome {
    Stored {
        /// Its key in the media bucket.
        key: MediaKey,
        /// By its first bytes.
        content_type: String,
        /// Its length.
        bytes: u64,
        /// In hexadecimal digits.
        sha256: String,
        /// The contact cards of a vCard, as the event has them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        contacts: Vec<Value>,
    },
    Failed {
        reason: MediaFailure,
        /// For a person who reads it.
        detail: String,
        /// What its first bytes are, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
}

impl fmt::Debug for StoredMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMedia")
            .field("message_sid", &self.message_sid)
            .field("index", &self.index)
            .field("account_sid", &self.account_sid)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MediaOutcome {
    /// A contact is shown by nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { bytes, .. } => f.debug_struct("Stored").field("bytes", bytes).finish_non_exhaustive(),
            Self::Failed { reason, .. } => f.debug_struct("Failed").field("reason", reason).finish_non_exhaustive(),
        }
    }
}

impl StoredMedia {
    /// The item of a file of this message.
    pub fn new(
        message: &InboundMessage,
        stored: &StoredMessage,
        index: u32,
        outcome: MediaOutcome,
        now: Timestamp,
    ) -> Self {
        let file = usize::try_from(index).ok().and_then(|index| message.media.get(index));
        Self {
            event: range_key(index),
            account_sid: message.account_sid.clone(),
            message_sid: message.message_sid.clone(),
            index,
            person: ContactKey::of_sender(message).as_str().to_owned(),
            from: message.from.to_string(),
            to: message.to.to_string(),
            decided_at: now,
            expires_at: stored.expires_at,
            claimed_content_type: file.and_then(|file| file.content_type.clone()),
            outcome,
        }
    }

    /// The key of the person who sent it.
    pub fn contact(&self) -> ContactKey {
        ContactKey::stored(&self.person)
    }

    /// The hash key.
    pub fn subject(&self) -> MessageSubject {
        MessageSubject::Message(self.account_sid.clone(), self.message_sid.clone())
    }

    /// Whether an item of the Messages table is such a file.
    pub fn is_in(item: &Item) -> bool {
        text_in(item, "event").is_some_and(|event| event.starts_with(MEDIA))
    }
}

/// What is stored of a message from a person and of one of its files.
#[derive(Debug, Default)]
pub struct MediaLookup {
    pub message: Option<StoredMessage>,
    /// None as long as nothing became of the file.
    pub media: Option<StoredMedia>,
}

/// What became of recording a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaRecord {
    First,
    /// Another delivery of the same work recorded this.
    Duplicate(Box<StoredMedia>),
}

impl Messages {
    /// A message from a person and one of its files, read consistently in one request.
    pub async fn media(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
        index: u32,
    ) -> Result<MediaLookup, StoreError> {
        let operation = "reading a file of a message";
        let subject = MessageSubject::Message(account_sid.clone(), message_sid.clone());
        let key = |event: &str| Item::from([("subject".to_owned(), text(&subject)), ("event".to_owned(), text(event))]);
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(vec![key(INBOUND), key(&range_key(index))]))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        let found = batch_get(&self.client, operation, [(self.table.clone(), wanted)].into()).await?;
        let mut lookup = MediaLookup::default();
        for item in found.into_values().flatten() {
            if StoredMedia::is_in(&item) {
                lookup.media = Some(Self::read_media(item)?);
            } else {
                lookup.message = Some(Self::read(item)?);
            }
        }
        Ok(lookup)
    }

    /// Records what became of a file unless it is recorded already.
    pub async fn record_media(&self, media: &StoredMedia) -> Result<MediaRecord, StoreError> {
        let operation = "recording a file in the Messages table";
        let item = to_item(operation, media, &media.subject())?;
        Ok(match self.put_first(operation, item).await? {
            None => MediaRecord::First,
            Some(recorded) => MediaRecord::Duplicate(Box::new(Self::read_media(recorded)?)),
        })
    }

    /// Reads an item of such a file.
    pub fn read_media(item: Item) -> Result<StoredMedia, StoreError> {
        super::read("reading a file of the Messages table", item)
    }
}

fn range_key(index: u32) -> String {
    format!("{MEDIA}{index}")
}

#[cfg(test)]
mod tests {
    use domain::limits::Retention;
    use serde_json::json;
    use twilio_webhook::{form::Form, signature::TrustedForm};

    use super::*;
    use crate::messages::{MessageArrival, MessageEvent};

    fn media(outcome: MediaOutcome) -> StoredMedia {
        let form = Form::parse(
            b"MessageSid=MM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
              &From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&NumMedia=2&MediaUrl0=a&MediaUrl1=b\
              &MediaContentType1=text%2Fvcard",
        );
        let trusted = TrustedForm::Stored(&form);
        let message = InboundMessage::parse(trusted).unwrap();
        let now = "2026-11-20T09:00:00.5Z".parse().unwrap();
        let (sid, account) = (&message.message_sid, &message.account_sid);
        let arrival = MessageArrival::webhook(now);
        let stored = StoredMessage::new(sid, account, MessageEvent::Inbound, trusted, arrival, Retention::default());
        StoredMedia::new(&message, &stored, 1, outcome, now)
    }

    fn stored() -> MediaOutcome {
        MediaOutcome::Stored {
            key: "inbound/a/b/1".parse().unwrap(),
            content_type: "text/vcard".to_owned(),
            bytes: u64::MAX,
            sha256: "00".to_owned(),
            contacts: vec![json!({"name": "private", "phones": [{"number": "+14155550123", "kind": null}]})],
        }
    }

    #[test]
    fn a_file_is_read_back_from_its_item() {
        let reason = MediaFailure::TypeMismatch;
        let failed = MediaOutcome::Failed { reason, detail: "no".to_owned(), content_type: None };
        for outcome in [stored(), failed] {
            let media = media(outcome);
            let item = to_item("", &media, &media.subject()).unwrap();
            assert_eq!(item["event"], text("media#1"));
            assert_eq!(media.claimed_content_type.as_deref(), Some("text/vcard"));
            assert!(StoredMedia::is_in(&item) && !super::super::StoredForm::is_in(&item));
            assert_eq!(Messages::read_media(item).unwrap(), media);
        }
    }

    #[test]
    fn debug_shows_no_number_and_no_card() {
        let media = media(stored());
        let shown = format!("{media:?} {:?}", media.outcome);
        assert!(shown.contains("MM00000000000000000000000000000001"), "{shown}");
        assert!(!shown.contains("415555") && !shown.contains("private"), "{shown}");
    }
}
