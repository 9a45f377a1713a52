//! A message as Twilio's API gives it, printed with all of its properties or some of them.

use jiff::fmt::rfc2822;
use serde_json::Value;

use crate::{
    error::CommandError,
    output::{Properties, PropertyTable},
    session::Session,
};

/// The columns of the table by default, the most important first: a narrow terminal shows the first ones.
pub(super) const COLUMNS: [&str; 7] = ["sid", "status", "error_code", "to", "from", "date_sent", "direction"];

const DATES: [&str; 3] = ["date_created", "date_sent", "date_updated"];

/// All properties. Source: Twilio, "Messages resource".
const PROPERTIES: [&str; 20] = [
    "account_sid",
    "api_version",
    "body",
    "date_created",
    "date_sent",
    "date_updated",
    "direction",
    "error_code",
    "error_message",
    "from",
    "messaging_service_sid",
    "num_media",
    "num_segments",
    "price",
    "price_unit",
    "sid",
    "status",
    "subresource_uris",
    "to",
    "uri",
];

/// Which properties are shown, and whether the text of a message is one of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ShownProperties {
    #[command(flatten)]
    properties: Properties,
    /// Show the text too, which is left out unless it is asked for
    #[arg(long = "show-body")]
    with_body: bool,
}

pub(super) fn show(session: &Session, message: Value, shown: &ShownProperties) -> Result<(), CommandError> {
    let columns: &[&str] = if shown.properties.properties.is_empty() { &COLUMNS } else { &PROPERTIES };
    session.output.one(&table(columns, [message], shown)?)
}

/// The messages as a table.
pub(super) fn table(
    columns: &[&str],
    messages: impl IntoIterator<Item = Value>,
    shown: &ShownProperties,
) -> Result<PropertyTable, CommandError> {
    let is_named = shown.properties.include("body");
    let with_body = shown.with_body || is_named;
    let messages = messages.into_iter().map(|message| readable_message(message, with_body));
    let (mut columns, mut properties) = (columns.to_vec(), shown.properties.clone());
    if with_body && !is_named {
        columns.retain(|column| *column != "body");
        columns.push("body");
        if !properties.properties.is_empty() {
            properties.properties.push("body".to_owned());
        }
    }
    PropertyTable::new(&columns, messages)?.pick(&properties)
}

/// The message with times as everywhere, and without its text unless that was asked for. An empty text is no secret: it says
/// that the text was deleted.
fn readable_message(mut message: Value, with_body: bool) -> Value {
    let Some(fields) = message.as_object_mut() else { return message };
    for name in DATES {
        // Source: Twilio, "Messages resource": RFC 2822.
        let date = fields.get(name).and_then(Value::as_str).and_then(|date| rfc2822::parse(date).ok());
        if let Some(date) = date {
            fields.insert(name.to_owned(), Value::from(date.timestamp().to_string()));
        }
    }
    if !with_body && fields.get("body").and_then(Value::as_str).is_some_and(|body| !body.is_empty()) {
        fields.remove("body");
    }
    message
}

/// Refuses the name of an unknown property before anything is done whose result could then not be shown.
pub(super) fn check(shown: &ShownProperties) -> Result<(), CommandError> {
    let message: Value = PROPERTIES.into_iter().map(|name| (name, Value::Null)).collect();
    PropertyTable::new(&PROPERTIES, [message])?.pick(&shown.properties).map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_property_is_refused_beforehand() {
        let properties = |names: &[&str]| ShownProperties {
            properties: Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() },
            with_body: false,
        };
        assert!(COLUMNS.iter().all(|column| PROPERTIES.contains(column)));
        for names in [&[] as &[&str], &["sid", "errorCode"], &PROPERTIES] {
            assert!(check(&properties(names)).is_ok(), "{names:?}");
        }
        let refused = check(&properties(&["sid", "colour"])).unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().starts_with("--columns: there is no colour, expected some of"), "{refused}");
    }

    #[test]
    fn a_text_is_shown_only_where_it_is_asked_for() {
        let message = || json!({"sid": "SM1", "body": "secret words"});
        let named = |names: &[&str], with_body| ShownProperties {
            properties: Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() },
            with_body,
        };
        assert_eq!(readable_message(message(), false), json!({"sid": "SM1"}));
        assert_eq!(readable_message(message(), true), message());
        let deleted = json!({"sid": "SM1", "body": ""});
        assert_eq!(readable_message(deleted.clone(), false), deleted);
        for (shown, columns) in [
            (named(&[], false), vec!["sid"]),
            (named(&[], true), vec!["sid", "body"]),
            (named(&["sid", "body"], false), vec!["sid", "body"]),
            (named(&["body"], true), vec!["body"]),
            (named(&["sid"], true), vec!["sid", "body"]),
        ] {
            assert_eq!(table(&["sid"], [message()], &shown).unwrap().columns(), columns);
        }
    }

    #[test]
    fn times_are_written_as_everywhere() {
        let message =
            json!({"date_sent": "Fri, 20 Nov 2026 09:00:00 +0000", "date_updated": null, "date_created": "soon"});
        let expected = json!({"date_sent": "2026-11-20T09:00:00Z", "date_updated": null, "date_created": "soon"});
        assert_eq!(readable_message(message, false), expected);
    }
}
