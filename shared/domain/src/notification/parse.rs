//! Reads a notification field by field. An error of a derived parser shows values, and a message's body must not reach
//! a log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use twilio_types::{
    limits::{MAX_BODY_CHARS, MAX_MEDIA, MAX_TEMPLATE_VALUE_CHARS, MAX_TEMPLATE_VARIABLES, VALIDITY_PERIOD_SECONDS},
    sid::AccountSid,
};

use super::{
    Category, Content, DeliveryTimeout, Fallback, FallbackChannel, MediaSource, Notification, NotificationId, Template,
    files::{self, ONE_MESSAGE_PER_FILE, ParsedContent},
    other_channels, size, variables,
};
use crate::{
    json::{self, InvalidJson},
    json_fields::{FieldError, JsonFields, TIME, as_string, deserialized, filled, parsed, parsed_owned, string_map},
    limits::{EXPIRES_AT_AHEAD, QUEUE_RETENTION, SEND_AT_AHEAD, SEND_AT_PAST},
};

/// A notification that is not valid: its sender has to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidNotification {
    /// The path of the field: `content.media[0].url`.
    pub field: String,
    /// What was expected. It never shows the value.
    pub problem: String,
    /// The id, if it could be read, so that the report names the notification.
    pub id: Option<NotificationId>,
    pub account_sid: Option<AccountSid>,
}

pub(super) fn notification(body: &str) -> Result<Notification, InvalidNotification> {
    let value = json::value(body).map_err(|InvalidJson { field, problem }| {
        // The report names the notification if its id is not the field that is given twice.
        let value = json::last_of_each(body).unwrap_or_default();
        let string_at = |name: &str| string_at(&value, name).filter(|_| field != name);
        let id = string_at("id").and_then(|id| NotificationId::try_from(id).ok());
        let account_sid = string_at("account_sid").and_then(|sid| sid.parse().ok());
        InvalidNotification { field: shortened(field), problem, id, account_sid }
    })?;
    let id = string_at(&value, "id").and_then(|id| NotificationId::try_from(id).ok());
    let account_sid = string_at(&value, "account_sid").and_then(|sid| sid.parse().ok());
    size::check(body, &value).and_then(|()| read(value)).map_err(|(field, problem)| InvalidNotification {
        field: shortened(field),
        problem,
        id,
        account_sid,
    })
}

/// A field's name can be as long as the notification, and the error is stored in an item and in a message's attribute.
fn shortened(field: String) -> String {
    const MAX_CHARS: usize = 200;
    match field.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field,
    }
}

