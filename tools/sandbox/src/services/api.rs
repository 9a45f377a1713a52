//! Requests about Messaging Services.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::MessagingService;
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    config::Config,
    dates::iso_date,
    paging::PageRequest,
    products::{
        Products,
        collection::Collection,
        resource::{Resource, delete, fetch, list, update},
    },
    state::Sandbox,
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    let service = get(fetch::<MessagingService>).post(update::<MessagingService>).delete(delete::<MessagingService>);
    Router::new()
        .route("/v1/Services", get(list::<MessagingService>).post(create))
        .route("/v1/Services/{service}", service)
        .route("/v1/Services/{service}/ChannelSenders", get(list_senders))
        .route("/v1/Services/{service}/PhoneNumbers", get(list_numbers))
}

impl Resource for MessagingService {
    const LIST_KEY: &'static str = "services";

    fn collection(products: &Products) -> &Collection<Self> {
        &products.services
    }

    fn json(&self, config: &Config) -> Value {
        self.resource(config)
    }

    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        self.updated_at = now;
        self.set(&Form::parse(body))
    }
}

async fn create(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let name = form.get_filled("FriendlyName").ok_or_else(|| ApiError::missing("FriendlyName"))?;
    let mut service = MessagingService::new(sandbox.sids.next("MG"), name.to_owned(), sandbox.now());
    service.set(&form)?;
    let service = sandbox.products.services.add(service.sid.clone(), service);
    Ok((StatusCode::CREATED, Json(service.json(&sandbox.config))))
}

async fn list_senders(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let service = sandbox.products.services.get(&sid).ok_or_else(|| caller.not_found())?;
    let senders: Vec<_> = service
        .pool
        .iter()
        .filter_map(|address| {
            let sender_sid = sandbox.products.senders.sid_of(address)?;
            Some(json!({
                "sid": sender_sid, "account_sid": sandbox.config.account_sid, "messaging_service_sid": service.sid,
                "sender": address, "sender_type": "WhatsApp", "country_code": "US",
                "date_created": iso_date(service.created_at), "date_updated": iso_date(service.updated_at),
                "url": format!("https://messaging.twilio.com/v1/Services/{sid}/ChannelSenders/{sender_sid}"),
            }))
        })
        .collect();
    request.page("senders", &senders).map(Json)
}

async fn list_numbers(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let service = sandbox.products.services.get(&sid).ok_or_else(|| caller.not_found())?;
    let numbers = service.pool.iter().filter_map(|address| Some((address, address.strip_prefix('+')?)));
    let numbers: Vec<_> = numbers
        .map(|(number, digits)| {
            let number_sid = format!("PN{digits:0>32}");
            json!({
                "sid": number_sid, "account_sid": sandbox.config.account_sid, "service_sid": service.sid,
                "phone_number": number, "country_code": "US", "capabilities": ["SMS"],
                "date_created": iso_date(service.created_at), "date_updated": iso_date(service.updated_at),
                "url": format!("https://messaging.twilio.com/v1/Services/{sid}/PhoneNumbers/{number_sid}"),
            })
        })
        .collect();
    request.page("phone_numbers", &numbers).map(Json)
}
