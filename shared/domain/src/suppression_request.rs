//! A request to suppress a person, or to lift a suppression: what an operator or another system decides, without a message
//! of the person.

use std::fmt;

use serde_json::{Map, Value};
use twilio_types::{address::Channel, sid::AccountSid};

use crate::{
    json,
    json_fields::{FieldError, JsonFields, as_string, parsed},
    suppression::{CHANNELS, InvalidScope, Scope},
};

/// The characters of a reason at most.
pub const MAX_REASON_CHARS: usize = 500;

/// A request to suppress a person, or to lift a suppression.
#[derive(Clone, PartialEq, Eq)]
pub struct SuppressionRequest {
    pub scope: Scope,
    /// None means the whole person: an opt-out holds on every channel, and its lifting too.
    pub channel: Option<Channel>,
    /// Why, for people who look it up later.
    pub reason: String,
    /// None means the configured account.
    pub account_sid: Option<AccountSid>,
}

impl fmt::Debug for SuppressionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuppressionRequest")
            .field("scope", &self.scope)
            .field("channel", &self.channel)
            .field("account_sid", &self.account_sid)
            .finish_non_exhaustive()
    }
}

/// A request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidSuppression {
    pub field: String,
    /// What was expected. It never shows the value.
    pub problem: String,
}

impl SuppressionRequest {
    /// Reads the fields from the body of a request, which may be empty, and from its query. Some clients send no body with
    /// a DELETE.
    pub fn parse<'a>(
        body: &str,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidSuppression> {
        let read = || request(JsonFields::of(String::new(), together(body, query)?, "a JSON object")?);
        read().map_err(|(field, problem)| InvalidSuppression { field, problem })
    }
}

const NAMES: [&str; 4] = ["scope", "channel", "reason", "account_sid"];

/// One object of the fields of the body and of the query.
fn together<'a>(body: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Value, FieldError> {
    let mut value = if body.trim().is_empty() { Value::Object(Map::new()) } else { json::value(body)? };
    let Value::Object(fields) = &mut value else { return Ok(value) };
    // A signature in the query has other names.
    for (name, text) in query.into_iter().filter(|(name, _)| !name.starts_with("X-Amz-")) {
        if fields.get(name).is_some_and(|known| known != text) && NAMES.contains(&name) {
            return Err((name.to_owned(), "given twice, with two values".to_owned()));
        }
        fields.insert(name.to_owned(), Value::from(text));
    }
    Ok(value)
}

fn request(mut fields: JsonFields) -> Result<SuppressionRequest, FieldError> {
    let channels = CHANNELS.map(|channel| channel.name().to_owned()).join(" or ");
    let request = SuppressionRequest {
        scope: fields.optional("scope", expected(&InvalidScope.to_string()), scope)?.unwrap_or(Scope::All),
        channel: fields.optional("channel", &channels, channel)?,
        reason: fields.required("reason", "a text of 1 to 500 characters", |value| reason(&as_string(value)?))?,
        account_sid: fields.optional("account_sid", "AC and 32 hexadecimal digits", parsed)?,
    };
    fields.finish()?;
    Ok(request)
}

fn expected(problem: &str) -> &str {
    problem.strip_prefix("expected ").unwrap_or(problem)
}

fn scope(value: Value) -> Option<Scope> {
    Scope::of_request(&as_string(value)?).ok()
}

fn channel(value: Value) -> Option<Channel> {
    let name = as_string(value)?;
    CHANNELS.into_iter().find(|channel| channel.name() == name)
}

/// A reason without the blanks around it; none if it is empty or too long.
pub fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    (1..=MAX_REASON_CHARS).contains(&text.chars().count()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NONE: [(&str, &str); 0] = [];

    fn problem(body: &Value) -> (String, String) {
        let InvalidSuppression { field, problem } = SuppressionRequest::parse(&body.to_string(), NONE).unwrap_err();
        (field, problem)
    }

    #[test]
    fn a_reason_alone_covers_the_whole_person() {
        let request = SuppressionRequest::parse(r#"{"reason": " asked by letter "}"#, NONE).unwrap();
        let SuppressionRequest { scope, channel, reason, account_sid } = request;
        assert_eq!((scope, channel, reason.as_str(), account_sid), (Scope::All, None, "asked by letter", None));
    }

    #[test]
    fn body_and_query_name_the_same_fields() {
        let body = json!({"scope": "marketing", "channel": "sms", "reason": "letter"}).to_string();
        let query =
            [("scope", "marketing"), ("channel", "sms"), ("reason", "letter"), ("X-Amz-Date", "20261120T090000Z")];
        let of_body = SuppressionRequest::parse(&body, NONE).unwrap();
        assert_eq!(SuppressionRequest::parse("", query).unwrap(), of_body);
        assert_eq!(SuppressionRequest::parse(&body, query).unwrap(), of_body, "both say the same");
        assert_eq!((of_body.scope, of_body.channel), (Scope::Marketing, Some(Channel::Sms)));
    }

    #[test]
    fn two_accounts_that_disagree_are_refused_by_name() {
        let [one, other] = ["AC00000000000000000000000000000001", "AC00000000000000000000000000000002"];
        let body = json!({"reason": "letter", "account_sid": one}).to_string();
        let error = SuppressionRequest::parse(&body, [("account_sid", other)]).unwrap_err();
        assert_eq!(error.to_string(), "account_sid: given twice, with two values");
        let error = SuppressionRequest::parse("", [("reason", "x"), ("account_sid", one), ("account_sid", other)]);
        assert_eq!(error.unwrap_err().field, "account_sid");
        assert!(SuppressionRequest::parse(&body, [("account_sid", one)]).is_ok());
    }

    #[test]
    fn an_invalid_field_is_named_with_what_is_right() {
        for (body, field, expected) in [
            (json!([]), "body", "expected a JSON object"),
            (json!({}), "reason", "missing, and required"),
            (json!({"reason": " "}), "reason", "expected a text of 1 to 500 characters"),
            (json!({"reason": "x".repeat(501)}), "reason", "expected a text of 1 to 500 characters"),
            (json!({"reason": 7}), "reason", "expected a text of 1 to 500 characters"),
            (json!({"reason": "x", "scope": "utility"}), "scope", "expected all, marketing, a sender as in"),
            (json!({"reason": "x", "scope": ["all"]}), "scope", "expected all, marketing, a sender as in"),
            (json!({"reason": "x", "channel": "rcs"}), "channel", "expected whatsapp or sms"),
            (json!({"reason": "x", "account_sid": "AC1"}), "account_sid", "expected AC and 32 hexadecimal digits"),
            (json!({"reason": "x", "scop": "all"}), "scop", "unknown field, expected one of scope, channel"),
        ] {
            let (named, problem) = problem(&body);
            assert_eq!(named, field, "{body}");
            assert!(problem.starts_with(expected), "{body}: {problem}");
        }
        assert_eq!(SuppressionRequest::parse("", [("limit", "1")]).unwrap_err().field, "reason");
        assert_eq!(SuppressionRequest::parse("", [("limit", "1"), ("reason", "x")]).unwrap_err().field, "limit");
        let twice = SuppressionRequest::parse(r#"{"reason": "x", "scope": "all", "scope": "marketing"}"#, NONE);
        assert_eq!(twice.unwrap_err().field, "scope");
    }
}