fn string_at(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

fn read(value: Value) -> Result<Notification, FieldError> {
    let mut fields = JsonFields::of(String::new(), value, "a JSON object")?;
    let id = fields.required("id", "a string of 1 to 128 characters, without control characters", parsed_owned)?;
    let to = fields.required("to", RECIPIENT, parsed)?;
    let categories = "marketing, utility, authentication or service";
    let category = fields.required("category", categories, deserialized::<Category>)?;
    let (content, further_files) = content(fields.take_required("content")?, "content".to_owned())?.divided()?;
    let notification = Notification {
        id,
        to,
        category,
        content,
        further_files,
        fallback: fallbacks(&mut fields)?,
        send_at: fields.optional("send_at", TIME, parsed::<Timestamp>)?,
        expires_at: fields.optional("expires_at", TIME, parsed::<Timestamp>)?,
        from: fields.optional("from", "a WhatsApp sender, as in whatsapp:+14155238886", parsed_owned)?,
        messaging_service_sid: fields.optional("messaging_service_sid", "MG and 32 hexadecimal digits", parsed)?,
        account_sid: fields.optional("account_sid", "AC and 32 hexadecimal digits", parsed)?,
        validity_period: fields.optional("validity_period", "a whole number of seconds from 1 to 36000", seconds)?,
        wait_for_reply: fields.optional("wait_for_reply", "true or false", boolean)?.unwrap_or_default(),
        metadata: fields.optional("metadata", METADATA, metadata)?.unwrap_or_default(),
    };
    fields.finish()?;
    check_whole(&notification)?;
    Ok(notification)
}

const RECIPIENT: &str =
    "an E.164 phone number, as in +14155550123, or a WhatsApp user id, as in US.13491208655302741918";

/// Checks the rules that concern more than one field.
fn check_whole(notification: &Notification) -> Result<(), FieldError> {
    check_recipient(notification)?;
    files::check(notification)?;
    variables::check(notification)?;
    other_channels::check(notification)?;
    let is_template = |content: &Content| matches!(content, Content::Template { .. });
    let has_template = notification
        .fallback
        .iter()
        .any(|fallback| fallback.channel == FallbackChannel::WhatsApp && is_template(&fallback.content));
    if notification.wait_for_reply && (is_template(&notification.content) || !has_template) {
        let problem = "expected text or media as content and a whatsapp template in fallback, which goes out first";
        return Err(("wait_for_reply".to_owned(), problem.to_owned()));
    }
    if let (Some(send_at), Some(expires_at)) = (notification.send_at, notification.expires_at)
        && expires_at <= send_at
    {
        return Err(("expires_at".to_owned(), "expected a time after send_at".to_owned()));
    }
    Ok(())
}

/// Checks what cannot be sent to a recipient whose phone number is not known.
fn check_recipient(notification: &Notification) -> Result<(), FieldError> {
    if notification.to.number().is_some() {
        return Ok(());
    }
    if let Some(index) = notification.fallback.iter().position(|fallback| fallback.channel == FallbackChannel::Sms) {
        let problem = "expected whatsapp: an SMS needs the recipient's phone number";
        return Err((format!("fallback[{index}].channel"), problem.to_owned()));
    }
    // Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", WhatsApp usernames.
    let has_template = (0..=notification.fallback.len())
        .filter_map(|route| notification.channel_option(route))
        .any(|(_, content)| matches!(content, Content::Template { .. }));
    if notification.category == Category::Authentication && has_template {
        let problem = "expected a phone number: WhatsApp delivers authentication templates to numbers only";
        return Err(("to".to_owned(), problem.to_owned()));
    }
    Ok(())
}

pub(super) fn check_times(
    notification: &Notification,
    enqueued_at: Timestamp,
    now: Timestamp,
) -> Result<(), InvalidNotification> {
    // A queue keeps nothing longer, so an older time does not come from the sender.
    let credible = now.duration_since(enqueued_at) <= QUEUE_RETENTION;
    let enqueued_at = if credible { enqueued_at.min(now) } else { now };
    let invalid = |field: &str, problem: &str| {
        Err(InvalidNotification {
            field: field.to_owned(),
            problem: problem.to_owned(),
            id: Some(notification.id.clone()),
            account_sid: notification.account_sid.clone(),
        })
    };
    if let Some(send_at) = notification.send_at {
        if enqueued_at.duration_since(send_at) > SEND_AT_PAST {
            let problem = "expected a future time: it had passed when the notification was put on the queue";
            return invalid("send_at", problem);
        }
        if send_at.duration_since(now) > SEND_AT_AHEAD {
            return invalid("send_at", "expected a time within the next 35 days");
        }
    }
    match notification.expires_at {
        Some(expires_at) if expires_at.duration_since(now) > EXPIRES_AT_AHEAD => {
            invalid("expires_at", "expected a time within the next 40 days")
        }
        _ => Ok(()),
    }
}

fn content(value: Value, path: String) -> Result<ParsedContent, FieldError> {
    let mut fields = JsonFields::of(path.clone(), value, "an object with a type")?;
    let kind = fields.required("type", CONTENT_TYPES, as_string)?;
    let mut one_message_per_file = false;
    let content = match kind.as_str() {
        "text" => Content::Text { body: fields.required("body", "a text of 1 to 1600 characters", body)? },
        "media" => {
            one_message_per_file = fields.optional(ONE_MESSAGE_PER_FILE, "true or false", boolean)?.unwrap_or_default();
            Content::Media {
                media: media(&mut fields)?,
                body: fields.optional("body", "a caption of 1 to 1600 characters", body)?,
            }
        }
        "template" => Content::Template {
            template: template(&mut fields)?,
            variables: fields.optional("variables", VARIABLES, variable_values)?.unwrap_or_default(),
        },
        "email_template" => other_channels::email_template(&mut fields)?,
        "studio" => other_channels::studio(&mut fields)?,
        _ => return Err((fields.path_of("type"), format!("expected {CONTENT_TYPES}"))),
    };
    fields.finish()?;
    Ok(ParsedContent { path, content, one_message_per_file })
}

const CONTENT_TYPES: &str = "text, media, template, studio or, as a fallback, email_template";

const VARIABLES: &str = "an object of at most 100 strings of at most 1600 characters, as in {\"1\": \"Ava\"}";

fn template(fields: &mut JsonFields) -> Result<Template, FieldError> {
    let sid = fields.optional("content_sid", "HX and 32 hexadecimal digits", parsed)?;
    let name = fields.optional("name", "the template's name", filled)?;
    let locale = fields.optional("locale", "the template's language, as in en", filled)?;
    match (sid, name, locale) {
        (Some(sid), None, None) => Ok(Template::Sid(sid)),
        (None, Some(name), locale) => Ok(Template::Named { name, locale }),
        _ => Err((
            fields.path_of("content_sid"),
            "expected either content_sid, or name with or without locale".to_owned(),
        )),
    }
}

fn media(fields: &mut JsonFields) -> Result<Vec<MediaSource>, FieldError> {
    let path = fields.path_of("media");
    let items = match fields.take_required("media")? {
        Value::Array(items) if (1..=MAX_MEDIA).contains(&items.len()) => items,
        _ => return Err((path, "expected a list of 1 to 10 objects with a key or a url".to_owned())),
    };
    let item = |(index, value)| {
        let mut fields = JsonFields::of(format!("{path}[{index}]"), value, "an object with a key or a url")?;
        let key = fields.optional("key", "an object's key in the media bucket", parsed)?;
        let url = fields.optional("url", "an http or https URL of at most 2048 characters", public_url)?;
        let media = match (key, url) {
            (Some(key), None) => MediaSource::Key(key),
            (None, Some(url)) => MediaSource::Url(url),
            _ => return Err((fields.path(), "expected either key or url".to_owned())),
        };
        fields.finish()?;
        Ok(media)
    };
    items.into_iter().enumerate().map(item).collect()
}

fn fallbacks(fields: &mut JsonFields) -> Result<Vec<Fallback>, FieldError> {
    let Some(value) = fields.take("fallback") else { return Ok(Vec::new()) };
    let Value::Array(items) = value else {
        return Err(("fallback".to_owned(), "expected a list of objects with channel and content".to_owned()));
    };
    let item = |(index, value)| {
        let path = format!("fallback[{index}]");
        let mut fields = JsonFields::of(path.clone(), value, "an object with channel and content")?;
        let channel = fields.required("channel", "whatsapp, sms or email", deserialized::<FallbackChannel>)?;
        let to = fields.optional("to", "an e-mail address, as in ava@example.com", parsed_owned)?;
        let content = content(fields.take_required("content")?, format!("{path}.content"))?.undivided(channel)?;
        let after =
            fields.optional("after", "a time from 60s to 24h, as in 90s, 10m or 2h", parsed::<DeliveryTimeout>)?;
        fields.finish()?;
        Ok(Fallback { channel, content, to, after })
    };
    items.into_iter().enumerate().map(item).collect()
}

fn body(value: Value) -> Option<String> {
    filled(value).filter(|text| text.chars().count() <= MAX_BODY_CHARS)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of every reader of a field")]
fn boolean(value: Value) -> Option<bool> {
    value.as_bool()
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of every reader of a field")]
fn seconds(value: Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|seconds| VALIDITY_PERIOD_SECONDS.contains(seconds))
}

/// A URL that Twilio can fetch: any other scheme than http and https is error 21620, "Invalid media URL(s)".
fn public_url(value: Value) -> Option<String> {
    const MAX_CHARS: usize = 2_048;
    let text = as_string(value)?;
    let url = url::Url::parse(&text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host() && text.len() <= MAX_CHARS).then_some(text)
}

const METADATA: &str = "an object of strings, with names of 1 to 65,535 bytes";

/// An event has it as JSON, and a stored notification as a map, in which DynamoDB accepts no empty name, and none of
/// 64 KB or more (Amazon DynamoDB, "Supported data types and naming rules").
fn metadata(value: Value) -> Option<BTreeMap<String, String>> {
    const MAX_BYTES: usize = 65_535;
    string_map(value).filter(|map| map.keys().all(|name| (1..=MAX_BYTES).contains(&name.len())))
}

fn variable_values(value: Value) -> Option<BTreeMap<String, String>> {
    string_map(value).filter(|map| {
        map.len() <= MAX_TEMPLATE_VARIABLES
            && map.values().all(|value| value.chars().count() <= MAX_TEMPLATE_VALUE_CHARS)
    })
}
