//! A log line as one JSON object: `timestamp`, `level`, the event's `fields`, and beside them the fields of the spans
//! that it is in, such as `requestId` of the Lambda runtime's span and `trace_id` of [`super::traced`].
//!
//! `trace_id` is where tools for logs look for it (OpenTelemetry, "Trace Context in non-OTLP Log Formats"). The format of
//! `tracing-subscriber` has the fields of the innermost span in `span` and those of all spans again in `spans`, so that
//! no query finds one of them at a fixed place, and each line is some 250 bytes longer.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields as _, FormattedFields,
        format::{JsonFields, Writer},
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// The format of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, r#"","level":"{}","fields":"#, event.metadata().level())?;
        context.format_fields(writer.by_ref(), event)?;
        // From the innermost span on. An outer one of the same name has the same fields, which would occur twice.
        let mut names = Vec::new();
        for span in context.event_scope().into_iter().flatten() {
            if names.contains(&span.name()) {
                continue;
            }
            names.push(span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                write_members(&mut writer, &fields.fields)?;
            }
        }
        writer.write_str("}\n")
    }
}

/// Writes what is in a JSON object behind what was written before.
fn write_members(writer: &mut Writer<'_>, object: &str) -> fmt::Result {
    let members: Map<String, Value> = serde_json::from_str(object).map_err(|_| fmt::Error)?;
    for (name, value) in members.iter().filter(|(name, value)| !is_unsampled(name, value)) {
        write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
    }
    Ok(())
}

/// X-Ray keeps nothing of an invocation that it does not sample, so that its header, a quarter of a line, would find nothing.
fn is_unsampled(name: &str, value: &Value) -> bool {
    name == "xrayTraceId" && value.as_str().is_some_and(|header| header.contains("Sampled=0"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tracing::Instrument as _;

    use super::{
        super::{found_trace, traced, untraced},
        *,
    };
    use crate::test_log::logged;

    fn trace_id(number: u8) -> domain::trace_id::TraceId {
        let message = format!("SM{number:032}").parse().unwrap();
        domain::trace_id::TraceId::of_message(&"AC00000000000000000000000000000001".parse().unwrap(), &message)
    }

    /// The work begins, and its spans with it, where its lines are collected.
    async fn lines_of<F: Future<Output = ()>>(work: impl FnOnce() -> F) -> Vec<Value> {
        let ((), lines) = logged(async { work().await }).await;
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn line_has_the_fields_of_its_spans_at_the_top() {
        let lines = lines_of(|| {
            let invocation =
                tracing::info_span!("Lambda runtime invoke", requestId = "r1", xrayTraceId = "Root=1-\"2\"");
            let work = async { tracing::warn!(count = 3, text = "a \"b\"", "something") };
            invocation.in_scope(|| work.instrument(traced(&trace_id(1)))).instrument(invocation)
        });
        let lines = lines.await;
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["fields"], json!({"message": "something", "count": 3, "text": "a \"b\""}));
        assert_eq!((&line["level"], &line["requestId"]), (&json!("WARN"), &json!("r1")));
        assert_eq!(line["xrayTraceId"], "Root=1-\"2\"");
        assert_eq!(line["trace_id"], trace_id(1).to_string());
        assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[tokio::test]
    async fn inner_trace_replaces_the_outer_one() {
        let ((), lines) = logged(async {
            traced(&trace_id(1)).in_scope(|| traced(&trace_id(2)).in_scope(|| tracing::info!("something")));
        })
        .await;
        assert_eq!(lines[0].matches("trace_id").count(), 1, "{}", lines[0]);
        assert!(lines[0].contains(&trace_id(2).to_string()), "{}", lines[0]);
    }

    #[tokio::test]
    async fn trace_that_is_found_later_is_in_the_later_lines() {
        let lines = lines_of(|| {
            let work = async {
                tracing::info!("before");
                found_trace(&trace_id(1));
                tracing::info!("after");
            };
            work.instrument(untraced())
        });
        let lines = lines.await;
        assert_eq!(lines[0].get("trace_id"), None);
        assert_eq!(lines[1]["trace_id"], trace_id(1).to_string());
    }

    #[tokio::test]
    async fn header_of_an_unsampled_invocation_is_left_out() {
        let lines = lines_of(|| async {
            let header = "Root=1-2;Parent=3;Sampled=0";
            let span = tracing::info_span!("Lambda runtime invoke", requestId = "r1", xrayTraceId = header);
            span.in_scope(|| tracing::info!("something"));
        });
        let lines = lines.await;
        assert_eq!((&lines[0]["requestId"], lines[0].get("xrayTraceId")), (&json!("r1"), None));
    }

    #[tokio::test]
    async fn line_outside_of_spans_is_an_object_too() {
        let lines = lines_of(|| async { tracing::info!("something") }).await;
        assert_eq!(lines[0]["fields"], json!({"message": "something"}));
    }
}
