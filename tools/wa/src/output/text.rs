//! Values as people read them.

use comfy_table::Color;
use jiff::Timestamp;
use serde_json::Value;

/// A value for people: times to the second, and no control characters.
pub fn readable(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => format!("{at:.0}"),
        Err(_) => text.chars().map(|c| if c == '\n' { '↵' } else { visible(c) }).collect(),
    }
}

/// The lines of a text without the control characters that a terminal would obey. Text that people wrote may hold them.
pub fn without_controls(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) }).collect()
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Green for success, red for failure.
pub(super) fn tone(column: &str, text: &str) -> Option<Color> {
    if !matches!(column, "state" | "status" | "current_status" | "outcome" | "finding") {
        return None;
    }
    match text {
        "accepted" | "delivered" | "read" | "received" | "sent" | "ok" => Some(Color::DarkGreen),
        "rejected" | "failed" | "undelivered" | "unknown" | "wrong" => Some(Color::DarkRed),
        "suppressed" | "expired" | "canceled" | "cancelled" | "waiting" | "awaiting_reply" | "warning" => {
            Some(Color::DarkYellow)
        }
        _ => None,
    }
}
