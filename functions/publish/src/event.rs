//! An event: the JSON on the events queue and in the archive.

use std::{collections::BTreeMap, fmt};

use domain::{
    contact_key::ContactKey,
    email::EmailStatus,
    notification::NotificationId,
    preference::Preference,
    progress::{Attempt, Outcome},
    trace_id::TraceId,
};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    contacts::PreferenceChange,
    messages::{Source, StoredEmailEvent, StoredForm, StoredMessage},
    notifications::{NotificationState, StoredNotification},
};
use twilio_types::{
    error_code::ErrorCode,
    message_status::{MessageStatus, ReportedStatus},
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::{
    form::RawForm,
    inbound_message::{Details, InboundMessage, ReceivedMedia},
    status_callback::StatusCallback,
};

use crate::record::ChangedPreference;

mod consent;
mod media;
mod numbers;

use consent::ConsentDetail;
use media::MediaDetail;

/// An event.
#[derive(Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names that consumers of events read")]
pub(crate) struct Event {
    event_type: &'static str,
    schema: &'static str,
    event_id: String,
    account_sid: AccountSid,
    occurred_at: Timestamp,
    /// The events of a contact sort by it in the order in which they happened.
    sequence: String,
    /// What the log lines about the same notification or message have. None where the event is about neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(flatten)]
    detail: Detail,
    #[serde(skip)]
    group: String,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Detail {
    Inbound(Box<InboundDetail>),
    Status(Box<StatusDetail>),
    Email(Box<EmailDetail>),
    Unknown(Box<UnknownDetail>),
    Preference(PreferenceDetail),
    Consent(Box<ConsentDetail>),
    Notification(Box<NotificationDetail>),
    Media(Box<MediaDetail>),
}

#[derive(Clone, Serialize)]
struct InboundDetail {
    received_at: Timestamp,
    message_sid: MessageSid,
    from: String,
    to: String,
    body: String,
    num_media: u32,
    media: Vec<ReceivedMedia>,
    /// It may be an opt-out in other words than the known ones: a person should look at it.
    #[serde(skip_serializing_if = "is_false")]
    possible_opt_out: bool,
    #[serde(skip_serializing_if = "is_false")]
    recovered: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable_parameters: Vec<String>,
    raw: RawForm,
    #[serde(flatten)]
    details: Details,
}

#[derive(Clone, Serialize)]
struct StatusDetail {
    received_at: Timestamp,
    message_sid: MessageSid,
    notification_id: Option<NotificationId>,
    /// Which attempt of the notification became the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    status: ReportedStatus,
    /// None if no status was reported that is known.
    current_status: Option<MessageStatus>,
    error_code: Option<ErrorCode>,
    error_title: Option<&'static str>,
    from: Option<String>,
    to: Option<String>,
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_false")]
    recovered: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable_parameters: Vec<String>,
    raw: RawForm,
}

#[derive(Clone, Serialize)]
struct EmailDetail {
    received_at: Timestamp,
    notification_id: NotificationId,
    /// The recipient of the notification; none if it is not stored any more.
    to: Option<String>,
    attempt: u32,
    status: EmailStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_id: Option<String>,
    /// Why it was not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the receiving server said.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_answer: Option<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Clone, Serialize)]
struct UnknownDetail {
    received_at: Timestamp,
    /// Of the URL that the form came to.
    path: String,
    unreadable_parameters: Vec<String>,
    raw: RawForm,
}

#[derive(Clone, Serialize)]
struct PreferenceDetail {
    contact: String,
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_sid: Option<MessageSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Everything that it covers, also where a message expressed it.
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_by: Option<String>,
}

#[derive(Clone, Serialize)]
struct NotificationDetail {
    notification_id: NotificationId,
    to: Option<String>,
    state: NotificationState,
    outcome: Outcome,
    reason: Option<String>,
    code: Option<ErrorCode>,
    message_sid: Option<MessageSid>,
    attempts: Vec<Attempt>,
    metadata: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Debug for Event {
    /// Shows nothing that a person wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_id", &shared::log::loggable_event_id(&self.event_id))
            .finish_non_exhaustive()
    }
}

impl Event {
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The id of no other event, and the same when the event is published again.
    pub(crate) fn id(&self) -> &str {
        &self.event_id
    }

    pub(crate) fn trace_id(&self) -> Option<&TraceId> {
        self.trace_id.as_ref()
    }

    /// The name and version of its format.
    pub(crate) fn schema(&self) -> &'static str {
        self.schema
    }

    pub(crate) fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// The message group: the contact.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// A person wrote a message.
    pub(crate) fn inbound(mut message: InboundMessage, stored: StoredMessage) -> Self {
        numbers::limit(&mut message.details);
        Self {
            sequence: sequence(stored.received_at, &message.message_sid),
            event_type: "twilio_inbound",
            schema: "twilio.inbound.v1",
            event_id: message.message_sid.to_string(),
            trace_id: Some(TraceId::of_message(&message.account_sid, &message.message_sid)),
            group: ContactKey::of_sender(&message).as_str().to_owned(),
            account_sid: message.account_sid,
            occurred_at: stored.received_at,
            detail: Detail::Inbound(Box::new(InboundDetail {
                received_at: stored.received_at,
                message_sid: message.message_sid,
                from: message.from.to_string(),
                to: message.to.to_string(),
                body: message.body,
                num_media: message.num_media,
                media: message.media,
                possible_opt_out: stored.near_miss.is_some(),
                recovered: stored.source == Source::Reconcile,
                unreadable_parameters: message.unreadable_parameters,
                raw: stored.raw,
                details: message.details,
            })),
        }
    }

    /// A person opted out or in again.
    pub(crate) fn preference(changed: ChangedPreference) -> Self {
        let trace_id = changed.trace_id();
        let ChangedPreference { account_sid, home, change } = changed;
        let schema = match change.preference {
            Preference::OptedOut => "contact.opted_out.v1",
            Preference::OptedIn => "contact.opted_in.v1",
        };
        let event_type = PreferenceChange::event_type(change.preference);
        let origin = change.origin();
        // `~` sorts after `#`: the event comes after those of the message, whatever status of it was reported.
        let subject = match &change.message_sid {
            Some(message_sid) => format!("{message_sid}~{event_type}"),
            None => change.event_id.clone(),
        };
        Self {
            trace_id,
            event_type,
            schema,
            event_id: change.event_id,
            // The home, so that all changes of one person are in one group, and in their order.
            group: home.as_str().to_owned(),
            account_sid,
            occurred_at: change.at,
            sequence: sequence(change.at, subject),
            detail: Detail::Preference(PreferenceDetail {
                contact: change.identity,
                channel: change.channel,
                message_sid: change.message_sid,
                scope: change.scope,
                scopes: change.scopes.iter().map(|scope| scope.as_text().to_owned()).collect(),
                code: change.code,
                origin,
                reason: change.reason,
                recorded_by: change.recorded_by,
            }),
        }
    }

    /// Twilio reported the status of a message. `notification` is the one that the message was sent for, if it is stored;
    /// `reported` are all recorded statuses of the message that are known.
    pub(crate) fn status(
        callback: StatusCallback,
        stored: StoredMessage,
        reported: impl IntoIterator<Item = MessageStatus>,
        notification: Option<StoredNotification>,
    ) -> Self {
        let current_status = MessageStatus::current(reported.into_iter().chain(callback.status.known()));
        let subject = format_args!("{}#{}", callback.message_sid, callback.status);
        Self {
            sequence: sequence(stored.received_at, subject),
            event_type: "twilio_status",
            schema: "twilio.status.v1",
            event_id: format!("{}.{}", callback.message_sid, callback.status),
            trace_id: Some(TraceId::of_callback(
                &callback.account_sid,
                &callback.message_sid,
                stored.notification_id.as_ref(),
            )),
            group: ContactKey::of_recipient(&callback).map_or_else(
                || format!("{}#{}", callback.account_sid, callback.message_sid),
                |key| key.as_str().to_owned(),
            ),
            account_sid: callback.account_sid,
            occurred_at: stored.received_at,
            detail: Detail::Status(Box::new(StatusDetail {
                received_at: stored.received_at,
                message_sid: callback.message_sid,
                notification_id: stored.notification_id,
                attempt: stored.attempt,
                status: callback.status,
                current_status,
                error_code: callback.error_code,
                error_title: callback.error_code.and_then(ErrorCode::title),
                from: callback.from.map(|from| from.to_string()),
                to: callback.to.map(|to| to.to_string()),
                metadata: notification.map(|notification| notification.subject.metadata).unwrap_or_default(),
                recovered: stored.source == Source::Reconcile,
                unreadable_parameters: callback.unreadable_parameters,
                raw: stored.raw,
            })),
        }
    }

    /// SendGrid reported something of an e-mail. `notification` is the one that it was sent for, if it is stored.
    pub(crate) fn email(reported: StoredEmailEvent, notification: Option<StoredNotification>) -> Self {
        let recipient = notification.as_ref().and_then(|notification| notification.subject.recipient.as_ref());
        let contact = recipient.map(|to| ContactKey::of(&reported.account_sid, to));
        let (id, attempt, status) = (&reported.notification_id, reported.attempt, reported.email_status);
        let event_id = format!("{}#{id}#{attempt}.email_{status}", reported.account_sid);
        Self {
            event_type: "email_status",
            schema: "email.status.v1",
            sequence: sequence(reported.received_at, &event_id),
            trace_id: Some(TraceId::of_notification(&reported.account_sid, id)),
            event_id,
            group: contact.map_or_else(|| reported.account_sid.to_string(), |key| key.as_str().to_owned()),
            account_sid: reported.account_sid,
            occurred_at: reported.occurred_at,
            detail: Detail::Email(Box::new(EmailDetail {
                received_at: reported.received_at,
                notification_id: reported.notification_id,
                to: notification
                    .as_ref()
                    .and_then(|notification| notification.subject.recipient.clone())
                    .map(String::from),
                attempt,
                status,
                email_id: reported.email_id,
                reason: reported.reason,
                server_answer: reported.server_answer,
                metadata: notification.map(|notification| notification.subject.metadata).unwrap_or_default(),
            })),
        }
    }

    /// A signed form that is neither a message nor a status.
    pub(crate) fn unknown(stored: StoredForm) -> Self {
        let event_id = format!("form.{}", stored.hash());
        Self {
            event_type: "twilio_unknown",
            schema: "twilio.unknown.v1",
            trace_id: None,
            sequence: sequence(stored.received_at, &event_id),
            event_id,
            group: stored.account_sid.to_string(),
            account_sid: stored.account_sid,
            occurred_at: stored.received_at,
            detail: Detail::Unknown(Box::new(UnknownDetail {
                received_at: stored.received_at,
                path: stored.path,
                unreadable_parameters: stored.unreadable_parameters,
                raw: stored.raw,
            })),
        }
    }

    /// A notification was not delivered. None if it has no such outcome.
    pub(crate) fn notification(stored: StoredNotification) -> Option<Self> {
        let outcome = stored.progress.outcome?;
        let (event_type, schema) = match outcome {
            Outcome::Failed
            | Outcome::Undelivered
            | Outcome::Rejected
            | Outcome::Expired
            | Outcome::Cancelled
            | Outcome::Unknown => ("notification_failed", "notification.failed.v1"),
            Outcome::Suppressed => ("notification_suppressed", "notification.suppressed.v1"),
            Outcome::Delivered | Outcome::Read => return None,
        };
        let (state, event_id) = (stored.state(), stored.event_id());
        let message_sid = stored.message_sid().cloned();
        let StoredNotification { subject, progress, updated_at, .. } = stored;
        let contact = subject.recipient.as_ref().map(|to| ContactKey::of(&subject.account_sid, to));
        Some(Self {
            event_type,
            schema,
            sequence: sequence(updated_at, &event_id),
            trace_id: Some(TraceId::of_notification(&subject.account_sid, &subject.id)),
            event_id,
            group: contact.map_or_else(|| subject.account_sid.to_string(), |key| key.as_str().to_owned()),
            account_sid: subject.account_sid,
            occurred_at: updated_at,
            detail: Detail::Notification(Box::new(NotificationDetail {
                notification_id: subject.id,
                to: subject.recipient.map(String::from),
                state,
                outcome,
                reason: progress.reason,
                code: progress.code,
                message_sid,
                attempts: progress.attempts,
                metadata: subject.metadata,
            })),
        })
    }
}

/// The time with a fixed number of digits, so that sequences sort as texts.
fn sequence(at: Timestamp, subject: impl fmt::Display) -> String {
    format!("{at:.6}#{subject}")
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unicode_tests;
