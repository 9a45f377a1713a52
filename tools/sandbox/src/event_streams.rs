//! Twilio's Event Streams: the sinks and subscriptions that an account has, and the events of its templates.
//!
//! Sources: twilio-oai, events v1; Twilio, "Sink resource", "Subscription resource", "Webhook Quickstart" and "Sink Validate
//! resource" ("There is no longer a need for validating a Sink. The status of Sinks is active by default.").

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{config::Config, dates::iso_date, products::collection::Collection, sids::Sids};

pub(crate) mod api;
mod catalog;
mod cloud_event;
pub(crate) mod post;

pub(crate) use cloud_event::{TemplateUpdate, UpdateKind};

/// The one event type to which subscriptions get events. Source: Twilio, "Template Approval" event types.
pub(crate) const TEMPLATE_APPROVAL_UPDATED: &str = "com.twilio.messaging.template.approval.updated";

/// The type of the event of "Sink Test resource".
const SINK_TEST: &str = "com.twilio.eventstreams.test-event";

#[derive(Debug, Default)]
pub(crate) struct EventStreams {
    pub(crate) sinks: Collection<Sink>,
    pub(crate) subscriptions: Collection<Subscription>,
}

/// Where events are posted to. The sandbox has webhook sinks only.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    pub(crate) sid: String,
    description: String,
    configuration: SinkConfiguration,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// `SinkConfiguration` of a webhook sink.
#[derive(Debug, Clone, Deserialize)]
struct SinkConfiguration {
    destination: String,
    method: String,
    /// Whether several events may come in one request.
    #[serde(default = "default_batch_events")]
    batch_events: bool,
}

const fn default_batch_events() -> bool {
    true
}

/// The event types that are posted to a sink.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    sid: String,
    description: String,
    sink_sid: String,
    types: Vec<SubscribedEvent>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
struct SubscribedEvent {
    #[serde(rename = "type")]
    name: String,
    #[serde(default = "first_version")]
    schema_version: u32,
}

const fn first_version() -> u32 {
    1
}

impl EventStreams {
    /// Those that the account has from the start.
    pub(crate) fn of_account(config: &Config, sids: &Sids, at: Timestamp) -> Self {
        let streams = Self::default();
        if let Some(destination) = config.events_url.clone() {
            let configuration = SinkConfiguration { destination, method: "POST".to_owned(), batch_events: true };
            let description = "Sandbox".to_owned();
            let sid = sids.next("DG");
            let sink = Sink { sid: sid.clone(), description, configuration, created_at: at, updated_at: at };
            streams.sinks.add(sid.clone(), sink);
            let types = vec![SubscribedEvent { name: TEMPLATE_APPROVAL_UPDATED.to_owned(), schema_version: 1 }];
            let (description, own) = ("Sandbox".to_owned(), sids.next("DF"));
            let subscription =
                Subscription { sid: own.clone(), description, sink_sid: sid, types, created_at: at, updated_at: at };
            streams.subscriptions.add(own, subscription);
        }
        streams
    }

    /// The sinks that want events of a type: each once, however many of its subscriptions name the type.
    pub(crate) fn sinks_of(&self, event_type: &str) -> Vec<std::sync::Arc<Sink>> {
        let subscriptions = self.subscriptions.all();
        let wants = |sink: &str| subscriptions.iter().any(|one| one.sink_sid == sink && one.names(event_type));
        self.sinks.all().into_iter().filter(|sink| wants(&sink.sid)).collect()
    }
}

impl Sink {
    pub(crate) fn destination(&self) -> &str {
        &self.configuration.destination
    }

    fn resource(&self) -> Value {
        let url = format!("https://events.twilio.com/v1/Sinks/{}", self.sid);
        let SinkConfiguration { destination, method, batch_events } = &self.configuration;
        json!({
            "sid": self.sid, "description": self.description, "sink_type": "webhook", "status": "active",
            "sink_configuration": {"destination": destination, "method": method, "batch_events": batch_events},
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at), "url": url,
            "links": {"sink_test": format!("{url}/Test"), "sink_validate": format!("{url}/Validate")},
        })
    }
}

impl Subscription {
    fn names(&self, event_type: &str) -> bool {
        self.types.iter().any(|subscribed| subscribed.name == event_type)
    }

    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://events.twilio.com/v1/Subscriptions/{}", self.sid);
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "description": self.description,
            "sink_sid": self.sink_sid, "date_created": iso_date(self.created_at),
            "date_updated": iso_date(self.updated_at), "url": url,
            "links": {"subscribed_events": format!("{url}/SubscribedEvents")},
        })
    }

    fn event_resource(&self, event: &SubscribedEvent, config: &Config) -> Value {
        let SubscribedEvent { name, schema_version } = event;
        json!({
            "account_sid": config.account_sid, "subscription_sid": self.sid, "type": name,
            "schema_version": schema_version,
            "url": format!("https://events.twilio.com/v1/Subscriptions/{}/SubscribedEvents/{name}", self.sid),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_with_an_events_url_has_a_subscribed_sink() {
        let streams = |events_url: Option<&str>| {
            let config = Config { events_url: events_url.map(str::to_owned), ..Config::documented(String::new()) };
            EventStreams::of_account(&config, &Sids::from_seed(1), Timestamp::UNIX_EPOCH)
        };
        let url = "https://wa.example.com/twilio/events";
        let sinks = streams(Some(url)).sinks_of(TEMPLATE_APPROVAL_UPDATED);
        assert_eq!(sinks.iter().map(|sink| sink.destination()).collect::<Vec<_>>(), [url]);
        assert!(streams(Some(url)).sinks_of("com.twilio.other").is_empty());
        assert!(streams(None).sinks_of(TEMPLATE_APPROVAL_UPDATED).is_empty());
    }
}
