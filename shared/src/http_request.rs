//! What the routes behind IAM read of a request: the text of its body, an id in the path or in the query, and the account.
//!
//! The two spellings of a path: an HTTP API decodes a path before it calls the function, so that `%2F` arrives as `/`, `%252F`
//! too, and a path with `%25` or `%3F` does not arrive as it was sent (captures of live APIs in the pull request 8 of
//! hotsock/voker; AWS does not document it). Another front door may hand the path on as it was sent. So a text with `%` in it
//! has two readings. A query arrives as it was sent ("Create AWS Lambda proxy integrations for HTTP APIs"), so an id in the
//! query has one reading, whatever characters it has.

use std::{borrow::Cow, fmt::Display};

use aws_lambda_events::{apigw::ApiGatewayV2httpRequestContext, http::StatusCode};
use percent_encoding::percent_decode_str;
use twilio_types::sid::{AccountSid, InvalidSid};

use crate::http_reply::RequestProblem;

/// The longest body of these routes. Their largest one has about 1 KiB; API Gateway lets 10 MB pass (Amazon API Gateway, "Quotas for
/// configuring and running an HTTP API"), which would be parsed in memory.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The text of a body.
pub fn text(body: &[u8]) -> Result<&str, RequestProblem> {
    if body.len() > MAX_BODY_BYTES {
        let most = format!("expected at most {MAX_BODY_BYTES} bytes");
        return Err(RequestProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", most));
    }
    std::str::from_utf8(body).map_err(|_| RequestProblem::new(StatusCode::BAD_REQUEST, "body", "expected UTF-8"))
}

/// A value of the path, decoded once.
pub fn decoded<'a>(field: &'static str, text: &'a str) -> Result<Cow<'a, str>, RequestProblem> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| RequestProblem::new(StatusCode::BAD_REQUEST, field, "expected UTF-8 once decoded"))
}

