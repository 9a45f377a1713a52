//! The Content API, as far as templates are looked up: `GET /v1/Content` and `GET /v1/Content/{sid}`.

use std::sync::Arc;

use axum::{Json, Router, extract::Path, response::IntoResponse, routing::get};
use serde_json::{Value, json};

use crate::{
    auth::Authenticated,
    refusal::{Refusal, with_headers},
    state::Sandbox,
};

/// The one approved template, `order_update` in `en`.
pub const ORDER_UPDATE_SID: &str = "HX00000000000000000000000000000001";

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/v1/Content", get(list)).route("/v1/Content/{sid}", get(fetch))
}

async fn list(_: Authenticated) -> impl IntoResponse {
    let meta = json!({
        "key": "contents", "page": 0, "page_size": 50, "url": "https://content.twilio.com/v1/Content?PageSize=50&Page=0",
        "first_page_url": "https://content.twilio.com/v1/Content?PageSize=50&Page=0",
        "next_page_url": null, "previous_page_url": null,
    });
    with_headers(Json(json!({"contents": [order_update()], "meta": meta})).into_response())
}

async fn fetch(_: Authenticated, Path(sid): Path<String>) -> Result<impl IntoResponse, Refusal> {
    if sid == ORDER_UPDATE_SID {
        Ok(with_headers(Json(order_update()).into_response()))
    } else {
        Err(Refusal::not_found(&format!("/v1/Content/{sid}")))
    }
}

/// The variables that the template has.
pub(crate) const ORDER_UPDATE_VARIABLES: [&str; 2] = ["1", "2"];

fn order_update() -> Value {
    json!({
        "sid": ORDER_UPDATE_SID, "friendly_name": "order_update", "language": "en",
        "variables": {"1": "Ava", "2": "18473"},
        "types": {"twilio/text": {"body": "Hello {{1}}, your order {{2}} is on its way."}},
        "url": format!("https://content.twilio.com/v1/Content/{ORDER_UPDATE_SID}"),
    })
}
