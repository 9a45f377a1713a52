//! `wa events tail`: reads the archive, in which each batch of events is an object.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use aws_sdk_s3::Client;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::Value;
use shared::archive;

use super::line::{EventLine, without_channel};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    since::Since,
};

/// Between two list requests, which cost 5 dollars per million.
const PAUSE: Duration = Duration::from_secs(2);
/// How many event ids are remembered, so that an event in two batches is printed once.
const REMEMBERED: usize = 100_000;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa events tail --since 1h --type twilio_status\n  \
                        wa events tail --contact +14155550123 --output json | jq .status")]
pub struct TailArguments {
    /// Begin this long ago, as in 30m, 1h or 2d, or at a time [default: now]
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// Only events of these types, separated by commas, as in `twilio_inbound,twilio_status`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only events about this person: a phone number or a user id
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// End when all existing events are printed; needs --since
    #[arg(long, requires = "since")]
    no_follow: bool,
}

pub(super) async fn run(arguments: &TailArguments, session: &Session) -> Result<(), CommandError> {
    let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
    let bucket = session.stack().await?.output("ArchiveBucketName")?.to_owned();
    let now = Timestamp::now();
    let from = arguments.since.map(|since| since.at(now));
    let mut reader = ArchiveReader { client, bucket, seen: BTreeMap::new(), printed: HashSet::new() };
    let mut day = from.unwrap_or(now).to_zoned(TimeZone::UTC).date();
    if from.is_none() {
        // Objects that exist already are not new, even if the clocks differ.
        reader.seen = reader.listed(day).await?;
    }
    let mut printer = EventPrinter { session, has_header: false };
    loop {
        let began = tokio::time::Instant::now();
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let mut events = reader.new_events(day, today).await?;
        events.retain(|event| from.is_none_or(|from| happened_at(event).is_none_or(|at| at >= from)));
        events.retain(|event| arguments.wants(event));
        printer.print(&events)?;
        if arguments.no_follow {
            return Ok(());
        }
        // A batch is stored under the day of its first event, which may be yesterday.
        day = day.max(today.saturating_sub(1.day()));
        // A day's list may have many pages: reading it may take up half of the time, and no more.
        tokio::time::sleep(PAUSE.max(began.elapsed())).await;
    }
}

impl TailArguments {
    fn wants(&self, event: &Value) -> bool {
        let line = EventLine::of(event);
        let wanted = |contact: &String| without_channel(contact) == line.contact;
        (self.types.is_empty() || self.types.contains(&line.event_type)) && self.contact.as_ref().is_none_or(wanted)
    }
}

fn happened_at(event: &Value) -> Option<Timestamp> {
    event.get("occurred_at")?.as_str()?.parse().ok()
}

/// The archive, and what was read of it.
struct ArchiveReader {
    client: Client,
    bucket: String,
    /// The keys of the objects that were read, with their `ETag`s.
    seen: BTreeMap<String, String>,
    printed: HashSet<String>,
}

impl ArchiveReader {
    /// The events of these days that were not read before, by time.
    async fn new_events(&mut self, first: Date, last: Date) -> Result<Vec<Value>, CommandError> {
        let mut listed = BTreeMap::new();
        let mut day = first;
        while day <= last {
            listed.extend(self.listed(day).await?);
            day = day.tomorrow().map_err(|error| CommandError::usage(error.to_string()))?;
        }
        let mut events = Vec::new();
        for key in listed.iter().filter(|(key, tag)| self.seen.get(*key) != Some(tag)).map(|(key, _)| key) {
            events.extend(self.events(key).await?);
        }
        self.seen = listed;
        if self.printed.len() > REMEMBERED {
            self.printed.clear();
        }
        // A batch that was archived again with more events is read again.
        events.retain(|event| {
            let id = event.get("event_id").and_then(Value::as_str).unwrap_or_default();
            self.printed.insert(id.to_owned())
        });
        events.sort_by_key(happened_at);
        Ok(events)
    }

    async fn listed(&self, day: Date) -> Result<BTreeMap<String, String>, CommandError> {
        let prefix = archive::prefix(day);
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut listed = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| CommandError::of_sdk("reading the archive", error))?;
            let objects = page.contents.unwrap_or_default().into_iter();
            listed.extend(objects.filter_map(|object| Some((object.key?, object.e_tag.unwrap_or_default()))));
        }
        Ok(listed)
    }

    async fn events(&self, key: &str) -> Result<Vec<Value>, CommandError> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.map_err(|error| CommandError::of_sdk("reading the archive", error))?;
        let broken_off = |error| CommandError::no_answer("reading the archive").because(error);
        let bytes = object.body.collect().await.map_err(broken_off)?.into_bytes();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

struct EventPrinter<'a> {
    session: &'a Session,
    has_header: bool,
}

impl EventPrinter<'_> {
    fn print(&mut self, events: &[Value]) -> Result<(), CommandError> {
        let output = &self.session.output;
        if events.is_empty() {
            return Ok(());
        }
        match output.format() {
            Format::Json => return events.iter().try_for_each(|event| output.line(&event.to_string())),
            // A table would have columns of another width in each round.
            Format::Table => return events.iter().try_for_each(|event| output.line(&EventLine::of(event).to_string())),
            Format::Csv | Format::Tsv => {}
        }
        let table = PropertyTable::new(&["time", "event_type", "contact", "what"], events.iter().map(EventLine::of))?;
        output.more(&table, !std::mem::replace(&mut self.has_header, true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_selected_by_type_and_contact() {
        let arguments = |types: &[&str], contact: Option<&str>| TailArguments {
            since: None,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            contact: contact.map(str::to_owned),
            no_follow: false,
        };
        let event = json!({"event_type": "twilio_status", "to": "whatsapp:+14155550123"});
        for (types, contact, expected) in [
            (&[][..], None, true),
            (&["twilio_status", "twilio_inbound"][..], None, true),
            (&["twilio_inbound"][..], None, false),
            (&[][..], Some("+14155550123"), true),
            (&[][..], Some("whatsapp:+14155550123"), true),
            (&[][..], Some("+14155550124"), false),
        ] {
            assert_eq!(arguments(types, contact).wants(&event), expected, "{types:?} {contact:?}");
        }
    }
}
