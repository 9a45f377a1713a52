//! The event types and their schemas, as Twilio lists them. The sandbox has those of the events that it posts.
//!
//! Sources: twilio-oai, events v1; Twilio, "Event Type resource" and "Schema resource".

use std::sync::Arc;

use axum::{Json, Router, extract::Path, routing::get};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{SINK_TEST, TEMPLATE_APPROVAL_UPDATED};
use crate::{api_error::ApiError, auth::Authenticated, dates::iso_date, paging::PageRequest, state::Sandbox};

struct EventType {
    name: &'static str,
    schema_id: &'static str,
    description: &'static str,
}

const TYPES: [EventType; 2] = [
    EventType {
        name: TEMPLATE_APPROVAL_UPDATED,
        schema_id: "Messaging.ApprovalUpdated",
        description: "The approval, the category or the quality of a template changed",
    },
    EventType { name: SINK_TEST, schema_id: "EventStreams.TestEvent", description: "A test of a sink" },
];

/// Each schema has one version.
const VERSION: u32 = 1;

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v1/Types", get(list_types))
        .route("/v1/Types/{type}", get(fetch_type))
        .route("/v1/Schemas/{schema}", get(fetch_schema))
        .route("/v1/Schemas/{schema}/Versions", get(list_versions))
        .route("/v1/Schemas/{schema}/Versions/{version}", get(fetch_version))
}

impl EventType {
    fn resource(&self) -> Value {
        let Self { name, schema_id, description } = self;
        json!({
            "type": name, "schema_id": schema_id, "description": description, "status": null,
            "documentation_url": null, "public": true,
            "date_created": created(), "date_updated": created(),
            "url": format!("https://events.twilio.com/v1/Types/{name}"),
            "links": {"schema": schema_url(schema_id)},
        })
    }

    fn schema(&self) -> Value {
        let url = schema_url(self.schema_id);
        json!({
            "id": self.schema_id, "latest_version": VERSION, "latest_version_date_created": created(), "url": url,
            "links": {"versions": format!("{url}/Versions")},
        })
    }

    fn version(&self) -> Value {
        let id = self.schema_id;
        json!({
            "id": id, "schema_version": VERSION, "date_created": created(),
            "url": format!("{}/Versions/{VERSION}", schema_url(id)),
            "raw": format!("https://events-schemas.twilio.com/{id}/{VERSION}.json"),
        })
    }
}

/// Twilio has them for longer than the sandbox runs.
fn created() -> String {
    iso_date(Timestamp::UNIX_EPOCH)
}

fn schema_url(id: &str) -> String {
    format!("https://events.twilio.com/v1/Schemas/{id}")
}

async fn list_types(_: Authenticated, request: PageRequest) -> Result<Json<Value>, ApiError> {
    let schema = request.query.get_filled("SchemaId");
    let types = TYPES.iter().filter(|one| schema.is_none_or(|schema| one.schema_id == schema));
    request.page("types", &types.map(EventType::resource).collect::<Vec<_>>()).map(Json)
}

async fn fetch_type(caller: Authenticated, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = TYPES.iter().find(|one| one.name == name);
    found.map(|one| Json(one.resource())).ok_or_else(|| caller.not_found())
}

fn of_schema(caller: &Authenticated, schema: &str) -> Result<&'static EventType, ApiError> {
    TYPES.iter().find(|one| one.schema_id == schema).ok_or_else(|| caller.not_found())
}

async fn fetch_schema(caller: Authenticated, Path(schema): Path<String>) -> Result<Json<Value>, ApiError> {
    of_schema(&caller, &schema).map(|found| Json(found.schema()))
}

async fn list_versions(
    caller: Authenticated,
    Path(schema): Path<String>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let found = of_schema(&caller, &schema)?;
    request.page("schema_versions", &[found.version()]).map(Json)
}

async fn fetch_version(
    caller: Authenticated,
    Path((schema, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let found = of_schema(&caller, &schema)?;
    if version == VERSION.to_string() { Ok(Json(found.version())) } else { Err(caller.not_found()) }
}
