//! A notification: a request of another system to send a message, as it is on the outbound queue.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twilio_types::{
    address::{Recipient, WhatsAppSender},
    sid::{AccountSid, ContentSid, FlowSid, MessagingServiceSid},
};

use crate::{
    digest::sha256_hex,
    email::{EmailAddress, EmailTemplateId},
    limits::MAX_NOTIFICATION_ID_CHARS,
    media::MediaKey,
    region::time_zones_of_recipient,
};

mod delivery_timeout;
mod files;
mod other_channels;
mod parse;
mod size;
mod variables;

pub use delivery_timeout::{DeliveryTimeout, InvalidDeliveryTimeout};
pub use files::FurtherNotification;
pub use other_channels::flow_parameters;
pub use parse::InvalidNotification;

/// The idempotency key of a notification within its account: 1 to 128 characters, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotificationId(String);

/// Not a valid id of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 characters, without control characters")]
pub struct InvalidNotificationId;

impl NotificationId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NotificationId {
    type Error = InvalidNotificationId;

    fn try_from(text: String) -> Result<Self, InvalidNotificationId> {
        let length = text.chars().count();
        let well_formed = (1..=MAX_NOTIFICATION_ID_CHARS).contains(&length) && !text.chars().any(char::is_control);
        if well_formed { Ok(Self(text)) } else { Err(InvalidNotificationId) }
    }
}

impl From<NotificationId> for String {
    fn from(id: NotificationId) -> String {
        id.0
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The purpose of a message. The first three are WhatsApp's template categories.
///
/// Source: Twilio, "WhatsApp template categories".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Marketing,
    /// About an existing matter of the person, such as an order.
    Utility,
    /// A one-time password.
    Authentication,
    /// An answer within a conversation.
    Service,
}

impl Category {
    pub const ALL: [Self; 4] = [Self::Marketing, Self::Utility, Self::Authentication, Self::Service];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Service => "service",
        }
    }
}

/// The content of a message.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Free-form text of 1 to 1,600 characters.
    Text { body: String },
    /// Files with a caption of at most 1,600 characters: one over WhatsApp, 1 to 10 by SMS.
    Media { media: Vec<MediaSource>, body: Option<String> },
    /// A template that WhatsApp has approved.
    Template {
        template: Template,
        /// Values by the name of the variable, which is usually a number.
        variables: BTreeMap<String, String>,
    },
    /// An e-mail by a dynamic template of SendGrid. Only a fallback can be one.
    EmailTemplate { template_id: EmailTemplateId, variables: Map<String, Value> },
    /// A flow of Twilio Studio, which is started for the recipient.
    Studio { flow_sid: FlowSid, parameters: Map<String, Value> },
}

/// A file to send.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// An object in the media bucket.
    Key(MediaKey),
    /// A public URL.
    Url(String),
}

/// The reference to a content template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    Sid(ContentSid),
    /// Twilio's `friendly_name`, and the locale that the fallback of locales begins with; none means the default locale
    /// ([`crate::template_settings`]).
    Named {
        name: String,
        locale: Option<String>,
    },
}

/// The channel of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackChannel {
    #[serde(rename = "whatsapp")]
    #[default]
    WhatsApp,
    Sms,
    Email,
}

impl FallbackChannel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

/// An option to try if the content cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    pub channel: FallbackChannel,
    pub content: Content,
    /// The recipient of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<EmailAddress>,
    /// It follows also if the message before it was accepted, and was not delivered within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<DeliveryTimeout>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    pub id: NotificationId,
    pub to: Recipient,
    pub category: Category,
    pub content: Content,
    /// The files of the content after the first one. Each is sent by another notification ([`Notification::further`]).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_files: Vec<MediaSource>,
    /// The options to try if the content cannot be delivered, in this order.
    pub fallback: Vec<Fallback>,
    /// The earliest time to send it.
    pub send_at: Option<Timestamp>,
    /// The time after which it is not sent.
    pub expires_at: Option<Timestamp>,
    /// None means that the messaging service chooses the sender.
    pub from: Option<WhatsAppSender>,
    /// None means the configured service.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// None means the configured account.
    pub account_sid: Option<AccountSid>,
    /// Twilio's `ValidityPeriod`: for how many seconds Twilio may try to send the message.
    pub validity_period: Option<u32>,
    /// Outside the service window, send a template of `fallback` at once, and the content when the person answers it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_reply: bool,
    /// Returned in events.
    pub metadata: BTreeMap<String, String>,
}

impl Notification {
    /// Reads the body of a queue message.
    pub fn parse(body: &str) -> Result<Self, InvalidNotification> {
        parse::notification(body)
    }

    /// A digest of all its fields. If an id comes again with another digest, its sender used the id twice by mistake. 128 bits
    /// are enough for that, and are stored with each notification.
    pub fn digest(&self) -> String {
        let mut digest = sha256_hex(&serde_json::to_vec(self).unwrap_or_default());
        digest.truncate(32);
        digest
    }
}

impl Notification {
    /// The channel and the content of an option: 0 is the content over WhatsApp, 1 the first fallback. The stored
    /// attribute `route` holds this number.
    pub fn channel_option(&self, route: usize) -> Option<(FallbackChannel, &Content)> {
        match route.checked_sub(1) {
            None => Some((FallbackChannel::WhatsApp, &self.content)),
            Some(index) => self.fallback.get(index).map(|fallback| (fallback.channel, &fallback.content)),
        }
    }

    /// The recipient of an option that is an e-mail.
    pub fn email_recipient(&self, option: usize) -> Option<&EmailAddress> {
        self.fallback.get(option.checked_sub(1)?)?.to.as_ref()
    }

    /// The options that follow an option if its message is not delivered in time, each with that time. None comes before an
    /// earlier one: its time is at least theirs.
    pub fn options_after_silence(&self, option: usize) -> impl Iterator<Item = (usize, SignedDuration)> + '_ {
        let after = |(index, fallback): (usize, &Fallback)| Some((index + 1, fallback.after?.duration()));
        let options = self.fallback.iter().enumerate().skip(option).filter_map(after);
        options.scan(SignedDuration::ZERO, |longest, (option, after)| {
            *longest = after.max(*longest);
            Some((option, *longest))
        })
    }

    /// The time zones where the recipient may be.
    pub fn time_zones(&self) -> Vec<jiff::tz::TimeZone> {
        time_zones_of_recipient(&self.to)
    }

    /// Checks `send_at` against the time when the notification was put on the queue, and both times against now.
    pub fn check_times(&self, enqueued_at: Timestamp, now: Timestamp) -> Result<(), InvalidNotification> {
        parse::check_times(self, enqueued_at, now)
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("id", &self.id)
            .field("account_sid", &self.account_sid)
            .field("category", &self.category)
            .field("content", &self.content)
            .field("further_files", &self.further_files.len())
            .field("fallback", &self.fallback)
            .field("send_at", &self.send_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { .. } => f.write_str("Text"),
            Self::Media { media, .. } => write!(f, "Media({})", media.len()),
            Self::Template { template, .. } => f.debug_tuple("Template").field(template).finish(),
            Self::EmailTemplate { template_id, .. } => f.debug_tuple("EmailTemplate").field(template_id).finish(),
            Self::Studio { flow_sid, .. } => f.debug_tuple("Studio").field(flow_sid).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
