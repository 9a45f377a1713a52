//! A notification from flags or from a file, as it is put on the queue.

use clap_complete::engine::ArgValueCandidates;
use domain::{
    json::{self, InvalidJson},
    notification::Notification,
};
use serde_json::{Map, Value, json};
use twilio_types::sid::AccountSid;
use uuid::Uuid;

use crate::{completion, error::CommandError, session::Session};

/// A valid notification.
pub(super) struct NotificationRequest {
    /// The notification's JSON, as it is put on the queue.
    pub(super) body: String,
    pub(super) notification: Notification,
}

/// The account that a notification is sent from.
pub(super) async fn account_of(session: &Session, notification: &Notification) -> Result<AccountSid, CommandError> {
    match &notification.account_sid {
        Some(account_sid) => Ok(account_sid.clone()),
        None => Ok(session.stack().await?.account_sid.clone()),
    }
}

/// The ids of all options in [`NotificationFlags`].
pub(super) const FLAGS: [&str; 19] = [
    "id",
    "to",
    "category",
    "text",
    "media_url",
    "media_key",
    "caption",
    "one_message_per_file",
    "content_sid",
    "template",
    "locale",
    "variable",
    "fallback",
    "send_at",
    "expires_at",
    "from",
    "messaging_service_sid",
    "validity_period",
    "metadata",
];

/// A notification, one option for each of its fields.
#[derive(Default, clap::Args)]
pub(super) struct NotificationFlags {
    /// The idempotency key: a notification with the same id is never sent twice [default: a new one, which is printed]
    #[arg(long)]
    id: Option<String>,
    /// The recipient's number or WhatsApp user id, as in +14155550123 or US.13491208655302741918
    #[arg(long, value_name = "ADDRESS", required_unless_present = "file")]
    to: Option<String>,
    /// The category: marketing, utility, authentication or service
    #[arg(long, required_unless_present = "file", add = ArgValueCandidates::new(completion::categories))]
    category: Option<String>,
    /// Free-form text, which needs an open service window
    #[arg(long, value_name = "BODY", conflicts_with_all = ["media_url", "media_key", "content_sid", "template"])]
    text: Option<String>,
    /// The URL of a file to send (repeatable)
    #[arg(long, value_name = "URL", conflicts_with_all = ["content_sid", "template"])]
    media_url: Vec<String>,
    /// The key of a file in the media bucket (repeatable)
    #[arg(long, value_name = "KEY", conflicts_with_all = ["content_sid", "template"])]
    media_key: Vec<String>,
    /// The files' caption
    #[arg(long, value_name = "BODY", conflicts_with_all = ["text", "content_sid", "template"])]
    caption: Option<String>,
    /// Send each file in a separate message: a WhatsApp message has one file
    #[arg(long, conflicts_with_all = ["text", "content_sid", "template"])]
    one_message_per_file: bool,
    /// The template, by its SID
    #[arg(long, value_name = "SID", conflicts_with = "template")]
    content_sid: Option<String>,
    /// The template, by its name
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// The template's locale, as in pt-BR [default: the stack's]
    #[arg(long, requires = "template")]
    locale: Option<String>,
    /// A template's variable (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    variable: Vec<(String, String)>,
    /// What to send if it cannot be delivered, as JSON: {"channel": "sms", "content": {"type": "text", "body": "..."}}
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    fallback: Option<Value>,
    /// Not before this time, as in 2026-11-20T09:00:00Z
    #[arg(long, value_name = "TIME")]
    send_at: Option<String>,
    /// Not after this time
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// The sender, as in whatsapp:+14155238886 [default: the stack's Messaging Service chooses]
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
    /// The Messaging Service [default: the stack's]
    #[arg(long, value_name = "SID")]
    messaging_service_sid: Option<String>,
    /// For how many seconds Twilio may try
    #[arg(long, value_name = "SECONDS")]
    validity_period: Option<u32>,
    /// Metadata that is returned in events (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected a name, = and a value")?;
    if name.is_empty() { Err("expected a name before the =".to_owned()) } else { Ok((name.into(), value.into())) }
}

fn json_value(text: &str) -> Result<Value, String> {
    json::value(text).map_err(|InvalidJson { field, problem }| format!("{field}: {problem}"))
}

impl NotificationFlags {
    /// The notification that the options describe.
    pub(super) fn request(&self, account_sid: Option<&AccountSid>) -> Result<NotificationRequest, CommandError> {
        NotificationRequest::of(self.json(), account_sid)
    }

