//! `wa listen`: forwards events, or Twilio's webhooks, to a program on the operator's machine.

use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use reqwest::{
    Client, Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Serialize;
use serde_json::Value;
use twilio_webhook::signature::sign;

use crate::{
    archive_feed::EventFeed,
    commands::events::{
        line::{Bodies, EventLine, without_channel},
        tail::TYPES,
    },
    error::CommandError,
    output::{Format, readable},
    people::PersonAddress,
    session::Session,
    since::Since,
};

mod webhook;

use webhook::webhook_of;

/// Twilio waits this long for the answer to a webhook. Source: Twilio, "Webhooks: Connection overrides".
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(clap::Args)]
#[command(after_help = "\
Forwards what happens on the stack, local or deployed, to a program that you develop, until Ctrl-C.

Events are posted as the JSON that the events queue has. They are read from the archive, so the consumers of the queue receive
them all the same, and they come some seconds later than there. The webhooks of Twilio are posted again from those events: the
same form, signed with the account's auth token for the given URL. The answers of your program have no effect, because the stack
has answered Twilio already. Nothing is posted a second time when your program fails.

Example:
  wa listen --forward-to http://localhost:3000/events
  wa listen --forward-webhooks-to http://localhost:3000/twilio --type twilio_inbound --since 1h")]
#[group(id = "targets", required = true, multiple = true, args = ["forward_to", "forward_webhooks_to"])]
pub struct ListenArguments {
    /// Post each event as JSON to this URL
    #[arg(long, value_name = "URL")]
    forward_to: Option<Url>,
    /// Post each webhook of Twilio to this URL, signed for it
    #[arg(long, value_name = "URL")]
    forward_webhooks_to: Option<Url>,
    /// Only events of these types, separated by commas, as in `twilio_inbound,twilio_status`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = PossibleValuesParser::new(TYPES))]
    types: Vec<String>,
    /// Only events about this person, as in +14155550123 or US.13491208655302741918
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<PersonAddress>,
    /// Begin this long ago, as in 30m, 1h or 2d, or at a time [default: now]
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// End when all existing events are forwarded; needs --since
    #[arg(long, requires = "since")]
    no_follow: bool,
    /// A further header of each request (repeatable)
    #[arg(long, value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = "expected a name, : and a value, as in Authorization:Bearer-1";
    let (name, value) = text.split_once(':').ok_or(expected)?;
    let name = name.trim().parse().map_err(|_| expected)?;
    Ok((name, value.trim().parse().map_err(|_| expected)?))
}

/// One request to the operator's program. The fields are those of the JSON output, without what people wrote.
#[derive(Serialize)]
struct ForwardedEvent {
    time: String,
    /// `event` or `webhook`
    forwarded: &'static str,
    event_type: String,
    event_id: String,
    contact: String,
    /// The HTTP status of the answer.
    http: Option<u16>,
    milliseconds: u64,
    error: Option<String>,
}

pub async fn run(arguments: &ListenArguments, session: &Session) -> Result<(), CommandError> {
    let stack = session.stack().await?;
    for url in [&arguments.forward_to, &arguments.forward_webhooks_to].into_iter().flatten() {
        if !is_of_this_machine(url) {
            let question =
                format!("Post what people write to {} to {}, which is not this machine?", stack.name, origin(url));
            session.terminal.confirm(&question)?;
        }
    }
    let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| CommandError::usage("no HTTP client can be made").because(error))?;
    let forwarder = Forwarder { arguments, session, client };
    let mut feed = EventFeed::start(session, arguments.since).await?;
    forwarder.announce(&stack.name);
    let (mut total, mut failed) = (0, 0);
    loop {
        let began = tokio::time::Instant::now();
        for event in feed.read().await?.iter().filter(|event| arguments.wants(event)) {
            for forwarded in forwarder.forward(event).await? {
                total += 1;
                failed += usize::from(!forwarded.is_accepted());
                print(session, &forwarded)?;
            }
        }
        match (arguments.no_follow, failed) {
            (false, _) => EventFeed::pause(began).await,
            (true, 0) => return Ok(()),
            (true, failed) => {
                return Err(CommandError::answer_is_no(format!(
                    "{failed} of {total} were not accepted by the program"
                )));
            }
        }
    }
}

/// Whether a URL stays on this machine.
fn is_of_this_machine(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// The scheme, the host and the port alone: a path may hold a key.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl ListenArguments {
    fn wants(&self, event: &Value) -> bool {
        let line = EventLine::of(event, Bodies::Hidden);
        let is_about = |contact: &PersonAddress| contact.identity.as_str() == line.contact;
        (self.types.is_empty() || self.types.contains(&line.event_type)) && self.contact.as_ref().is_none_or(is_about)
    }
}

