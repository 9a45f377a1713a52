//! Listing, fetching, changing and deleting the resources of any product: one set of handlers for all of them.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Products, collection::Collection};
use crate::{api_error::ApiError, auth::Authenticated, config::Config, paging::PageRequest, state::Sandbox};

/// A resource of one of Twilio's products. Its path ends in its SID.
pub(crate) trait Resource: Clone + Send + Sync + 'static {
    /// The name of the array in the JSON of a list.
    const LIST_KEY: &'static str;
    const LIST_ORDER: ListOrder = ListOrder::OldestFirst;

    fn collection(products: &Products) -> &Collection<Self>;

    /// Whether it belongs to the parent resource in its path; one without a parent does.
    fn belongs_to(&self, _parent: Option<&str>) -> bool {
        true
    }

    /// What the API shows of it.
    fn json(&self, config: &Config) -> Value;

    /// Changes it as the body of a request says.
    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListOrder {
    OldestFirst,
    NewestFirst,
}

pub(crate) async fn list<T: Resource>(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    parent: Option<Path<String>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let parent = parent.as_ref().map(|Path(parent)| parent.as_str());
    let items = T::collection(&sandbox.products).all();
    let items = items.iter().filter(|item| item.belongs_to(parent));
    let mut shown: Vec<_> = items.map(|item| item.json(&sandbox.config)).collect();
    if T::LIST_ORDER == ListOrder::NewestFirst {
        shown.reverse();
    }
    request.page(T::LIST_KEY, &shown).map(Json)
}

pub(crate) async fn fetch<T: Resource>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(path): Path<Vec<String>>,
) -> Result<Json<Value>, ApiError> {
    let (_, item) = find::<T>(&sandbox.products, &path).ok_or_else(|| caller.not_found())?;
    Ok(Json(item.json(&sandbox.config)))
}

pub(crate) async fn update<T: Resource>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(path): Path<Vec<String>>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let (sid, _) = find::<T>(&sandbox.products, &path).ok_or_else(|| caller.not_found())?;
    let now = sandbox.now();
    let changed = T::collection(&sandbox.products).update(sid, |item| item.change(&body, now));
    let changed = changed.ok_or_else(|| caller.not_found())??;
    Ok(Json(changed.json(&sandbox.config)))
}

pub(crate) async fn delete<T: Resource>(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(path): Path<Vec<String>>,
) -> Result<StatusCode, ApiError> {
    let (sid, _) = find::<T>(&sandbox.products, &path).ok_or_else(|| caller.not_found())?;
    T::collection(&sandbox.products).remove(sid).ok_or_else(|| caller.not_found())?;
    Ok(StatusCode::NO_CONTENT)
}

/// The resource that the parameters of a path name, and its SID: `[sid]`, or `[parent, sid]`.
pub(crate) fn find<'a, T: Resource>(products: &Products, path: &'a [String]) -> Option<(&'a str, Arc<T>)> {
    let (sid, parents) = path.split_last()?;
    let item = T::collection(products).get(sid)?;
    item.belongs_to(parents.last().map(String::as_str)).then_some((sid.as_str(), item))
}
