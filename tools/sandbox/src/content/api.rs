//! Requests to the Content API. Their bodies are JSON.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::{ContentDefinition, ContentTemplate, approval::Approval, review, types};
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    config::Config,
    paging::PageRequest,
    products::{
        Products,
        collection::Collection,
        resource::{Resource, delete, fetch, update},
    },
    state::Sandbox,
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v1/Content", get(list).post(create))
        .route("/v2/Content", get(list))
        .route(
            "/v1/Content/{sid}",
            get(fetch::<ContentTemplate>).put(update::<ContentTemplate>).delete(delete::<ContentTemplate>),
        )
        .route("/v1/Content/{sid}/ApprovalRequests", get(fetch_approval))
        .route("/v1/Content/{sid}/ApprovalRequests/whatsapp", post(submit))
        .route("/v1/ContentAndApprovals", get(list_with_approvals))
        .route("/v2/ContentAndApprovals", get(list_with_approvals))
        .route("/v1/LegacyContent", get(list_legacy))
}

async fn create(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let given = given(&body)?;
    let now = sandbox.now();
    let content =
        ContentTemplate { sid: sandbox.sids.next("HX"), given, approval: None, created_at: now, updated_at: now };
    let content = sandbox.products.contents.add(content.sid.clone(), content);
    Ok((StatusCode::CREATED, Json(content.json(&sandbox.config))))
}

impl Resource for ContentTemplate {
    const LIST_KEY: &'static str = "contents";

    fn collection(products: &Products) -> &Collection<Self> {
        &products.contents
    }

    fn json(&self, config: &Config) -> Value {
        self.resource(config)
    }

    /// A content can be changed until it is submitted for approval.
    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        if self.approval.is_some() {
            let message = "Content that was submitted for approval cannot be changed";
            return Err(ApiError::new(StatusCode::CONFLICT, 20409, message));
        }
        (self.given, self.updated_at) = (given(body)?, now);
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct ApprovalRequest {
    name: String,
    category: String,
}

async fn submit(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let content = sandbox.products.contents.get(&sid).ok_or_else(|| caller.not_found())?;
    let request: ApprovalRequest = parse(&body)?;
    // A template has one name in all its languages. Source: Meta, "Templates".
    let has_name = |other: &Arc<ContentTemplate>| {
        let name = other.approval.as_ref().map(Approval::name);
        name == Some(request.name.as_str()) && other.given.language == content.given.language
    };
    if content.approval.is_some() || sandbox.products.contents.all().iter().any(has_name) {
        return Err(ApiError::new(StatusCode::CONFLICT, 20409, "A template of this name was submitted already"));
    }
    let now = sandbox.now();
    let approval = Approval::submit(content.whatsapp_type(), &request.name, &request.category, now);
    let approval = approval.map_err(|error| ApiError::bad_request(20001, error))?;
    let submitted = sandbox.products.contents.update(&sid, |content| {
        (content.approval, content.updated_at) = (Some(approval), now);
        Ok::<_, ApiError>(())
    });
    let submitted = submitted.ok_or_else(|| caller.not_found())??;
    review::follow(&sandbox, sid);
    Ok((StatusCode::CREATED, Json(submitted.approval_resource(now))))
}

async fn fetch_approval(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let content = sandbox.products.contents.get(&sid).ok_or_else(|| caller.not_found())?;
    let mut whatsapp = content.approval_resource(sandbox.now());
    add(&mut whatsapp, "type", "whatsapp".into());
    Ok(Json(json!({
        "sid": sid, "account_sid": sandbox.config.account_sid, "whatsapp": whatsapp,
        "url": format!("https://content.twilio.com/v1/Content/{sid}/ApprovalRequests"),
    })))
}

async fn list(_: Authenticated, state: State<Arc<Sandbox>>, request: PageRequest) -> Result<Json<Value>, ApiError> {
    page(&state, &request, |_| {})
}

async fn list_with_approvals(
    _: Authenticated,
    state: State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let now = state.now();
    let contents = &state.products.contents;
    page(&state, &request, |shown| {
        let content = shown["sid"].as_str().and_then(|sid| contents.get(sid));
        add(shown, "approval_requests", content.map(|content| content.approval_resource(now)).into());
    })
}

async fn list_legacy(
    _: Authenticated,
    state: State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    page(&state, &request, |shown| {
        let name = shown.get("friendly_name").cloned().unwrap_or_default();
        let body = shown.pointer("/types/twilio~1text/body").cloned().unwrap_or_default();
        add(shown, "legacy_template_name", name);
        add(shown, "legacy_body", body);
    })
}

fn add(resource: &mut Value, name: &str, value: Value) {
    if let Some(fields) = resource.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// A page of the contents that pass the filters. `complete` adds fields to each.
fn page(sandbox: &Sandbox, request: &PageRequest, complete: impl Fn(&mut Value)) -> Result<Json<Value>, ApiError> {
    let query = &request.query;
    let now = sandbox.now();
    let mut found = sandbox.products.contents.all();
    // Only v2 has filters. v1 lists the oldest first.
    if request.path.starts_with("/v2/") {
        found.retain(|content| passes(content, query, now));
        if query.get("SortByDate") == Some("desc") {
            found.reverse();
        }
        if let Some(order) = query.get_filled("SortByContentName") {
            found.sort_by_key(|content| content.given.friendly_name.clone());
            if order == "desc" {
                found.reverse();
            }
        }
    }
    let mut shown: Vec<_> = found.iter().map(|content| content.json(&sandbox.config)).collect();
    shown.iter_mut().for_each(complete);
    request.page("contents", &shown).map(Json)
}

/// Whether a content passes the filters of a query. `ContentName` and `Content` are plain text, not patterns.
fn passes(content: &ContentTemplate, query: &Form, now: Timestamp) -> bool {
    let all = |name: &str| {
        query.pairs().iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let any = |name: &str, holds: &dyn Fn(&str) -> bool| {
        let wanted = all(name);
        wanted.is_empty() || wanted.iter().any(|wanted| holds(wanted))
    };
    let lower = |text: &str| text.to_lowercase();
    let name = content.given.friendly_name.as_deref().unwrap_or_default();
    let after = query.get_filled("DateCreatedAfter").and_then(|at| at.parse::<Timestamp>().ok());
    let before = query.get_filled("DateCreatedBefore").and_then(|at| at.parse::<Timestamp>().ok());
    any("ContentName", &|wanted| lower(name).contains(&lower(wanted)))
        && any("Content", &|wanted| {
            lower(&Value::Object(content.given.types.clone()).to_string()).contains(&lower(wanted))
        })
        && any("Language", &|wanted| content.given.language == wanted)
        && any("ContentType", &|wanted| content.given.types.contains_key(wanted))
        && any("ChannelEligibility", &|wanted| {
            wanted.strip_prefix("whatsapp:").is_some_and(|status| status == content.status(now).as_str())
        })
        && after.is_none_or(|after| content.created_at > after)
        && before.is_none_or(|before| content.created_at < before)
}

fn given(body: &[u8]) -> Result<ContentDefinition, ApiError> {
    let mut given: ContentDefinition = parse(body)?;
    // Twilio's libraries send null for the types that a content does not have.
    given.types.retain(|_, content| !content.is_null());
    match types::error(&given.types, given.variables.as_ref()) {
        Some(error) => Err(ApiError::bad_request(20001, error)),
        None if given.language.is_empty() => Err(ApiError::invalid("language", "a code, as in en")),
        None => Ok(given),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(20001, format!("Invalid request body: {error}")))
}
