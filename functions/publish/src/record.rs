//! A record of a stream, read.

use std::mem;

use aws_lambda_events::dynamodb::EventRecord;
use domain::{contact_key::ContactKey, progress::Outcome, trace_id::TraceId};
use serde_dynamo::Item;
use stores::{
    contacts::{PreferenceChange, RecordedConsent},
    dynamodb::Item as StoredItem,
    messages::{Messages, StoredEmailEvent, StoredForm, StoredMedia, StoredMessage},
    notifications::StoredNotification,
    personal_data::ERASED_AT,
    republish::REPUBLISHED_AT,
};
use twilio_types::sid::AccountSid;

/// What a record says.
#[derive(Debug)]
pub(crate) enum Change {
    /// A message arrived, or the status of a message was reported.
    Message(Box<StoredMessage>),
    /// SendGrid reported something of an e-mail.
    Email(Box<StoredEmailEvent>),
    /// A form arrived that is neither.
    UnknownForm(Box<StoredForm>),
    /// A file of a message from a person is stored, or cannot be.
    Media(Box<StoredMedia>),
    /// A notification has a new outcome.
    Notification(Box<StoredNotification>),
    /// A person said STOP or START, or Twilio reported an opt-out.
    Preference(Box<ChangedPreference>),
    /// A consent was recorded as given or withdrawn.
    Consent(Box<ChangedConsent>),
    /// Nothing to publish: an item that has expired, or a write that changed nothing that is an event.
    Nothing,
}

/// A changed preference of a person.
#[derive(Debug)]
pub(crate) struct ChangedPreference {
    pub(crate) account_sid: AccountSid,
    /// The home identity of the person: the same for all changes of one person.
    pub(crate) home: ContactKey,
    pub(crate) change: PreferenceChange,
}

/// A consent that was recorded.
#[derive(Debug)]
pub(crate) struct ChangedConsent {
    pub(crate) account_sid: AccountSid,
    pub(crate) recorded: RecordedConsent,
}

impl ChangedPreference {
    /// That of the message in which the person said it. The message that an error code is about was sent for a notification,
    /// which the change does not name.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        let message_sid = self.change.message_sid.as_ref().filter(|_| self.change.code.is_none())?;
        Some(TraceId::of_message(&self.account_sid, message_sid))
    }
}

/// Where an operator finds a record.
#[derive(Debug)]
pub(crate) struct RecordLocation {
    /// The stream's ARN, which names its table.
    pub(crate) stream: String,
    /// When the item changed, in seconds since 1970; 0 if the record does not say it.
    pub(crate) changed_at: i64,
    /// The position in the stream from which Lambda sends a batch again.
    pub(crate) sequence_number: String,
    /// The item's keys.
    pub(crate) keys: Item,
}

impl RecordLocation {
    /// Moves it out of a record. [`Change::read`] does not need it.
    pub(crate) fn take_from(record: &mut EventRecord) -> Self {
        Self {
            stream: record.event_source_arn.take().unwrap_or_default(),
            changed_at: record.change.approximate_creation_date_time.timestamp(),
            sequence_number: record.change.sequence_number.take().unwrap_or_default(),
            keys: mem::take(&mut record.change.keys),
        }
    }

