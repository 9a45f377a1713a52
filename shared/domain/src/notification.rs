//! A notification: what another system asks us to send, as it stands on the outbound queue.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    address::{E164, WhatsAppSender},
    sid::{AccountSid, ContentSid, MessagingServiceSid},
};

use crate::{digest::sha256_hex, limits::MAX_NOTIFICATION_ID_CHARS, media::MediaKey};

mod parse;

pub use parse::InvalidNotification;

/// The idempotency key of a notification within its account: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotificationId(String);

/// Not a notification's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 characters, none of them a control character")]
pub struct InvalidNotificationId;

impl NotificationId {
    /// The id as its sender wrote it.
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

/// What a message is for. The first three are WhatsApp's template categories.
///
/// Source: Twilio, "WhatsApp template categories".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Promotion.
    Marketing,
    /// About something the person has with us, such as an order.
    Utility,
    /// A one-time password.
    Authentication,
    /// An answer within a conversation.
    Service,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 4] = [Self::Marketing, Self::Utility, Self::Authentication, Self::Service];

    /// The word in a notification.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Utility => "utility",
            Self::Authentication => "authentication",
            Self::Service => "service",
        }
    }
}

/// What is sent. Bodies are personal, so `Debug` shows the kind alone.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Free-form text of 1 to 1,600 characters.
    Text {
        /// The text.
        body: String,
    },
    /// Files, with a caption.
    Media {
        /// 1 to 10 of them.
        media: Vec<Media>,
        /// The caption of at most 1,600 characters.
        body: Option<String>,
    },
    /// A template that WhatsApp has approved.
    Template {
        /// Which one.
        template: Template,
        /// Values by the variable's name, which is mostly a number.
        variables: BTreeMap<String, String>,
    },
}

/// A file to send.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// An object in the media bucket.
    Key(MediaKey),
    /// A public URL.
    Url(String),
}

/// A content template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// By SID.
    Sid(ContentSid),
    /// By the name and the language it was made with; its SID is looked up.
    Named {
        /// `friendly_name`
        name: String,
        /// `language`
        locale: String,
    },
}

/// The channel of a fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackChannel {
    /// The same channel, with other content.
    #[serde(rename = "whatsapp")]
    #[default]
    WhatsApp,
    /// SMS.
    Sms,
}

impl FallbackChannel {
    /// The word in a notification.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Sms => "sms",
        }
    }
}

/// What to try when the content cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// Where.
    pub channel: FallbackChannel,
    /// What.
    pub content: Content,
}

/// A notification.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// The idempotency key within the account.
    pub id: NotificationId,
    /// The recipient.
    pub to: E164,
    /// What it is for.
    pub category: Category,
    /// What to send.
    pub content: Content,
    /// What to try next, in this order.
    pub fallback: Vec<Fallback>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Not after.
    pub expires_at: Option<Timestamp>,
    /// The sender; else the messaging service chooses.
    pub from: Option<WhatsAppSender>,
    /// The messaging service; else the configured one.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// The account; else the configured one.
    pub account_sid: Option<AccountSid>,
    /// Seconds for which Twilio may try.
    pub validity_period: Option<u32>,
    /// Outside of the service window a template of the fallback goes out at once, and the content follows when the
    /// person answers it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_reply: bool,
    /// Handed back in events.
    pub metadata: BTreeMap<String, String>,
}

impl Notification {
    /// Reads the body of a queue message.
    pub fn parse(body: &str) -> Result<Self, InvalidNotification> {
        parse::notification(body)
    }

    /// A fingerprint of everything the notification says: an id that comes again with another one is a mistake of its
    /// sender.
    pub fn digest(&self) -> String {
        sha256_hex(&serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Notification {
    /// A way to send it, counted from 0: the content over WhatsApp, and then each fallback.
    pub fn channel_option(&self, route: usize) -> Option<(FallbackChannel, &Content)> {
        match route.checked_sub(1) {
            None => Some((FallbackChannel::WhatsApp, &self.content)),
            Some(index) => self.fallback.get(index).map(|fallback| (fallback.channel, &fallback.content)),
        }
    }

    /// Whether its times can be kept, as seen when it was put on the queue and now.
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
        }
    }
}

#[cfg(test)]
mod tests;
