//! `wa export`: everything that is stored of one person, as JSON, for the person (GDPR, articles 15 and 20).

use std::mem;

use domain::contact_key::ContactKey;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use stores::{dynamodb::Item, notification_log::NotificationLog};
use twilio_client::{ApiRequest, Product};

use crate::{
    archive_feed::for_each_batch,
    commands::erase::{at_twilio::TwilioMessages, files::MediaFolder},
    error::CommandError,
    people::PersonAddress,
    personal_data::{PersonalData, identify},
    session::Session,
    since::Since,
};

#[derive(clap::Args)]
#[command(after_help = "\
The output is an array of objects with `part` and `data`: contact, notification, message, file, and with the options message_at_twilio
and event. Reads the whole Messages and Notifications tables.

Example:
  wa export +14155550123 > person.json
  wa export +14155550123 --with-twilio --with-archive 30d > person.json")]
pub struct ExportArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
    /// Also the messages that Twilio has
    #[arg(long)]
    with_twilio: bool,
    /// Also the events of the archive since a time, which are all read
    #[arg(long, value_name = "TIME")]
    with_archive: Option<Since>,
}

pub async fn run(arguments: &ExportArguments, session: &Session) -> Result<(), CommandError> {
    let contact: ContactKey = arguments.person.key(&session.account_sid().await?);
    let identities = identify(session, &contact).await?;
    let data = PersonalData::find(session, identities).await?;
    let mut writer = PartWriter { session, is_first: true };
    for item in &data.contacts {
        writer.write("contact", &value_of(item.clone())?)?;
    }
    for (_, stored) in data.notifications.iter().cloned() {
        let log = session.histories().await?.log_of(stored.clone()).await?;
        let request =
            stored.subject.request.as_deref().map(|text| serde_json::from_str::<Value>(text).unwrap_or(text.into()));
        writer.write("notification", &NotificationPart { log, request })?;
    }
    for (item, _) in &data.messages {
        writer.write("message", &value_of(item.clone())?)?;
    }
    for key in files(session, &data).await? {
        writer.write("file", &key)?;
    }
    if arguments.with_twilio {
        write_from_twilio(session, &data, &mut writer).await?;
    }
    if let Some(since) = arguments.with_archive {
        write_from_archive(session, &data, since, &mut writer).await?;
    }
    writer.end()
}

/// A notification with what it asked for.
#[derive(Serialize)]
struct NotificationPart {
    #[serde(flatten)]
    log: NotificationLog,
    request: Option<Value>,
}

/// Writes an array, element by element.
struct PartWriter<'a> {
    session: &'a Session,
    is_first: bool,
}

/// An element of the array.
#[derive(Serialize)]
struct Part<'a, T> {
    part: &'static str,
    data: &'a T,
}

impl PartWriter<'_> {
    fn write(&mut self, part: &'static str, data: &impl Serialize) -> Result<(), CommandError> {
        let line = serde_json::to_string(&Part { part, data });
        let line = line.map_err(|error| CommandError::usage("a part cannot be written as JSON").because(error))?;
        let before = if mem::replace(&mut self.is_first, false) { "[\n" } else { ",\n" };
        self.session.output.text(&format!("{before}{line}"))
    }

    fn end(self) -> Result<(), CommandError> {
        self.session.output.text(if self.is_first { "[]\n" } else { "\n]\n" })
    }
}

/// Who recorded a preference or a consent is not about the person.
const OF_OTHERS: &str = "recorded_by";

/// An item as JSON.
fn value_of(item: Item) -> Result<Value, CommandError> {
    fn without_others(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove(OF_OTHERS);
                fields.values_mut().for_each(without_others);
            }
            Value::Array(values) => values.iter_mut().for_each(without_others),
            _ => {}
        }
    }
    let value = serde_dynamo::from_item(item);
    let mut value = value.map_err(|error| CommandError::usage("an item cannot be written as JSON").because(error))?;
    without_others(&mut value);
    Ok(value)
}

/// The keys of the person's files in the media bucket.
async fn files(session: &Session, data: &PersonalData) -> Result<Vec<String>, CommandError> {
    let messages = TwilioMessages::none();
    Ok(MediaFolder::of(session, data, &messages).await?.keys.into_iter().collect())
}

async fn write_from_twilio(
    session: &Session,
    data: &PersonalData,
    writer: &mut PartWriter<'_>,
) -> Result<(), CommandError> {
    let (account, messages) = (session.twilio().await?, TwilioMessages::find(session, &data.identities).await?);
    for sid in messages.sids() {
        let path = account.resource_path(&format!("Messages/{sid}.json"));
        let message: Value = account.call(ApiRequest::get(Product::Api, path)).await?;
        writer.write("message_at_twilio", &message)?;
    }
    Ok(())
}

async fn write_from_archive(
    session: &Session,
    data: &PersonalData,
    since: Since,
    writer: &mut PartWriter<'_>,
) -> Result<(), CommandError> {
    let (bar, traces) = (session.terminal.count("events read"), data.traces());
    for_each_batch(session, since.at(Timestamp::now()), |events| {
        bar.inc(events.len() as u64);
        let mut of_person = events.iter().filter(|event| traces.are_in(&event.to_string()));
        of_person.try_for_each(|event| writer.write("event", event))
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_recorded_it_is_left_out() {
        let item = json!({"facet": "history#1", "recorded_by": "arn:aws:iam::1:user/ann", "a": [{"recorded_by": "x"}]});
        let value = value_of(serde_dynamo::to_item(item).unwrap()).unwrap();
        assert_eq!(value, json!({"facet": "history#1", "a": [{}]}));
    }
}
