//! The size of a notification, measured by its JSON.

use std::io;

use serde_json::Value;

use crate::{json_fields::FieldError, limits::MAX_NOTIFICATION_BYTES};

/// Refuses a notification that is too large to be stored. The error names the field that is to blame and no value.
pub(super) fn check(body: &str, value: &Value) -> Result<(), FieldError> {
    if body.len() <= MAX_NOTIFICATION_BYTES {
        return Ok(());
    }
    let (field, bytes) = largest_field(value);
    let total = body.len();
    let problem = format!(
        "expected a notification of at most {MAX_NOTIFICATION_BYTES} bytes of JSON, not {total}; this field has {bytes} of them"
    );
    Err((field, problem))
}

/// The path of the largest field, and its size. It is a field inside another one if that holds more than half of the other.
fn largest_field(value: &Value) -> (String, usize) {
    let (mut path, mut value, mut bytes) = (String::new(), value, json_bytes(value));
    while let Some((name, child)) = largest_child(value) {
        let child_bytes = json_bytes(child);
        if !path.is_empty() && child_bytes <= bytes / 2 {
            break;
        }
        match name {
            Name::Key(key) if path.is_empty() => key.clone_into(&mut path),
            Name::Key(key) => path = format!("{path}.{key}"),
            Name::Index(index) => path = format!("{path}[{index}]"),
        }
        (value, bytes) = (child, child_bytes);
    }
    if path.is_empty() { ("body".to_owned(), bytes) } else { (path, bytes) }
}

enum Name<'a> {
    Key(&'a str),
    Index(usize),
}

fn largest_child(value: &Value) -> Option<(Name<'_>, &Value)> {
    let children: Vec<_> = match value {
        Value::Object(fields) => fields.iter().map(|(key, child)| (Name::Key(key), child)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, child)| (Name::Index(index), child)).collect(),
        _ => Vec::new(),
    };
    children.into_iter().max_by_key(|(_, child)| json_bytes(child))
}

fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // Counting never fails, and a value read from JSON is always JSON.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        limits::MAX_NOTIFICATION_BYTES,
        notification::{Notification, NotificationId},
    };

    fn with(field: &str, value: serde_json::Value) -> String {
        let content = json!({"type": "text", "body": "Hi"});
        let mut notification = json!({"id": "big", "to": "+14155550123", "category": "utility", "content": content});
        notification[field] = value;
        notification.to_string()
    }

    fn template(channel: Option<&str>) -> serde_json::Value {
        let variables: serde_json::Map<_, _> =
            (1..=100).map(|number| (number.to_string(), json!("👋".repeat(1_600)))).collect();
        let sid = "HX00000000000000000000000000000001";
        let content = json!({"type": "template", "content_sid": sid, "variables": variables});
        channel.map_or(content.clone(), |channel| json!([{"channel": channel, "content": content}]))
    }

    #[test]
    fn too_large_a_notification_is_refused_by_its_largest_field() {
        let long = "x".repeat(230_000);
        for (body, field, bytes) in [
            (with("metadata", json!({"order": "1", "a": long})), "metadata.a", 230_002),
            (with("content", template(None)), "content.variables", 640_793),
            (with("fallback", template(Some("sms"))), "fallback[0].content.variables", 640_793),
            (with("content", json!({"type": "text", "body": long})), "content.body", 230_002),
            (with("colour", json!(long)), "colour", 230_002),
        ] {
            let error = Notification::parse(&body).unwrap_err();
            assert_eq!(error.id.as_ref().map(NotificationId::as_str), Some("big"), "{field}");
            let total = body.len();
            let expected = format!(
                "{field}: expected a notification of at most 200000 bytes of JSON, not {total}; this field has {bytes} of them"
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_notification_of_the_largest_size_is_accepted() {
        let empty = with("metadata", json!({"a": ""})).len();
        let of_size = |bytes: usize| with("metadata", json!({"a": "x".repeat(bytes - empty)}));
        assert!(Notification::parse(&of_size(MAX_NOTIFICATION_BYTES)).is_ok());
        let error = Notification::parse(&of_size(MAX_NOTIFICATION_BYTES + 1)).unwrap_err();
        assert_eq!(error.field, "metadata.a");
    }

    #[test]
    fn characters_count_as_their_bytes_in_utf_8() {
        let error = Notification::parse(&with("metadata", json!({"a": "👋".repeat(50_000)}))).unwrap_err();
        assert_eq!(error.field, "metadata.a");
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for body in [json!(["x".repeat(230_000)]), json!("x".repeat(230_000))] {
            let error = Notification::parse(&body.to_string()).unwrap_err();
            assert!(error.field == "body" || error.field == "[0]", "{error}");
        }
    }
}
