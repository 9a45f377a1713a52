//! Requests about Messaging Services.

use std::sync::Arc;

use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, routing::get};
use jiff::Timestamp;
use serde_json::Value;
use twilio_webhook::form::Form;

use super::{MessagingService, pool};
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    config::Config,
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
        .merge(pool::routes())
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