    fn json(&self) -> Value {
        let id = self.id.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        // People copy addresses with the prefix from Twilio's console.
        let to = self.to.as_deref().map(|to| to.strip_prefix("whatsapp:").unwrap_or(to));
        let fallback = self.fallback.clone().map(|fallback| match fallback {
            Value::Array(list) => Value::Array(list),
            one => Value::Array(vec![one]),
        });
        let fields = [
            ("id", Some(json!(id))),
            ("to", to.map(Value::from)),
            ("category", self.category.clone().map(Value::from)),
            ("content", self.content()),
            ("fallback", fallback),
            ("send_at", self.send_at.clone().map(Value::from)),
            ("expires_at", self.expires_at.clone().map(Value::from)),
            ("from", self.from.clone().map(Value::from)),
            ("messaging_service_sid", self.messaging_service_sid.clone().map(Value::from)),
            ("validity_period", self.validity_period.map(Value::from)),
            ("metadata", object(&self.metadata)),
        ];
        present(fields)
    }

    fn content(&self) -> Option<Value> {
        if let Some(body) = &self.text {
            return Some(json!({"type": "text", "body": body}));
        }
        let urls = self.media_url.iter().map(|url| json!({"url": url}));
        let media: Vec<_> = urls.chain(self.media_key.iter().map(|key| json!({"key": key}))).collect();
        if !media.is_empty() {
            let caption = self.caption.clone().map(Value::from);
            return Some(present([
                ("type", Some(json!("media"))),
                ("media", Some(json!(media))),
                ("body", caption),
                ("one_message_per_file", self.one_message_per_file.then_some(Value::Bool(true))),
            ]));
        }
        let template = self.content_sid.as_ref().or(self.template.as_ref());
        template.map(|_| {
            present([
                ("type", Some(json!("template"))),
                ("content_sid", self.content_sid.clone().map(Value::from)),
                ("name", self.template.clone().map(Value::from)),
                ("locale", self.locale.clone().map(Value::from)),
                ("variables", object(&self.variable)),
            ])
        })
    }
}

fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect())
}

fn object(pairs: &[(String, String)]) -> Option<Value> {
    let object: Map<_, _> = pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    (!object.is_empty()).then_some(Value::Object(object))
}

impl NotificationRequest {
    /// `account_sid` is the account of a notification that names none. If it is missing too, that is the stack's.
    pub(super) fn of(mut value: Value, account_sid: Option<&AccountSid>) -> Result<Self, CommandError> {
        if let (Value::Object(fields), Some(account_sid)) = (&mut value, account_sid) {
            fields.entry("account_sid").or_insert_with(|| json!(account_sid));
        }
        let body = value.to_string();
        let notification = Notification::parse(&body).map_err(|invalid| {
            let hint = if invalid.field == "content" && value.get("content").is_none() {
                ": say --text, --media-url, --media-key, --content-sid or --template"
            } else {
                ""
            };
            CommandError::usage(format!("{invalid}{hint}"))
        })?;
        Ok(Self { body, notification })
    }
}

/// How many problems of a file are listed.
const MAX_LISTED: usize = 20;

fn unreadable(error: InvalidJson) -> CommandError {
    let InvalidJson { field, problem } = error;
    CommandError::usage(if field == "body" {
        format!("--file: {problem}")
    } else {
        format!("--file: {field}: {problem}")
    })
}

/// The notifications of a file: one, an array, or several one after the other. If any is invalid, the error lists all that
/// are.
pub(super) fn of_file(text: &str, account_sid: Option<&AccountSid>) -> Result<Vec<NotificationRequest>, CommandError> {
    let mut values = Vec::new();
    for value in json::values(text).map_err(unreadable)? {
        match value {
            Value::Array(list) => values.extend(list),
            one => values.push(one),
        }
    }
    if values.is_empty() {
        return Err(CommandError::usage("--file: there is no notification in it"));
    }
    let (mut requests, mut problems) = (Vec::new(), Vec::new());
    let mut ids = std::collections::BTreeMap::new();
    for (number, value) in (1..).zip(values) {
        match NotificationRequest::of(value, account_sid) {
            Err(error) => problems.push(format!("notification {number}: {}", error.describe())),
            Ok(request) => {
                // The ids of further files count as well: the second notification with one would be rejected.
                for id in [vec![request.notification.id.clone()], request.notification.further_ids()].concat() {
                    if let Some(first) = ids.insert(id.to_string(), number) {
                        problems.push(format!("notification {number}: id: the same as that of notification {first}"));
                    }
                }
                requests.push(request);
            }
        }
    }
    if problems.is_empty() {
        return Ok(requests);
    }
    let more = problems.len().saturating_sub(MAX_LISTED);
    problems.truncate(MAX_LISTED);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(CommandError::usage(format!("nothing was queued:\n  {}", problems.join("\n  "))))
}

#[cfg(test)]
mod tests;
