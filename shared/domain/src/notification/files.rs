//! One file for each WhatsApp message.
//!
//! Twilio sends the first file of a WhatsApp message and ignores the others (Twilio, "Sending and Receiving Media with WhatsApp
//! Messaging"). So a content with several files is refused, unless it says `one_message_per_file`. Then the notification sends
//! its first file, with the caption, and each further file is sent by a *further notification*, which has its own id, outcome
//! and events:
//!
//! - Its id is `<id>/2`, `<id>/3`, and so on, so it is the same whenever it is made, and is sent once.
//! - It has the recipient, the category, the times, the sender, the account and the metadata of the first.
//! - It has no fallback. The fallback replaces the content as a whole, so the first notification alone has it: with a copy for
//!   each file, a person who is not on WhatsApp would get the same SMS several times.

use serde_json::{Value, json};

use super::{Content, FallbackChannel, MediaSource, Notification, NotificationId};
use crate::{json_fields::FieldError, limits::MAX_NOTIFICATION_ID_CHARS};

pub(super) const ONE_MESSAGE_PER_FILE: &str = "one_message_per_file";

/// A content, of which it is not decided yet in how many messages it is sent.
pub(super) struct ParsedContent {
    pub(super) path: String,
    pub(super) content: Content,
    pub(super) one_message_per_file: bool,
}

impl ParsedContent {
    /// The content over WhatsApp with its first file, and the further files.
    pub(super) fn divided(mut self) -> Result<(Content, Vec<MediaSource>), FieldError> {
        let further = match &mut self.content {
            Content::Media { media, .. } if media.len() > 1 => media.split_off(1),
            _ => Vec::new(),
        };
        if further.is_empty() || self.one_message_per_file {
            return Ok((self.content, further));
        }
        let problem = format!(
            "expected one file, because a WhatsApp message has one; with {}.{ONE_MESSAGE_PER_FILE}: true each file is sent \
             in a message",
            self.path
        );
        Err((format!("{}.media", self.path), problem))
    }

    /// The content of a fallback, which is one message.
    pub(super) fn undivided(self, channel: FallbackChannel) -> Result<Content, FieldError> {
        if self.one_message_per_file {
            let problem = "expected no such field: a fallback is one message".to_owned();
            return Err((format!("{}.{ONE_MESSAGE_PER_FILE}", self.path), problem));
        }
        match &self.content {
            Content::Media { media, .. } if channel == FallbackChannel::WhatsApp && media.len() > 1 => {
                let problem = "expected one file, because a WhatsApp message has one".to_owned();
                Err((format!("{}.media", self.path), problem))
            }
            _ => Ok(self.content),
        }
    }
}

/// Checks what cannot be combined with several files.
pub(super) fn check(notification: &Notification) -> Result<(), FieldError> {
    let Some(last) = last_number(notification) else { return Ok(()) };
    if notification.wait_for_reply {
        let problem = format!(
            "expected false: with content.{ONE_MESSAGE_PER_FILE} the template would be sent for each of the {last} files"
        );
        return Err(("wait_for_reply".to_owned(), problem));
    }
    if further_id(&notification.id, last).is_none() {
        let suffix = suffix(last);
        let most = MAX_NOTIFICATION_ID_CHARS - suffix.len();
        let problem = format!(
            "expected at most {most} characters, because the ids of the further files' notifications end in up to {suffix}"
        );
        return Err(("id".to_owned(), problem));
    }
    Ok(())
}

/// The number of the last file; none if there is one file or none.
fn last_number(notification: &Notification) -> Option<usize> {
    Some(notification.further_files.len()).filter(|further| *further > 0).map(|further| further + 1)
}

fn suffix(number: usize) -> String {
    format!("/{number}")
}

/// None if it would be too long, which [`check`] refuses.
fn further_id(id: &NotificationId, number: usize) -> Option<NotificationId> {
    NotificationId::try_from(format!("{id}{}", suffix(number))).ok()
}

/// A notification that sends a further file of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherNotification {
    pub notification: Notification,
    /// Its JSON, as it is put on a queue.
    pub request: String,
}

impl Notification {
    /// The notifications that send the further files, in their order. They are the same whenever they are made.
    pub fn further(&self) -> Vec<FurtherNotification> {
        let further = |(number, file): (usize, &MediaSource)| {
            let notification = Self {
                id: further_id(&self.id, number)?,
                content: Content::Media { media: vec![file.clone()], body: None },
                further_files: Vec::new(),
                fallback: Vec::new(),
                ..self.clone()
            };
            let request = request(&notification, file)?;
            Some(FurtherNotification { notification, request })
        };
        (2..).zip(&self.further_files).filter_map(further).collect()
    }

