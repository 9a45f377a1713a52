//! `wa templates watch`: the sink and the subscription by which Twilio reports changes of templates.

use domain::templates::TEMPLATE_EVENT_TYPE;
use serde::Serialize;
use twilio_client::{AccountClient, EventSink};

use crate::{error::CommandError, output::PropertyTable, session::Session};

/// The route of Event Streams.
const EVENTS_PATH: &str = "/twilio/events";

/// What Twilio has of the two.
pub(in crate::commands) enum Watching {
    /// No sink posts to the stack.
    NoSink,
    /// The sink has no subscription to templates.
    NoSubscription(EventSink),
    /// Both exist. The second is the subscription's SID.
    Complete(EventSink, String),
}

/// The URL to which Twilio is to post events of the stack.
pub(in crate::commands) async fn destination(session: &Session) -> Result<String, CommandError> {
    Ok(session.stack().await?.api_url.join(EVENTS_PATH))
}

pub(in crate::commands) async fn find(account: &AccountClient, destination: &str) -> Result<Watching, CommandError> {
    let sinks = account.event_sinks().await?.into_iter();
    let mut own = sinks.filter(|sink| sink.configuration.destination.as_deref() == Some(destination));
    let Some(first) = own.next() else { return Ok(Watching::NoSink) };
    for sink in [first.clone()].into_iter().chain(own) {
        for subscription in account.event_subscriptions(&sink.sid).await? {
            let types = account.subscribed_event_types(&subscription.sid).await?;
            if types.iter().any(|subscribed| subscribed.name == TEMPLATE_EVENT_TYPE) {
                return Ok(Watching::Complete(sink, subscription.sid));
            }
        }
    }
    Ok(Watching::NoSubscription(first))
}

#[derive(Serialize)]
struct WatchLine {
    what: &'static str,
    sid: String,
    result: &'static str,
}

pub(super) async fn run(session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    let (account, destination) = (session.twilio().await?, destination(session).await?);
    let name = format!("{}: templates", session.stack().await?.name);
    let (sink, sink_result, subscription) = match find(&account, &destination).await? {
        Watching::Complete(sink, subscription) => (sink, "exists", Some(subscription)),
        Watching::NoSubscription(sink) => (sink, "exists", None),
        Watching::NoSink => (account.create_webhook_sink(&name, &destination).await?, "created", None),
    };
    let (subscription, result) = match subscription {
        Some(sid) => (sid, "exists"),
        None => (account.create_event_subscription(&name, &sink.sid, TEMPLATE_EVENT_TYPE).await?.sid, "created"),
    };
    let lines = [
        WatchLine { what: "sink", sid: sink.sid, result: sink_result },
        WatchLine { what: "subscription", sid: subscription, result },
    ];
    session.output.table(&PropertyTable::new(&["what", "sid", "result"], &lines)?)
}
