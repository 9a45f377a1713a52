//! Requests about alerts (monitor v1, `Alerts`).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::Value;
use twilio_webhook::form::Form;

use super::Alert;
use crate::{api_error::ApiError, auth::Authenticated, paging::PageRequest, state::Sandbox};

/// Source: Twilio, "Monitor REST API: Alerts": queries for alerts older than 30 days are not supported.
const OLDEST: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/v1/Alerts", get(list)).route("/v1/Alerts/{sid}", get(fetch))
}

async fn list(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let filter = AlertFilter::parse(&request.query, sandbox.now())?;
    let memory = sandbox.memory();
    let found = memory.alerts.newest_first().filter(|alert| filter.passes(alert));
    let shown: Vec<_> = found.map(|alert| alert.json(&sandbox.config)).collect();
    request.page("alerts", &shown).map(Json)
}

async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let memory = sandbox.memory();
    let alert = memory.alerts.get(&sid).ok_or_else(|| caller.not_found())?;
    Ok(Json(alert.whole_json(&sandbox.config)))
}

/// Which alerts a list has.
#[derive(Debug, PartialEq, Eq)]
struct AlertFilter {
    level: Option<String>,
    start: Timestamp,
    end: Timestamp,
}

impl AlertFilter {
    fn parse(query: &Form, now: Timestamp) -> Result<Self, ApiError> {
        let level = query.get_filled("LogLevel").map(str::to_owned);
        if level.as_deref().is_some_and(|level| !["error", "warning", "notice", "debug"].contains(&level)) {
            return Err(ApiError::invalid("LogLevel", "error, warning, notice or debug"));
        }
        let start = date(query, "StartDate", DayEdge::Begin)?.unwrap_or(Timestamp::MIN);
        let oldest = now.saturating_sub(OLDEST).unwrap_or(Timestamp::MIN);
        if start != Timestamp::MIN && start < oldest {
            return Err(ApiError::invalid("StartDate", "a time in the last 30 days"));
        }
        Ok(Self { level, start, end: date(query, "EndDate", DayEdge::End)?.unwrap_or(Timestamp::MAX) })
    }

    fn passes(&self, alert: &Alert) -> bool {
        (self.start..=self.end).contains(&alert.at) && self.level.as_deref().is_none_or(|level| level == alert.level)
    }
}

/// Which end of a day a date without a time stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayEdge {
    Begin,
    End,
}

/// A parameter with a day or a time, in GMT.
fn date(query: &Form, name: &'static str, edge: DayEdge) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = query.get_filled(name) else { return Ok(None) };
    let invalid = || ApiError::invalid(name, "YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ");
    if let Ok(at) = text.parse() {
        return Ok(Some(at));
    }
    let day: Date = text.parse().map_err(|_| invalid())?;
    let begin = day.to_zoned(TimeZone::UTC).map_err(|_| invalid())?.timestamp();
    match edge {
        DayEdge::Begin => Ok(Some(begin)),
        DayEdge::End => begin.checked_add(24.hours()).map(Some).map_err(|_| invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<AlertFilter, ApiError> {
        AlertFilter::parse(&Form::parse(query.as_bytes()), "2026-11-20T09:00:00Z".parse().unwrap())
    }

    #[test]
    fn alerts_are_filtered_by_time_and_level() {
        let alert = Alert::new(11200, "error", None, "2026-11-19T12:00:00Z".parse().unwrap());
        for (query, passes) in [
            ("", true),
            ("LogLevel=error&StartDate=2026-11-19", true),
            ("LogLevel=warning", false),
            ("StartDate=2026-11-19T12:00:01Z", false),
            ("StartDate=2026-11-18&EndDate=2026-11-19", true),
            ("EndDate=2026-11-18", false),
        ] {
            assert_eq!(filter(query).unwrap().passes(&alert), passes, "{query}");
        }
    }

    #[test]
    fn unsupported_filter_is_refused() {
        for query in ["LogLevel=fatal", "StartDate=yesterday", "StartDate=2026-10-01", "EndDate=x"] {
            assert_eq!(filter(query).unwrap_err().code, 20001, "{query}");
        }
    }
}
