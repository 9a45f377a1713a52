//! Event Streams: sinks to which Twilio posts events, and subscriptions that say which.
//!
//! Source: Twilio, "Sink resource", "Subscription resource" and "Subscribed Events resource".

use serde::Deserialize;
use serde_json::json;

use crate::{AccountClient, ApiRequest, PagePath, Product, TwilioError, content::path_and_query};

/// Where Twilio posts events to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EventSink {
    /// `DG` and 32 hexadecimal digits.
    pub sid: String,
    /// `webhook` or another type.
    pub sink_type: String,
    /// `active`, if Twilio delivers to it.
    pub status: String,
    /// What its type needs.
    #[serde(default, rename = "sink_configuration")]
    pub configuration: SinkConfiguration,
}

/// The configuration of a webhook sink. Sinks of other types have other fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SinkConfiguration {
    /// The URL that events are posted to.
    pub destination: Option<String>,
}

/// Which events are posted to a sink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EventSubscription {
    /// `DF` and 32 hexadecimal digits.
    pub sid: String,
    /// The sink.
    pub sink_sid: String,
}

/// An event type of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SubscribedEventType {
    /// Its name, as in `com.twilio.messaging.template.approval.updated`.
    #[serde(rename = "type")]
    pub name: String,
}

#[derive(Deserialize)]
struct SinkPage {
    sinks: Vec<EventSink>,
    meta: PageMeta,
}

#[derive(Deserialize)]
struct SubscriptionPage {
    subscriptions: Vec<EventSubscription>,
}

#[derive(Deserialize)]
struct EventTypePage {
    types: Vec<SubscribedEventType>,
}

#[derive(Deserialize)]
struct PageMeta {
    next_page_url: Option<String>,
}

/// An account has a handful of sinks. A list that goes in circles ends here.
const MAX_SINK_PAGES: usize = 20;
/// The longest page of Twilio's lists.
const PAGE_SIZE: &str = "1000";

impl AccountClient {
    /// All sinks of the account.
    pub async fn event_sinks(&self) -> Result<Vec<EventSink>, TwilioError> {
        let first = ApiRequest::get(Product::Events, "/v1/Sinks").query([("PageSize", PAGE_SIZE)]);
        let mut page: SinkPage = self.call(first).await?;
        let mut sinks = page.sinks;
        for _ in 1..MAX_SINK_PAGES {
            let next = page.meta.next_page_url.as_deref().and_then(path_and_query);
            let Some(next) = next.and_then(|path| path.parse::<PagePath>().ok()) else { break };
            page = self.call(ApiRequest::get(Product::Events, next.as_str())).await?;
            sinks.append(&mut page.sinks);
        }
        Ok(sinks)
    }

    /// Creates a sink to which Twilio posts JSON, several events in one request.
    pub async fn create_webhook_sink(&self, description: &str, destination: &str) -> Result<EventSink, TwilioError> {
        let configuration = json!({"destination": destination, "method": "POST", "batch_events": true}).to_string();
        let form =
            [("Description", description), ("SinkType", "webhook"), ("SinkConfiguration", configuration.as_str())];
        self.call(ApiRequest::post(Product::Events, "/v1/Sinks").form(form)).await
    }

    /// The subscriptions of a sink, the first 1,000.
    pub async fn event_subscriptions(&self, sink_sid: &str) -> Result<Vec<EventSubscription>, TwilioError> {
        let request = ApiRequest::get(Product::Events, "/v1/Subscriptions");
        let page: SubscriptionPage = self.call(request.query([("SinkSid", sink_sid), ("PageSize", PAGE_SIZE)])).await?;
        Ok(page.subscriptions)
    }

    /// The event types of a subscription, the first 1,000.
    pub async fn subscribed_event_types(&self, sid: &str) -> Result<Vec<SubscribedEventType>, TwilioError> {
        let path = format!("/v1/Subscriptions/{sid}/SubscribedEvents");
        let page: EventTypePage =
            self.call(ApiRequest::get(Product::Events, path).query([("PageSize", PAGE_SIZE)])).await?;
        Ok(page.types)
    }

    /// Subscribes a sink to an event type, in the first version of its schema.
    pub async fn create_event_subscription(
        &self,
        description: &str,
        sink_sid: &str,
        event_type: &str,
    ) -> Result<EventSubscription, TwilioError> {
        let types = json!({"type": event_type, "schema_version": 1}).to_string();
        let form = [("Description", description), ("SinkSid", sink_sid), ("Types", types.as_str())];
        self.call(ApiRequest::post(Product::Events, "/v1/Subscriptions").form(form)).await
    }
}
