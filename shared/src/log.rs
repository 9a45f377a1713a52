//! The log of a function, in the format and at the level that Lambda's advanced logging controls set.
//!
//! Source: AWS Lambda, "Configuring advanced logging controls".

use domain::trace_id::TraceId;
use tracing::Span;
use tracing_subscriber::{filter::LevelFilter, fmt::format::JsonFields};

use crate::env;

pub(crate) mod json_line;

use json_line::JsonLine;

/// Starts the log: JSON lines where `AWS_LAMBDA_LOG_FORMAT` is `JSON`, and text otherwise, at the level of
/// `AWS_LAMBDA_LOG_LEVEL`, which is INFO by default. Release binaries have no messages of a lower level: see Cargo.toml,
/// `tracing`.
///
/// All modules have the same level. A filter by module would bring a regular expression engine into every binary, a tenth
/// of its size.
pub fn init() {
    let level = env::optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
    if env::optional("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        lines.fmt_fields(JsonFields::new()).event_format(JsonLine).init();
    } else {
        // CloudWatch adds the time to each line.
        lines.without_time().init();
    }
}

/// The id of an event for a log. That of a requested preference has the person's number, which no log has.
pub fn loggable_event_id(event_id: &str) -> &str {
    if event_id.contains('+') { "(has a number)" } else { event_id }
}

/// The span of all work on one notification or message: each line that is logged in it has the trace id.
///
/// It has the highest level, because a span of a lower one is left out, with its fields, where `AWS_LAMBDA_LOG_LEVEL` is
/// WARN or ERROR.
pub fn traced(trace_id: &TraceId) -> Span {
    tracing::error_span!("trace", %trace_id)
}

/// The same where the trace id is known only after the work has begun: see [`found_trace`].
pub fn untraced() -> Span {
    tracing::error_span!("trace", trace_id = tracing::field::Empty)
}

/// Gives the current span its trace id.
pub fn found_trace(trace_id: &TraceId) {
    Span::current().record("trace_id", tracing::field::display(trace_id));
}