/// What a value of the path may stand for: the text as it arrived, and the decoded text. The first that exists is meant.
pub fn readings<T, E: Display>(
    field: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, RequestProblem> {
    let decoded = decoded(field, text)?;
    let as_it_arrived = if decoded == text { None } else { parse(text).ok() };
    let decoded =
        parse(&decoded).map_err(|problem| RequestProblem::new(StatusCode::BAD_REQUEST, field, problem.to_string()))?;
    Ok(as_it_arrived.into_iter().chain([decoded]).collect())
}

/// The value of a name in the query. A name that is given twice with two values is refused, because it is unclear which one
/// is meant.
pub fn one_value<'a>(field: &'static str, values: Option<Vec<&'a str>>) -> Result<Option<&'a str>, RequestProblem> {
    let values = values.unwrap_or_default();
    let first = values.first().copied();
    if values.iter().any(|value| Some(*value) != first) {
        return Err(RequestProblem::new(StatusCode::BAD_REQUEST, field, "given twice, with two values"));
    }
    Ok(first)
}

/// The value of a name that the query must have.
pub fn required_value<T, E: Display>(
    field: &'static str,
    values: Option<Vec<&str>>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, RequestProblem> {
    let problem = |problem: String| RequestProblem::new(StatusCode::BAD_REQUEST, field, problem);
    let value = one_value(field, values)?.ok_or_else(|| problem("missing, and required in the query".to_owned()))?;
    parse(value).map_err(|error| problem(error.to_string()))
}

/// The account that the query names, from the values of `account_sid`.
pub fn account(values: Option<Vec<&str>>) -> Result<Option<AccountSid>, RequestProblem> {
    let named = one_value("account_sid", values)?;
    named
        .map(str::parse)
        .transpose()
        .map_err(|error: InvalidSid| RequestProblem::new(StatusCode::BAD_REQUEST, "account_sid", error.to_string()))
}

/// The account of a request. The body and the query may both name it, and must not disagree.
pub fn one_account(
    of_body: Option<AccountSid>,
    of_query: Option<AccountSid>,
) -> Result<Option<AccountSid>, RequestProblem> {
    match (of_body, of_query) {
        (Some(of_body), Some(of_query)) if of_body != of_query => {
            let problem = "the body and the query name two accounts, and expected one";
            Err(RequestProblem::new(StatusCode::BAD_REQUEST, "account_sid", problem))
        }
        (of_body, of_query) => Ok(of_body.or(of_query)),
    }
}

/// The ARN of the principal that API Gateway authorized.
pub fn caller(context: &ApiGatewayV2httpRequestContext) -> Option<&str> {
    context.authorizer.as_ref()?.iam.as_ref()?.user_arn.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_that_is_too_long_or_no_text_is_refused() {
        let refused = |body: Vec<u8>| text(&body).unwrap_err().status.as_u16();
        assert_eq!(text(&vec![b' '; MAX_BODY_BYTES]).unwrap().len(), MAX_BODY_BYTES);
        assert_eq!(refused(vec![b' '; MAX_BODY_BYTES + 1]), 413);
        assert_eq!(refused(vec![0xff]), 400);
    }

    #[test]
    fn two_accounts_that_disagree_are_refused_by_name() {
        let [one, other]: [AccountSid; 2] =
            ["AC00000000000000000000000000000001", "AC00000000000000000000000000000002"]
                .map(|sid| sid.parse().unwrap());
        assert_eq!(one_account(Some(one.clone()), Some(other)).unwrap_err().field, "account_sid");
        assert_eq!(one_account(Some(one.clone()), Some(one.clone())), Ok(Some(one.clone())));
        assert_eq!(one_account(None, Some(one.clone())), Ok(Some(one)));
    }

    fn texts(text: &str) -> Vec<String> {
        let short = |text: &str| if text.len() <= 12 { Ok(text.to_owned()) } else { Err("expected a short text") };
        readings("id", text, short).unwrap()
    }

    #[test]
    fn path_has_the_readings_of_both_front_doors() {
        // The id, as an HTTP API hands it on, and as the client sent it to a front door that decodes nothing.
        for (id, of_http_api, as_sent) in [
            ("order-1", "order-1", "order-1"),
            ("order/1", "order/1", "order%2F1"),
            ("a b", "a b", "a%20b"),
            ("50% off", "50% off", "50%25%20off"),
            ("50%25", "50%25", "50%2525"),
            ("a+b?", "a+b?", "a%2Bb%3F"),
            ("größe", "größe", "gr%C3%B6%C3%9Fe"),
        ] {
            for arrived in [of_http_api, as_sent] {
                assert!(texts(arrived).contains(&id.to_owned()), "{arrived}");
            }
            assert_eq!(texts(of_http_api)[0], id, "the reading of the HTTP API comes first");
        }
        assert_eq!(texts("%C3%B6%C3%9F"), ["%C3%B6%C3%9F", "öß"]);
        assert_eq!(texts("%C3%B6%C3%9F%C3%9F"), ["ößß"], "only one of the readings is an id");
    }

    #[test]
    fn path_that_is_no_text_is_refused() {
        let problem = readings("id", "%FF", |text| Ok::<_, &str>(text.to_owned())).unwrap_err();
        assert_eq!(problem.to_string(), "id: expected UTF-8 once decoded");
    }

    #[test]
    fn name_in_the_query_has_one_value() {
        assert_eq!(one_value("id", None), Ok(None));
        assert_eq!(one_value("id", Some(vec!["a", "a"])), Ok(Some("a")));
        assert_eq!(one_value("id", Some(vec!["a", "b"])).unwrap_err().to_string(), "id: given twice, with two values");
        let parse = |text: &str| text.parse::<u8>();
        assert_eq!(required_value("id", Some(vec!["7"]), parse), Ok(7));
        assert_eq!(
            required_value("id", None, parse).unwrap_err().to_string(),
            "id: missing, and required in the query"
        );
        assert!(!required_value("id", Some(vec!["secret"]), parse).unwrap_err().to_string().contains("secret"));
    }
}
