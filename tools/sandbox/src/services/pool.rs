//! The senders of a Messaging Service (messaging v1, `PhoneNumbers` and `ChannelSenders`). A sender belongs to one service at
//! most.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::MessagingService;
use crate::{api_error::ApiError, auth::Authenticated, dates::iso_date, paging::PageRequest, state::Sandbox};

/// A kind of sender. Each kind has its list.
trait PoolMember: 'static {
    /// The last part of the list's path.
    const NAME: &'static str;
    /// The name of the array in the JSON of the list.
    const LIST_KEY: &'static str;
    /// The parameter that names the sender to add.
    const SID_PARAMETER: &'static str;

    /// The SID of a sender of this kind; none for one of another kind.
    fn sid(sandbox: &Sandbox, address: &str) -> Option<String>;

    /// The part of the JSON that only this kind has.
    fn fields(service: &MessagingService, address: &str) -> Value;
}

struct PhoneNumbers;

struct ChannelSenders;

impl PoolMember for PhoneNumbers {
    const NAME: &'static str = "PhoneNumbers";
    const LIST_KEY: &'static str = "phone_numbers";
    const SID_PARAMETER: &'static str = "PhoneNumberSid";

    fn sid(_: &Sandbox, address: &str) -> Option<String> {
        address.strip_prefix('+').map(|digits| format!("PN{digits:0>32}"))
    }

    fn fields(service: &MessagingService, address: &str) -> Value {
        json!({"service_sid": service.sid, "phone_number": address, "capabilities": ["SMS"]})
    }
}

impl PoolMember for ChannelSenders {
    const NAME: &'static str = "ChannelSenders";
    const LIST_KEY: &'static str = "senders";
    const SID_PARAMETER: &'static str = "Sid";

    fn sid(sandbox: &Sandbox, address: &str) -> Option<String> {
        sandbox.products.senders.sid_of(address).map(str::to_owned)
    }

    fn fields(service: &MessagingService, address: &str) -> Value {
        json!({"messaging_service_sid": service.sid, "sender": address, "sender_type": "WhatsApp"})
    }
}

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().merge(routes_of::<PhoneNumbers>()).merge(routes_of::<ChannelSenders>())
}

fn routes_of<T: PoolMember>() -> Router<Arc<Sandbox>> {
    let path = format!("/v1/Services/{{service}}/{}", T::NAME);
    Router::new()
        .route(&path, get(list::<T>).post(add::<T>))
        .route(&format!("{path}/{{sender}}"), get(fetch::<T>).delete(remove::<T>))
}

fn resource<T: PoolMember>(sandbox: &Sandbox, service: &MessagingService, address: &str) -> Option<Value> {
    let sid = T::sid(sandbox, address)?;
    let mut shown = json!({
        "sid": sid, "account_sid": sandbox.config.account_sid, "country_code": "US",
        "date_created": iso_date(service.created_at), "date_updated": iso_date(service.updated_at),
        "url": format!("https://messaging.twilio.com/v1/Services/{}/{}/{sid}", service.sid, T::NAME),
    });
    if let (Some(shown), Value::Object(own)) = (shown.as_object_mut(), T::fields(service, address)) {
        shown.extend(own);
    }
    Some(shown)
}

async fn list<T: PoolMember>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let service = sandbox.products.services.get(&sid).ok_or_else(|| caller.not_found())?;
    let shown: Vec<_> = service.pool.iter().filter_map(|address| resource::<T>(&sandbox, &service, address)).collect();
    request.page(T::LIST_KEY, &shown).map(Json)
}

async fn fetch<T: PoolMember>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((service, sender)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let service = sandbox.products.services.get(&service).ok_or_else(|| caller.not_found())?;
    let found = service.pool.iter().find(|address| T::sid(&sandbox, address).as_deref() == Some(&sender));
    let shown = found.and_then(|address| resource::<T>(&sandbox, &service, address));
    shown.map(Json).ok_or_else(|| caller.not_found())
}

/// Adds one of the account's senders. Source: Twilio, errors 21710 and 21712.
async fn add<T: PoolMember>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(service_sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let sid = form.get_filled(T::SID_PARAMETER).ok_or_else(|| ApiError::missing(T::SID_PARAMETER))?;
    let own = [&sandbox.config.sender, &sandbox.config.sms_sender];
    let address = own.into_iter().find(|address| T::sid(&sandbox, address).as_deref() == Some(sid));
    let address = address.ok_or_else(|| caller.not_found())?;
    let services = &sandbox.products.services;
    if let Some(other) = services.all().iter().find(|service| service.has_sender(address)) {
        let (code, message) = if other.sid == service_sid {
            (21710, "Phone Number Already Exists in Messaging Service")
        } else {
            (21712, "Phone Number or Short Code is associated with another Messaging Service.")
        };
        return Err(ApiError::new(StatusCode::CONFLICT, code, message));
    }
    let changed = services.update(&service_sid, |service| {
        service.pool.push(address.clone());
        Ok::<_, ApiError>(())
    });
    let service = changed.ok_or_else(|| caller.not_found())??;
    let shown = resource::<T>(&sandbox, &service, address).ok_or_else(|| caller.not_found())?;
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn remove<T: PoolMember>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((service, sender)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let is_removed = |address: &String| T::sid(&sandbox, address).as_deref() == Some(&sender);
    let changed = sandbox.products.services.update(&service, |service| {
        let before = service.pool.len();
        service.pool.retain(|address| !is_removed(address));
        if service.pool.len() < before { Ok(()) } else { Err(caller.not_found()) }
    });
    changed.ok_or_else(|| caller.not_found())??;
    Ok(StatusCode::NO_CONTENT)
}
