//! What other systems are told: the JSON on the events queue and in the archive.

use std::{collections::BTreeMap, fmt};

use domain::{contact_key::ContactKey, notification::NotificationId, preference::Preference};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    messages::{Source, StoredMessage},
    notifications::{Attempt, NotificationState, StoredNotification},
};
use twilio_types::{
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::{
    form::RawForm,
    inbound_message::{Details, InboundMessage, ReceivedMedia},
    status_callback::StatusCallback,
};

/// An event.
#[derive(Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names that consumers of events read")]
pub(crate) struct Event {
    event_type: &'static str,
    schema: &'static str,
    event_id: String,
    account_sid: AccountSid,
    occurred_at: Timestamp,
    #[serde(flatten)]
    detail: Detail,
    #[serde(skip)]
    group: String,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Detail {
    Inbound(Box<Inbound>),
    Status(Box<Status>),
    Preference(PreferenceChange),
    Notification(Box<NotificationEnd>),
}

#[derive(Clone, Serialize)]
struct Inbound {
    received_at: Timestamp,
    message_sid: MessageSid,
    from: String,
    to: String,
    body: String,
    num_media: u32,
    media: Vec<ReceivedMedia>,
    /// A person should look: it may be an opt-out in other words than the known ones.
    #[serde(skip_serializing_if = "is_false")]
    possible_opt_out: bool,
    #[serde(skip_serializing_if = "is_false")]
    recovered: bool,
    raw: RawForm,
    #[serde(flatten)]
    details: Details,
}

#[derive(Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names that consumers of events read")]
struct Status {
    received_at: Timestamp,
    message_sid: MessageSid,
    notification_id: Option<NotificationId>,
    status: MessageStatus,
    current_status: MessageStatus,
    error_code: Option<ErrorCode>,
    error_title: Option<&'static str>,
    from: Option<String>,
    to: Option<String>,
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_false")]
    recovered: bool,
    raw: RawForm,
}

#[derive(Clone, Serialize)]
struct PreferenceChange {
    contact: String,
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_sid: Option<MessageSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// An opt-out that Twilio or WhatsApp knows of, and tells by an error's code.
#[derive(Debug, Clone)]
pub(crate) struct ReportedOptOut<'a> {
    /// The account.
    pub(crate) account_sid: &'a AccountSid,
    /// The person: a phone number or a user id.
    pub(crate) contact: &'a ContactKey,
    /// The channel.
    pub(crate) channel: &'a str,
    /// Whether it is about marketing alone.
    pub(crate) is_marketing_only: bool,
    /// The code.
    pub(crate) code: ErrorCode,
    /// Unlike any other such report.
    pub(crate) report: String,
    /// The message that failed, where there was one.
    pub(crate) message_sid: Option<&'a MessageSid>,
    /// When it was reported.
    pub(crate) at: Timestamp,
}

#[derive(Clone, Serialize)]
struct NotificationEnd {
    notification_id: NotificationId,
    to: Option<String>,
    state: NotificationState,
    reason: Option<String>,
    code: Option<ErrorCode>,
    message_sid: Option<MessageSid>,
    attempts: Vec<Attempt>,
    metadata: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Debug for Event {
    /// Without what a person said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("event_id", &self.event_id).finish_non_exhaustive()
    }
}

impl Event {
    /// The event as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Unlike any other event's; the same when the event is published again.
    pub(crate) fn id(&self) -> &str {
        &self.event_id
    }

    /// When it happened.
    pub(crate) fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// The contact, whose events come in their order.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// A person wrote.
    pub(crate) fn inbound(message: InboundMessage, stored: StoredMessage) -> Self {
        Self {
            event_type: "twilio_inbound",
            schema: "twilio.inbound.v1",
            event_id: message.message_sid.to_string(),
            group: ContactKey::of_sender(&message).as_str().to_owned(),
            account_sid: message.account_sid,
            occurred_at: stored.received_at,
            detail: Detail::Inbound(Box::new(Inbound {
                received_at: stored.received_at,
                message_sid: message.message_sid,
                from: message.from.to_string(),
                to: message.to.to_string(),
                body: message.body,
                num_media: message.num_media,
                media: message.media,
                possible_opt_out: stored.near_miss.is_some(),
                recovered: stored.source == Source::Reconcile,
                raw: stored.raw,
                details: message.details,
            })),
        }
    }

    /// A person's message changed whether we may write.
    pub(crate) fn preference(message: &InboundMessage, preference: Preference, at: Timestamp) -> Self {
        let (event_type, schema) = match preference {
            Preference::OptedOut => ("contact_opted_out", "contact.opted_out.v1"),
            Preference::OptedIn => ("contact_opted_in", "contact.opted_in.v1"),
        };
        Self {
            event_type,
            schema,
            event_id: format!("{}.{event_type}", message.message_sid),
            group: ContactKey::of_sender(message).as_str().to_owned(),
            account_sid: message.account_sid.clone(),
            occurred_at: at,
            detail: Detail::Preference(PreferenceChange {
                contact: message.from.identity.as_str().to_owned(),
                channel: message.from.channel.name().to_owned(),
                message_sid: Some(message.message_sid.clone()),
                scope: None,
                code: None,
            }),
        }
    }

    /// Twilio refused a message because the person has opted out.
    pub(crate) fn reported_opt_out(reported: &ReportedOptOut<'_>) -> Self {
        Self {
            event_type: "contact_opted_out",
            schema: "contact.opted_out.v1",
            event_id: format!("{}.contact_opted_out", reported.report),
            group: reported.contact.as_str().to_owned(),
            account_sid: reported.account_sid.clone(),
            occurred_at: reported.at,
            detail: Detail::Preference(PreferenceChange {
                contact: reported.contact.address().to_owned(),
                channel: reported.channel.to_owned(),
                message_sid: reported.message_sid.cloned(),
                scope: Some(if reported.is_marketing_only { "marketing" } else { "all" }),
                code: Some(reported.code),
            }),
        }
    }

    /// Twilio told what became of a message. `notification` is what the message was sent for, where it is known;
    /// `reported` are all the statuses that are known of it.
    pub(crate) fn status(
        callback: StatusCallback,
        stored: StoredMessage,
        reported: impl IntoIterator<Item = MessageStatus>,
        notification: Option<StoredNotification>,
    ) -> Self {
        let current_status = reported.into_iter().fold(callback.status, Ord::max);
        Self {
            event_type: "twilio_status",
            schema: "twilio.status.v1",
            event_id: format!("{}.{}", callback.message_sid, callback.status),
            group: ContactKey::of_recipient(&callback)
                .map_or_else(|| callback.message_sid.to_string(), |key| key.as_str().to_owned()),
            account_sid: callback.account_sid,
            occurred_at: stored.received_at,
            detail: Detail::Status(Box::new(Status {
                received_at: stored.received_at,
                message_sid: callback.message_sid,
                notification_id: stored.notification_id,
                status: callback.status,
                current_status,
                error_code: callback.error_code,
                error_title: callback.error_code.and_then(ErrorCode::title),
                from: callback.from.map(|from| from.to_string()),
                to: callback.to.map(|to| to.to_string()),
                metadata: notification.map(|notification| notification.metadata).unwrap_or_default(),
                recovered: stored.source == Source::Reconcile,
                raw: stored.raw,
            })),
        }
    }

    /// A notification came to an end without reaching Twilio. None for a state that is no such end.
    pub(crate) fn notification(stored: StoredNotification) -> Option<Self> {
        let (event_type, schema) = match stored.state {
            NotificationState::Rejected | NotificationState::Expired | NotificationState::Unknown => {
                ("notification_failed", "notification.failed.v1")
            }
            NotificationState::Suppressed => ("notification_suppressed", "notification.suppressed.v1"),
            NotificationState::Claimed
            | NotificationState::Waiting
            | NotificationState::AwaitingReply
            | NotificationState::Accepted => return None,
        };
        let contact = stored.recipient.as_ref().map(|to| ContactKey::of_phone(&stored.account_sid, to));
        Some(Self {
            event_type,
            schema,
            event_id: stored.event_id(),
            group: contact.map_or_else(|| stored.account_sid.to_string(), |key| key.as_str().to_owned()),
            account_sid: stored.account_sid,
            occurred_at: stored.updated_at,
            detail: Detail::Notification(Box::new(NotificationEnd {
                notification_id: stored.id,
                to: stored.recipient.map(String::from),
                state: stored.state,
                reason: stored.reason,
                code: stored.code,
                message_sid: stored.message_sid,
                attempts: stored.attempts,
                metadata: stored.metadata,
            })),
        })
    }
}

#[cfg(test)]
mod tests;
