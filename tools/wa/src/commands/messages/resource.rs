//! A message as Twilio's API gives it, printed with all of its properties or some of them.

use serde_json::Value;

use crate::{
    error::CommandError,
    output::{Properties, PropertyTable},
    session::Session,
};

/// The columns of the table by default. The text of a message is not among them: `--properties body` and JSON show it.
pub(super) const COLUMNS: [&str; 7] = ["sid", "direction", "from", "to", "status", "error_code", "date_sent"];

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

pub(super) fn show(session: &Session, message: Value, properties: &Properties) -> Result<(), CommandError> {
    let columns: &[&str] = if properties.properties.is_empty() { &COLUMNS } else { &PROPERTIES };
    session.output.one(&PropertyTable::new(columns, [message])?.pick(properties)?)
}

/// Refuses the name of an unknown property before anything is done whose result could then not be shown.
pub(super) fn check(properties: &Properties) -> Result<(), CommandError> {
    let message: Value = PROPERTIES.into_iter().map(|name| (name, Value::Null)).collect();
    PropertyTable::new(&PROPERTIES, [message])?.pick(properties).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_property_is_refused_beforehand() {
        let properties =
            |names: &[&str]| Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() };
        assert!(COLUMNS.iter().all(|column| PROPERTIES.contains(column)));
        for names in [&[] as &[&str], &["sid", "errorCode"], &PROPERTIES] {
            assert!(check(&properties(names)).is_ok(), "{names:?}");
        }
        let refused = check(&properties(&["sid", "colour"])).unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().starts_with("--properties: there is no colour, expected some of"), "{refused}");
    }
}