struct Forwarder<'a> {
    arguments: &'a ListenArguments,
    session: &'a Session,
    client: Client,
}

impl Forwarder<'_> {
    fn announce(&self, stack: &str) {
        let note = |text: String| self.session.terminal.note(&text);
        if let Some(url) = &self.arguments.forward_to {
            note(format!(
                "Forwarding the events of {stack} to {} (Ctrl-C ends it); the events queue keeps them for its consumers",
                origin(url)
            ));
        }
        if let Some(url) = &self.arguments.forward_webhooks_to {
            note(format!(
                "Forwarding Twilio's webhooks to {} (Ctrl-C ends it), signed with the account's auth token for that URL; \
                 {stack} has answered them already",
                origin(url)
            ));
        }
    }

    /// Posts an event to each URL that is given.
    async fn forward(&self, event: &Value) -> Result<Vec<ForwardedEvent>, CommandError> {
        let mut forwarded = Vec::new();
        if let Some(url) = &self.arguments.forward_to {
            let request =
                self.client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(event.to_string());
            forwarded.push(self.post("event", event, request).await);
        }
        if let (Some(url), Some((account_sid, form))) = (&self.arguments.forward_webhooks_to, webhook_of(event)) {
            let keys = self.session.accounts().await?.signing_keys(&account_sid);
            let token = keys.and_then(|keys| keys.auth_tokens.first()).ok_or_else(|| {
                CommandError::refused(format!("the stack's secret has no auth token of {account_sid}"))
            })?;
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.pairs()).finish();
            let request = self.client.post(url.clone()).body(body);
            let request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
                .header("X-Twilio-Signature", sign(token, url.as_str(), &form));
            forwarded.push(self.post("webhook", event, request).await);
        }
        Ok(forwarded)
    }

    async fn post(&self, forwarded: &'static str, event: &Value, request: reqwest::RequestBuilder) -> ForwardedEvent {
        let headers = self.arguments.header.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        let begin = Instant::now();
        let answer = request.send().await;
        let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (http, error) = match answer {
            Ok(answer) => (Some(answer.status().as_u16()), None),
            Err(error) => (None, Some(shared::report::Chain(&error.without_url()).to_string())),
        };
        let line = EventLine::of(event, Bodies::Hidden);
        let event_id = event.get("event_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let contact = without_channel(&line.contact).to_owned();
        ForwardedEvent {
            time: line.time,
            forwarded,
            event_type: line.event_type,
            event_id,
            contact,
            http,
            milliseconds,
            error,
        }
    }
}

impl ForwardedEvent {
    fn is_accepted(&self) -> bool {
        self.http.is_some_and(|status| (200..300).contains(&status))
    }

    /// For people.
    fn line(&self) -> String {
        let Self { time, forwarded, event_type, contact, milliseconds, .. } = self;
        let answer = match (self.http, &self.error) {
            (Some(status), _) => format!("{status} in {milliseconds} ms"),
            (None, error) => format!("no answer: {}", error.as_deref().unwrap_or_default()),
        };
        format!("{}  {forwarded:<7}  {event_type:<23}  {:<15}  {answer}", readable(time), readable(contact))
    }
}

fn print(session: &Session, forwarded: &ForwardedEvent) -> Result<(), CommandError> {
    match session.output.format() {
        Format::Table => session.output.line(&forwarded.line()),
        _ => session.output.line(&serde_json::json!(forwarded).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(types: &[&str], contact: Option<&str>) -> ListenArguments {
        ListenArguments {
            forward_to: None,
            forward_webhooks_to: None,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            contact: contact.map(|contact| contact.parse().unwrap()),
            since: None,
            no_follow: false,
            header: Vec::new(),
        }
    }

    #[test]
    fn events_are_selected_by_type_and_person() {
        let event = json!({"event_type": "twilio_status", "to": "whatsapp:+14155550123"});
        for (types, contact, expected) in [
            (&[][..], None, true),
            (&["twilio_inbound"][..], None, false),
            (&["twilio_status"][..], Some("whatsapp:+14155550123"), true),
            (&[][..], Some("+14155550124"), false),
        ] {
            assert_eq!(arguments(types, contact).wants(&event), expected, "{types:?} {contact:?}");
        }
    }

    #[test]
    fn only_a_loopback_address_is_of_this_machine() {
        for (url, expected) in [
            ("http://localhost:3000/events", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://localhost.example.com", false),
            ("http://192.168.1.2:3000", false),
            ("https://example.com", false),
        ] {
            assert_eq!(is_of_this_machine(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn header_is_a_name_and_a_value() {
        let (name, value) = header("Authorization: Bearer 1").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer 1"));
        assert!(header("Authorization").is_err() && header("a b: c").is_err());
    }
}
