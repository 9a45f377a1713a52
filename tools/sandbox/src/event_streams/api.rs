//! Requests about sinks and subscriptions.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{self, get},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::{Sink, SinkConfiguration, SubscribedEvent, Subscription, catalog, post};
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    config::Config,
    http_client::is_http_url,
    paging::PageRequest,
    products::{
        Products,
        collection::Collection,
        resource::{Resource, delete, fetch, list, update},
    },
    state::Sandbox,
};

/// Source: Twilio, error 91000.
const SINK_NOT_CREATED: u32 = 91000;
/// Source: Twilio, error 91001.
const SINK_NOT_FOUND: u32 = 91001;
/// An account has at most 100 sinks. Source: Twilio, error 91003.
const TOO_MANY_SINKS: u32 = 91003;
const MAX_SINKS: usize = 100;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    let subscription = get(fetch::<Subscription>).post(update::<Subscription>).delete(delete::<Subscription>);
    Router::new()
        .route("/v1/Sinks", get(list::<Sink>).post(create_sink))
        .route("/v1/Sinks/{sink}", get(fetch::<Sink>).post(update::<Sink>).delete(delete_sink))
        .route("/v1/Sinks/{sink}/Test", routing::post(test))
        .route("/v1/Sinks/{sink}/Validate", routing::post(validate))
        .merge(catalog::routes())
        .route("/v1/Subscriptions", get(list_subscriptions).post(create_subscription))
        .route("/v1/Subscriptions/{subscription}", subscription)
        .route("/v1/Subscriptions/{subscription}/SubscribedEvents", get(list_events).post(add_event))
        .route("/v1/Subscriptions/{subscription}/SubscribedEvents/{type}", get(fetch_event).delete(remove_event))
}

impl Resource for Sink {
    const LIST_KEY: &'static str = "sinks";

    fn collection(products: &Products) -> &Collection<Self> {
        &products.event_streams.sinks
    }

    fn json(&self, _: &Config) -> Value {
        self.resource()
    }

    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        self.description = description(&Form::parse(body))?;
        self.updated_at = now;
        Ok(())
    }
}

impl Resource for Subscription {
    const LIST_KEY: &'static str = "subscriptions";

    fn collection(products: &Products) -> &Collection<Self> {
        &products.event_streams.subscriptions
    }

    fn json(&self, config: &Config) -> Value {
        self.resource(config)
    }

    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        if let Some(description) = Form::parse(body).get_filled("Description") {
            description.clone_into(&mut self.description);
        }
        self.updated_at = now;
        Ok(())
    }
}

async fn create_sink(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let refused =
        |expected: &str| ApiError::bad_request(SINK_NOT_CREATED, format!("Sink could not be created: {expected}"));
    let description = description(&form)?;
    if form.get_filled("SinkType") != Some("webhook") {
        return Err(refused("the sandbox has sinks of the type webhook only"));
    }
    let configuration = form.get_filled("SinkConfiguration").ok_or_else(|| ApiError::missing("SinkConfiguration"))?;
    let configuration: SinkConfiguration = serde_json::from_str(configuration)
        .map_err(|_| refused("SinkConfiguration must be JSON with a destination and a method"))?;
    if !is_http_url(&configuration.destination) {
        return Err(refused("destination must be a URL"));
    }
    // Twilio also has GET. The sandbox refuses it, since no events fit into a URL.
    if !configuration.method.eq_ignore_ascii_case("POST") {
        return Err(refused("the sandbox posts to sinks: method must be POST"));
    }
    if sandbox.products.event_streams.sinks.all().len() >= MAX_SINKS {
        return Err(ApiError::bad_request(TOO_MANY_SINKS, "Account reached the max sink limit"));
    }
    let now = sandbox.now();
    let sink = Sink { sid: sandbox.sids.next("DG"), description, configuration, created_at: now, updated_at: now };
    let sink = sandbox.products.event_streams.sinks.add(sink.sid.clone(), sink);
    Ok((StatusCode::CREATED, Json(sink.resource())))
}

fn description(form: &Form) -> Result<String, ApiError> {
    form.get_filled("Description").map(str::to_owned).ok_or_else(|| ApiError::missing("Description"))
}

