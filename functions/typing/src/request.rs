//! The request: a message in the path, and an account in the query.

use lambda_http::{
    Request, RequestExt as _,
    http::{Method, StatusCode},
    request::RequestContext,
};
use shared::{
    http_reply::RequestProblem,
    http_request::{account, caller},
};
use twilio_types::sid::{AccountSid, InvalidSid, MessageSid};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TypingRequest {
    pub(crate) message_sid: MessageSid,
    pub(crate) account_sid: Option<AccountSid>,
    /// The ARN of the principal that API Gateway authorized.
    pub(crate) caller: Option<String>,
}

impl TypingRequest {
    pub(crate) fn parse(request: &Request) -> Result<Self, RequestProblem> {
        let path = request.raw_http_path();
        let sid = path.strip_prefix("/messages/").and_then(|rest| rest.strip_suffix("/typing"));
        let Some(sid) = sid.filter(|_| request.method() == Method::POST) else {
            let route = "expected POST /messages/{message_sid}/typing";
            return Err(RequestProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method", route));
        };
        let query = request.query_string_parameters_ref();
        let invalid =
            |error: InvalidSid| RequestProblem::new(StatusCode::BAD_REQUEST, "message_sid", error.to_string());
        let caller = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => caller(context).map(str::to_owned),
            _ => None,
        };
        Ok(Self {
            message_sid: sid.parse().map_err(invalid)?,
            account_sid: account(query.and_then(|query| query.all("account_sid")))?,
            caller,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "SM00000000000000000000000000000001";

    fn parse(method: Method, path: &str) -> Result<TypingRequest, RequestProblem> {
        let mut request = Request::default().with_raw_http_path(path);
        *request.method_mut() = method;
        TypingRequest::parse(&request)
    }

    #[test]
    fn message_is_read_from_the_path() {
        let read = parse(Method::POST, &format!("/messages/{SID}/typing")).unwrap();
        assert_eq!((read.message_sid.as_str(), read.account_sid), (SID, None));
    }

    #[test]
    fn invalid_request_is_refused_by_status_and_field() {
        for (method, path, status, field) in [
            (Method::GET, format!("/messages/{SID}/typing"), 405, "method"),
            (Method::POST, format!("/messages/{SID}"), 405, "method"),
            (Method::POST, "/messages//typing".to_owned(), 400, "message_sid"),
            (Method::POST, "/messages/VE00000000000000000000000000000001/typing".to_owned(), 400, "message_sid"),
            (Method::POST, "/messages/../typing".to_owned(), 400, "message_sid"),
        ] {
            let problem = parse(method, &path).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.field.as_ref()), (status, field), "{path}");
        }
    }
}
