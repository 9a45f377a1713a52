//! The routes by which a notification may go out, each with the people and the requests for it.

use serde_json::{Value, json};

use super::{stranger, stranger_with, write_until_answered};
use crate::{
    e2e::receive::agree,
    world::{Person, World},
};

/// What a person is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Template,
    /// A template whose SID has to be looked up.
    NamedTemplate,
    Authentication,
    Text,
    /// A file from the media bucket.
    Media,
    /// Text to a person whose service window is closed, which therefore goes out by SMS.
    Sms,
    /// A template, and an SMS if that fails.
    Fallback,
    /// Text that follows the person's answer to a template.
    Reply,
    /// To a person who consented.
    Marketing,
    /// One message more than the marketing cap allows.
    Cap,
    /// To a user id.
    UserId,
    /// Two notifications with the same content.
    Twins,
}

/// The object in the media bucket that is sent.
const MEDIA_KEY: &str = "crash.jpg";

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Template,
        Self::NamedTemplate,
        Self::Authentication,
        Self::Text,
        Self::Media,
        Self::Sms,
        Self::Fallback,
        Self::Reply,
        Self::Marketing,
        Self::Cap,
        Self::UserId,
        Self::Twins,
    ];

    /// How many notifications a person gets.
    pub(crate) fn notifications(self) -> usize {
        match self {
            Self::Cap => 3,
            Self::Twins => 2,
            _ => 1,
        }
    }

    /// How many of a person's notifications are delivered, unless the person stops them.
    pub(crate) fn delivered(self) -> usize {
        // The cap of the Faroe Islands (`stack::run::SEND_POLICY`).
        if self == Self::Cap { 2 } else { self.notifications() }
    }

    /// A person for it.
    pub(crate) fn person(self) -> Person {
        match self {
            Self::Cap => stranger_with("+2985", 5),
            Self::UserId => stranger_with("US.77", 12),
            _ => stranger(),
        }
    }

    /// What the person does before: writes, so that the service window is open, or consents.
    pub(crate) async fn prepare(self, world: &World, person: &Person) {
        match self {
            Self::Text => write_until_answered(world, person, &json!({"body": "Where is it?"})).await,
            Self::Media => {
                write_until_answered(world, person, &json!({"body": "Show me."})).await;
                let put = world.s3.put_object().bucket(&world.stack.outputs.media_bucket_name).key(MEDIA_KEY);
                put.content_type("image/jpeg").body(b"a picture".to_vec().into()).send().await.unwrap();
            }
            Self::UserId => {
                let writing = json!({"body": "hi", "parameters": {"ExternalUserId": person.address()}});
                write_until_answered(world, person, &writing).await;
            }
            Self::Marketing => agree(world, person).await,
            _ => {}
        }
    }

    /// The error code with which a message of it may fail and be followed by another one: by SMS, or the same again.
    pub(crate) fn failure_code(self) -> u32 {
        // Twilio: 63003 "Channel could not find To address", 63010 "Channels - Twilio Internal error".
        if self == Self::Fallback { 63003 } else { 63010 }
    }

    /// The notification, without its id and recipient.
    pub(crate) fn request(self) -> Value {
        let order = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
        let text = json!({"type": "text", "body": "On its way."});
        let sms = json!([{"channel": "sms", "content": text}]);
        match self {
            Self::Template | Self::UserId | Self::Twins => json!({"category": "utility", "content": order}),
            Self::NamedTemplate => {
                let named = json!({"type": "template", "name": "order_update", "locale": "en", "variables": {"1": "Ava", "2": "18473"}});
                json!({"category": "utility", "content": named})
            }
            Self::Authentication => {
                let code = json!({"type": "template", "content_sid": sandbox::VERIFICATION_CODE_SID, "variables": {"1": "4711"}});
                json!({"category": "authentication", "content": code})
            }
            Self::Text => json!({"category": "service", "content": text}),
            Self::Media => {
                let files = json!({"type": "media", "media": [{"key": MEDIA_KEY}], "body": "Look"});
                json!({"category": "service", "content": files})
            }
            Self::Sms => json!({"category": "utility", "content": text, "fallback": sms}),
            Self::Fallback => json!({"category": "utility", "content": order, "fallback": sms}),
            Self::Reply => {
                let template = json!([{"channel": "whatsapp", "content": order}]);
                json!({"category": "utility", "content": text, "fallback": template, "wait_for_reply": true})
            }
            Self::Marketing | Self::Cap => json!({"category": "marketing", "content": order}),
        }
    }
}
