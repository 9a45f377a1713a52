//! `wa events tail`: prints the events of the archive.

use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::line::{Bodies, EventLine, without_texts};
use crate::{
    archive_feed::EventFeed,
    error::CommandError,
    output::{Format, PropertyTable},
    people::{PersonAddress, person_of_message},
    session::Session,
    since::Since,
};

/// The types of events. Source: docs/api.md, "Events".
pub(crate) const TYPES: [&str; 11] = [
    "twilio_inbound",
    "twilio_status",
    "email_status",
    "twilio_unknown",
    "contact_opted_out",
    "contact_opted_in",
    "contact_consent",
    "notification_failed",
    "notification_suppressed",
    "media_stored",
    "media_failed",
];

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa events tail --since 1h --type twilio_status\n  \
                        wa events tail --contact +14155550123 --output json | jq .status")]
pub struct TailArguments {
    /// Begin this long ago, as in 30m, 1h or 2d, or at a time [default: now]
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// Only events of these types, separated by commas, as in `twilio_inbound,twilio_status`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = PossibleValuesParser::new(TYPES))]
    types: Vec<String>,
    /// Only events about this person: a phone number or a user id; sms:68849 for another sender of SMS
    #[arg(long, value_name = "ADDRESS", value_parser = person_of_message)]
    contact: Option<PersonAddress>,
    /// Show what people wrote too, which is left out unless it is asked for
    #[arg(long = "body")]
    with_body: bool,
    /// End when all existing events are printed; needs --since
    #[arg(long, requires = "since")]
    no_follow: bool,
}

pub(super) async fn run(arguments: &TailArguments, session: &Session) -> Result<(), CommandError> {
    let mut feed = EventFeed::start(session, arguments.since).await?;
    let bodies = if arguments.with_body { Bodies::Shown } else { Bodies::Hidden };
    let mut printer = EventPrinter { session, bodies, has_header: false };
    loop {
        let began = tokio::time::Instant::now();
        let mut events = feed.read().await?;
        events.retain(|event| arguments.wants(event));
        printer.print(events)?;
        if arguments.no_follow {
            return Ok(());
        }
        EventFeed::pause(began).await;
    }
}

impl TailArguments {
    fn wants(&self, event: &Value) -> bool {
        let line = EventLine::of(event, Bodies::Hidden);
        let wanted = |contact: &PersonAddress| contact.identity.as_str() == line.contact;
        (self.types.is_empty() || self.types.contains(&line.event_type)) && self.contact.as_ref().is_none_or(wanted)
    }
}

struct EventPrinter<'a> {
    session: &'a Session,
    bodies: Bodies,
    has_header: bool,
}

impl EventPrinter<'_> {
    fn print(&mut self, events: Vec<Value>) -> Result<(), CommandError> {
        let (output, bodies) = (&self.session.output, self.bodies);
        if events.is_empty() {
            return Ok(());
        }
        let lines = events.iter().map(|event| EventLine::of(event, bodies));
        match output.format() {
            Format::Json => {
                let shown = |event| if bodies == Bodies::Shown { event } else { without_texts(event) };
                return events.into_iter().map(shown).try_for_each(|event| output.line(&event.to_string()));
            }
            // A table would have columns of another width in each round.
            Format::Table => return lines.into_iter().try_for_each(|line| output.line(&line.to_string())),
            Format::Csv | Format::Tsv => {}
        }
        let table = PropertyTable::new(&["time", "event_type", "contact", "what"], lines)?;
        output.more(&table, !std::mem::replace(&mut self.has_header, true))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_selected_by_type_and_contact() {
        let arguments = |types: &[&str], contact: Option<&str>| TailArguments {
            since: None,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            contact: contact.map(|contact| contact.parse().unwrap()),
            with_body: false,
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

    #[derive(clap::Parser)]
    struct TailCommandLine {
        #[command(flatten)]
        arguments: TailArguments,
    }

    #[test]
    fn a_mistyped_type_or_contact_is_refused() {
        let parse = |options: &str| {
            let words = std::iter::once("tail").chain(options.split_whitespace());
            TailCommandLine::try_parse_from(words).map(|parsed| parsed.arguments).map_err(|error| error.to_string())
        };
        assert!(parse("--type twilio_inbound,twilio_status --contact whatsapp:+14155550123").is_ok());
        for (options, expected) in [
            ("--type nonsense", "[possible values: twilio_inbound, twilio_status,"),
            ("--type twilio_inbond", "tip: a similar value exists: 'twilio_inbound'"),
            ("--contact hello", "expected a number or a WhatsApp user id"),
        ] {
            let refused = parse(options).err().unwrap_or_default();
            assert!(refused.contains(expected), "{options}: {refused}");
        }
    }
}