/// A sink with a subscription is not deleted: its events would have no place to go. The status is not documented.
async fn delete_sink(
    caller: Authenticated,
    state: State<Arc<Sandbox>>,
    Path(path): Path<Vec<String>>,
) -> Result<StatusCode, ApiError> {
    let subscriptions = state.products.event_streams.subscriptions.all();
    if subscriptions.iter().any(|subscription| path.contains(&subscription.sink_sid)) {
        let message = "The sink has subscriptions: delete them first";
        return Err(ApiError::new(StatusCode::CONFLICT, 20409, message));
    }
    delete::<Sink>(caller, state, Path(path)).await
}

/// Posts a test event, whether the sink has a subscription or not. Source: Twilio, "Sink Test resource".
async fn test(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let sink = sandbox.products.event_streams.sinks.get(&sid).ok_or_else(|| caller.not_found())?;
    post::test(&sandbox, &sink);
    Ok((StatusCode::CREATED, Json(json!({"result": "submitted"}))))
}

/// Answers `valid` always. Source: Twilio, "Sink Validate resource".
async fn validate(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    sandbox.products.event_streams.sinks.get(&sid).ok_or_else(|| caller.not_found())?;
    Ok((StatusCode::CREATED, Json(json!({"result": "valid"}))))
}

async fn list_subscriptions(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let mut found = sandbox.products.event_streams.subscriptions.all();
    if let Some(sink) = request.query.get_filled("SinkSid") {
        found.retain(|subscription| subscription.sink_sid == sink);
    }
    let shown: Vec<_> = found.iter().map(|subscription| subscription.resource(&sandbox.config)).collect();
    request.page(Subscription::LIST_KEY, &shown).map(Json)
}

async fn create_subscription(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let description = description(&form)?;
    let sink_sid = form.get_filled("SinkSid").ok_or_else(|| ApiError::missing("SinkSid"))?.to_owned();
    if sandbox.products.event_streams.sinks.get(&sink_sid).is_none() {
        return Err(ApiError::bad_request(SINK_NOT_FOUND, "Sink could not be found"));
    }
    let given = form.pairs().iter().filter(|(name, _)| name == "Types");
    let types: Result<Vec<SubscribedEvent>, _> = given.map(|(_, json)| serde_json::from_str(json)).collect();
    let types = types
        .map_err(|_| ApiError::invalid("Types", r#"JSON, as in {"type": "com.twilio...", "schema_version": 1}"#))?;
    if types.is_empty() {
        return Err(ApiError::missing("Types"));
    }
    let now = sandbox.now();
    let subscription =
        Subscription { sid: sandbox.sids.next("DF"), description, sink_sid, types, created_at: now, updated_at: now };
    let subscription = sandbox.products.event_streams.subscriptions.add(subscription.sid.clone(), subscription);
    Ok((StatusCode::CREATED, Json(subscription.resource(&sandbox.config))))
}

async fn list_events(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let subscription = sandbox.products.event_streams.subscriptions.get(&sid).ok_or_else(|| caller.not_found())?;
    let shown: Vec<_> =
        subscription.types.iter().map(|event| subscription.event_resource(event, &sandbox.config)).collect();
    request.page("types", &shown).map(Json)
}

async fn add_event(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let name = form.get_filled("Type").ok_or_else(|| ApiError::missing("Type"))?.to_owned();
    let version = form.get_filled("SchemaVersion").map_or(Ok(1), str::parse);
    let schema_version = version.map_err(|_| ApiError::invalid("SchemaVersion", "a number"))?;
    let event = SubscribedEvent { name, schema_version };
    let changed = sandbox.products.event_streams.subscriptions.update(&sid, |subscription| {
        subscription.types.retain(|known| known.name != event.name);
        subscription.types.push(event.clone());
        Ok::<_, ApiError>(())
    });
    let subscription = changed.ok_or_else(|| caller.not_found())??;
    Ok((StatusCode::CREATED, Json(subscription.event_resource(&event, &sandbox.config))))
}

async fn fetch_event(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((sid, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let subscription = sandbox.products.event_streams.subscriptions.get(&sid).ok_or_else(|| caller.not_found())?;
    let event = subscription.types.iter().find(|event| event.name == name).ok_or_else(|| caller.not_found())?;
    Ok(Json(subscription.event_resource(event, &sandbox.config)))
}

async fn remove_event(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((sid, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let removed = sandbox.products.event_streams.subscriptions.update(&sid, |subscription| {
        let before = subscription.types.len();
        subscription.types.retain(|event| event.name != name);
        if subscription.types.len() == before { Err(()) } else { Ok(()) }
    });
    removed.and_then(Result::ok).map(|_| StatusCode::NO_CONTENT).ok_or_else(|| caller.not_found())
}