    /// The table's name. Source: Service Authorization Reference, "Amazon DynamoDB": `...:table/NAME/stream/LABEL`.
    pub(crate) fn table(&self) -> Option<&str> {
        self.stream.split('/').nth(1)
    }
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("an item of the {table} table cannot be read")]
pub(crate) struct UnreadableRecord {
    table: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl UnreadableRecord {
    fn of(table: &'static str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self { table, source }
    }
}

impl Change {
    /// What the work on it is about, as its events say.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        match self {
            Self::Message(stored) => {
                let StoredMessage { account_sid, message_sid, notification_id, .. } = stored.as_ref();
                Some(TraceId::of_callback(account_sid, message_sid, notification_id.as_ref()))
            }
            Self::Email(reported) => Some(TraceId::of_notification(&reported.account_sid, &reported.notification_id)),
            Self::Media(media) => Some(TraceId::of_message(&media.account_sid, &media.message_sid)),
            Self::Notification(stored) => {
                Some(TraceId::of_notification(&stored.subject.account_sid, &stored.subject.id))
            }
            Self::Preference(changed) => changed.trace_id(),
            Self::UnknownForm(_) | Self::Consent(_) | Self::Nothing => None,
        }
    }

    pub(crate) fn read(record: EventRecord) -> Result<Self, UnreadableRecord> {
        let (new, old) = (record.change.new_image, record.change.old_image);
        let is_insert = record.event_name == "INSERT";
        if !is_insert && record.event_name != "MODIFY" {
            return Ok(Self::Nothing);
        }
        // The mappings' filters let other items through if the filter's language is not known, as in a test.
        if new.contains_key("notification") {
            Self::notification(new, &old).map_err(UnreadableRecord::of("Notifications"))
        } else if new.contains_key("contact") {
            Self::contact(new, is_insert).map_err(UnreadableRecord::of("Contacts"))
        } else if new.contains_key("subject") && (is_insert || new.contains_key(REPUBLISHED_AT)) {
            Self::message(new).map_err(UnreadableRecord::of("Messages"))
        } else {
            Ok(Self::Nothing)
        }
    }

    fn message(new: Item) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        // What an erasure leaves, so that a late callback is not stored.
        if new.contains_key(ERASED_AT) {
            return Ok(Self::Nothing);
        }
        let item = new.into();
        if StoredEmailEvent::is_in(&item) {
            return Ok(Self::Email(Box::new(Messages::read_email(item)?)));
        }
        Ok(if StoredForm::is_in(&item) {
            Self::UnknownForm(Box::new(Messages::read_form(item)?))
        } else if StoredMedia::is_in(&item) {
            Self::Media(Box::new(Messages::read_media(item)?))
        } else {
            Self::Message(Box::new(Messages::read(item)?))
        })
    }

    /// A notification whose outcome is new, and an event. After a retry by an operator the same outcome is new again, and an
    /// item may be published again. An item that says which message belongs to which notification has no outcome.
    fn notification(new: Item, old: &Item) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let outcome: Option<Outcome> =
            new.get("outcome").cloned().map(serde_dynamo::from_attribute_value).transpose()?;
        let is_changed = |name: &&str| new.get(*name) != old.get(*name);
        // The next write of the item removes the mark.
        let is_republished = is_changed(&REPUBLISHED_AT) && new.contains_key(REPUBLISHED_AT);
        let is_new = ["outcome", "reopened_at"].iter().any(is_changed) || is_republished;
        let is_event = outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Delivered | Outcome::Read));
        if is_new && is_event {
            return Ok(Self::Notification(Box::new(StoredNotification::read(new.into())?)));
        }
        Ok(Self::Nothing)
    }

    /// Evidence of a consent is never changed but to publish it again. An erasure deletes it, which is no event.
    fn contact(new: Item, is_insert: bool) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let is_marked = new.contains_key(REPUBLISHED_AT);
        let item: StoredItem = new.into();
        if !RecordedConsent::is_in(&item) {
            return Self::preference(&item);
        }
        if !is_insert && !is_marked {
            return Ok(Self::Nothing);
        }
        let recorded = RecordedConsent::read(item)?;
        let account_sid = recorded.contact.as_str().split('#').next().unwrap_or_default().parse()?;
        Ok(Self::Consent(Box::new(ChangedConsent { account_sid, recorded })))
    }

    fn preference(new: &StoredItem) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let text = |name: &str| new.get(name)?.as_s().ok();
        let is_preference = text("last_change").is_some_and(|change| change == "preference");
        let Some(change) = PreferenceChange::in_image(new)?.filter(|_| is_preference) else {
            return Ok(Self::Nothing);
        };
        let Some(contact) = text("contact") else { return Ok(Self::Nothing) };
        let account_sid = contact.split('#').next().unwrap_or_default().parse()?;
        let home = ContactKey::stored(contact);
        Ok(Self::Preference(Box::new(ChangedPreference { account_sid, home, change })))
    }
}

#[cfg(test)]
mod tests;
