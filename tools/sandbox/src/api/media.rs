//! The Media resource: the files of a message.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use twilio_types::sid::MessageSid;
use twilio_webhook::form::Form;

use super::resource::media_resource;
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    control::files::{bytes_url, other_bytes_url},
    faults::FileFault,
    memory::Memory,
    messages::{Media, Message},
    paging::{DEFAULT_SIZE, PageRequest, is_paging_parameter, number, size},
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media.json", get(list))
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{file}", get(fetch).delete(delete))
}

async fn list(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid)): Path<(String, String)>,
    PageRequest { query, .. }: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let (page_size, page) = (size(&query)?.unwrap_or(DEFAULT_SIZE), number(&query, "Page")?.unwrap_or(0));
    let wanted = [day(&query, "DateCreated")?, day(&query, "DateCreated>")?, day(&query, "DateCreated<")?];
    let memory = sandbox.memory();
    let message = message(&memory, &sid).ok_or_else(|| caller.not_found())?;
    let created = message.created_at.to_zoned(TimeZone::UTC).date();
    let [on, since, until] = wanted;
    let passes = on.is_none_or(|on| created == on)
        && since.is_none_or(|since| created >= since)
        && until.is_none_or(|until| created <= until);
    let start = page.saturating_mul(page_size);
    let files =
        message.media.iter().filter(|_| passes).map(|file| media_resource(&sandbox.config.account_sid, message, file));
    let shown: Vec<_> = files.skip(start).take(page_size).collect();
    let has_next = passes && message.media.len() > start + shown.len();
    let uri = |page: usize| {
        let filters = query.pairs().iter().filter(|(name, _)| !is_paging_parameter(name));
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(filters).append_pair("PageSize", &page_size.to_string());
        format!("{}?{}", caller.path, encoded.append_pair("Page", &page.to_string()).finish())
    };
    Ok(Json(json!({
        "page": page, "page_size": page_size, "start": start, "end": (start + shown.len()).saturating_sub(1),
        "uri": uri(page), "first_page_uri": uri(0), "next_page_uri": has_next.then(|| uri(page + 1)),
        "previous_page_uri": page.checked_sub(1).map(uri), "media_list": shown,
    })))
}

fn day(query: &Form, name: &str) -> Result<Option<Date>, ApiError> {
    let wrong = |_| ApiError::bad_request(20001, format!("{name}: expected a date as in 2026-11-20"));
    query.get_filled(name).map(|text| text.get(..10).unwrap_or(text).parse().map_err(wrong)).transpose()
}

/// The description of a file (`ME....json`), or a redirect to its bytes (`ME...`).
async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid, file)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let (found, sent_at) = {
        let memory = sandbox.memory();
        let message = message(&memory, &sid).ok_or_else(|| caller.not_found())?;
        let media_sid = file.strip_suffix(".json").unwrap_or(&file);
        let found = message.media.iter().find(|media| media.sid == media_sid).ok_or_else(|| caller.not_found())?;
        if file != media_sid {
            return Ok(Json(media_resource(&sandbox.config.account_sid, message, found)).into_response());
        }
        (found.clone(), message.created_at)
    };
    if found.fault.as_ref().is_some_and(|fault| fault.is_missing(sent_at, sandbox.now())) {
        return Err(caller.not_found());
    }
    Ok(redirect(&sandbox, &found).await)
}

/// A redirect to the bytes of a file, or to what is in their place.
async fn redirect(sandbox: &Sandbox, file: &Media) -> Response {
    let url = match &file.fault {
        Some(FileFault::Redirected { url }) => url.clone(),
        Some(FileFault::Slow { milliseconds }) => {
            // The time that the caller waits, which is real whatever the sandbox's clock says.
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            bytes_url(sandbox, &file.url)
        }
        Some(fault) => {
            fault.bytes_name().map_or_else(|| bytes_url(sandbox, &file.url), |name| other_bytes_url(sandbox, name))
        }
        None => bytes_url(sandbox, &file.url),
    };
    Redirect::temporary(&url).into_response()
}

async fn delete(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid, file)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let mut memory = sandbox.memory();
    let message = sid.parse().ok().and_then(|sid| memory.messages.get_mut(&sid)).ok_or_else(|| caller.not_found())?;
    let at = message.media.iter().position(|media| file.strip_suffix(".json") == Some(media.sid.as_str()));
    message.media.remove(at.ok_or_else(|| caller.not_found())?);
    Ok(StatusCode::NO_CONTENT)
}

fn message<'a>(memory: &'a Memory, sid: &str) -> Option<&'a Message> {
    let parsed: MessageSid = sid.parse().ok()?;
    memory.messages.get(&parsed)
}