    /// The ids of the notifications that send the further files.
    pub fn further_ids(&self) -> Vec<NotificationId> {
        (2..).zip(&self.further_files).filter_map(|(number, _)| further_id(&self.id, number)).collect()
    }
}

/// The JSON of a notification that sends one file. Only a content has another form in Rust than in JSON.
fn request(notification: &Notification, file: &MediaSource) -> Option<String> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(notification) else { return None };
    fields.insert("content".to_owned(), json!({"type": "media", "media": [file]}));
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    fields.retain(|_, value| !is_empty(value));
    Some(Value::Object(fields).to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, option, prelude::*};
    use serde_json::{Value, json};

    use super::*;
    use crate::notification::InvalidNotification;

    fn media(files: usize) -> Value {
        let files: Vec<_> = (1..=files).map(|file| json!({"key": format!("uploads/{file}.jpg")})).collect();
        json!({"type": "media", "media": files, "body": "Look"})
    }

    fn separate(files: usize) -> Value {
        let mut content = media(files);
        content["one_message_per_file"] = json!(true);
        content
    }

    fn with(change: &Value) -> Value {
        let mut notification = json!({"id": "order-1", "to": "+14155550123", "category": "utility"});
        notification.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        notification
    }

    fn parse(change: &Value) -> Result<Notification, InvalidNotification> {
        Notification::parse(&with(change).to_string())
    }

    #[test]
    fn several_files_are_refused_without_the_field() {
        for content in [media(2), media(10), {
            let mut content = separate(3);
            content["one_message_per_file"] = json!(false);
            content
        }] {
            let error = parse(&json!({"content": content})).unwrap_err();
            assert_eq!(error.field, "content.media");
            assert!(error.problem.contains("with content.one_message_per_file: true each file"), "{error}");
        }
        assert_eq!(parse(&json!({"content": media(1)})).unwrap().further(), []);
        assert_eq!(parse(&json!({"content": separate(1)})).unwrap().further(), [], "one file is one message");
        assert_eq!(parse(&json!({"content": separate(11)})).unwrap_err().field, "content.media");
    }

    #[test]
    fn an_sms_has_ten_files_and_another_fallback_one() {
        let fallback = |channel: &str, content: Value| {
            parse(&json!({"content": media(1), "fallback": [{"channel": channel, "content": content}]}))
        };
        assert!(fallback("sms", media(10)).is_ok());
        assert_eq!(fallback("sms", media(11)).unwrap_err().field, "fallback[0].content.media");
        assert!(fallback("whatsapp", media(1)).is_ok());
        assert_eq!(fallback("whatsapp", media(2)).unwrap_err().field, "fallback[0].content.media");
        for channel in ["sms", "whatsapp"] {
            let error = fallback(channel, separate(2)).unwrap_err();
            assert_eq!(error.field, "fallback[0].content.one_message_per_file");
        }
    }

    #[test]
    fn the_field_belongs_to_media_and_is_true_or_false() {
        let mut wrong = media(2);
        wrong["one_message_per_file"] = json!("yes");
        assert_eq!(parse(&json!({"content": wrong})).unwrap_err().field, "content.one_message_per_file");
        let text = json!({"type": "text", "body": "Hi", "one_message_per_file": true});
        assert_eq!(parse(&json!({"content": text})).unwrap_err().field, "content.one_message_per_file");
    }

    #[test]
    fn several_files_do_not_wait_for_a_reply() {
        let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
        let waiting = |content: Value| {
            let fallback = json!([{"channel": "whatsapp", "content": template}]);
            parse(&json!({"content": content, "fallback": fallback, "wait_for_reply": true}))
        };
        assert!(waiting(separate(1)).is_ok());
        assert_eq!(waiting(separate(2)).unwrap_err().field, "wait_for_reply");
    }

    #[test]
    fn an_id_leaves_room_for_the_numbers_of_the_files() {
        let parse = |chars: usize, files| parse(&json!({"id": "ü".repeat(chars), "content": separate(files)}));
        assert!(parse(128, 1).is_ok());
        let longest = parse(126, 9).unwrap();
        assert_eq!(longest.further().last().unwrap().notification.id.as_str().chars().count(), 128);
        assert!(parse(125, 10).is_ok());
        for (chars, files) in [(127, 2), (126, 10)] {
            let error = parse(chars, files).unwrap_err();
            assert_eq!(error.field, "id", "{chars} {files}");
        }
        let error = parse(126, 10).unwrap_err().to_string();
        assert!(error.starts_with("id: expected at most 125 characters, because"), "{error}");
    }

    #[test]
    fn a_further_notification_inherits_all_but_caption_and_fallback() {
        let sms = json!([{"channel": "sms", "content": {"type": "text", "body": "Your files: https://a.example"}}]);
        let first = with(&json!({
            "content": separate(3), "fallback": sms, "send_at": "2026-11-20T09:00:00Z",
            "expires_at": "2026-11-21T09:00:00Z", "from": "whatsapp:+14155238886",
            "messaging_service_sid": "MG00000000000000000000000000000001",
            "account_sid": "AC00000000000000000000000000000001", "validity_period": 60, "metadata": {"order": "1"},
        }));
        let further = Notification::parse(&first.to_string()).unwrap().further();
        for (number, further) in (2..).zip(&further) {
            let mut expected = first.clone();
            expected["id"] = json!(format!("order-1/{number}"));
            expected["content"] = json!({"type": "media", "media": [{"key": format!("uploads/{number}.jpg")}]});
            expected.as_object_mut().unwrap().remove("fallback");
            assert_eq!(serde_json::from_str::<Value>(&further.request).unwrap(), expected);
        }
        assert_eq!(further.len(), 2);
    }

    /// A system's own id may look like that of a further notification. Then the two differ in their digests, by which the
    /// second one is refused as a reuse of the id, with a dead letter: none is lost without notice, and none replaces the other.
    #[test]
    fn an_id_that_looks_like_a_further_one_is_another_notification() {
        let further = parse(&json!({"content": separate(2)})).unwrap().further().remove(0).notification;
        let own = parse(&json!({"id": "order-1/2", "content": media(1)})).unwrap();
        assert_eq!(further.id, own.id);
        assert_ne!(further.digest(), own.digest());
    }

    #[test]
    fn the_digest_covers_the_further_files() {
        let digest = |files| parse(&json!({"content": separate(files)})).unwrap().digest();
        assert_ne!(digest(2), digest(3));
        let one = |content: Value| parse(&json!({"content": content})).unwrap().digest();
        assert_eq!(one(separate(1)), one(media(1)), "one file is the same with and without the field");
    }

    fn file() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[a-zü\\\\\u{1}\u{7f}-]{1,9}\\.jpg"
                .prop_filter("no key", |key| key.parse::<crate::media::MediaKey>().is_ok())
                .prop_map(|key| json!({"key": key})),
            "https://[a-z]{1,5}\\.example/[a-z\"]{0,5}".prop_map(|url| json!({"url": url})),
        ]
    }

    proptest! {
        /// Each file is in one notification, all ids differ, and what is put on the queue is read as what was made.
        #[test]
        fn each_file_has_one_notification(
            id in "[a-z/0-9%?#\"\\\\ \u{fffd}👋]{1,12}",
            files in vec(file(), 1..=10),
            body in option::of(any::<String>().prop_filter("blank", |body| !body.trim().is_empty())),
            metadata in option::of(prop::collection::btree_map("[a-z\"\u{ffff}]{1,4}", any::<String>(), 0..3)),
            send_at in option::of(0_i64..4_000_000_000),
            number in prop_oneof![Just("+14155550123"), Just("US.13491208655302741918")],
        ) {
            let send_at = send_at.map(|at| jiff::Timestamp::from_second(at).unwrap().to_string());
            let content = json!({"type": "media", "media": files, "body": body, "one_message_per_file": true});
            let change = json!({"id": id, "to": number, "content": content, "metadata": metadata, "send_at": send_at});
            let request = with(&change).to_string();
            let first = Notification::parse(&request).unwrap();
            let further = first.further();
            let ids: BTreeSet<_> = further.iter().map(|further| &further.notification.id).chain([&first.id]).collect();
            prop_assert_eq!(ids.len(), files.len());
            prop_assert_eq!(further.iter().map(|further| &further.notification.id).cloned().collect::<Vec<_>>(), first.further_ids());
            let mut sent = Vec::new();
            for notification in further.iter().map(|further| &further.notification).chain([&first]) {
                let Content::Media { media, .. } = &notification.content else { panic!("no media") };
                sent.extend(media.iter().map(|file| serde_json::to_value(file).unwrap()));
            }
            sent.rotate_right(1);
            prop_assert_eq!(sent, files);
            for further in &further {
                let parsed = Notification::parse(&further.request);
                prop_assert_eq!(parsed.as_ref(), Ok(&further.notification));
                prop_assert!(further.request.len() <= request.len(), "it has the size of the first at most");
                prop_assert_eq!(further.notification.further(), []);
            }
        }
    }
}
