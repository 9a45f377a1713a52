//! The requests that callers may make, and the problems that they are answered with.

use std::{borrow::Cow, fmt};

use domain::notification::NotificationId;
use lambda_http::{
    Request, RequestExt as _,
    http::{Method, StatusCode},
    request::RequestContext,
};
use percent_encoding::percent_decode_str;
use shared::http_reply::RequestProblem;
use twilio_types::{
    address::{E164, InvalidAddress, Recipient},
    sid::AccountSid,
};

/// A route and the contact or notification of its path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ContactsRoute {
    /// `PUT /contacts/{contact}/consent`
    Consent(Recipient),
    /// `GET /contacts/{contact}`
    Contact(Recipient),
    /// `GET /notifications/{id}`, where the id is that of a notification or the SID of a message.
    Notification(NotificationId),
    /// `DELETE /notifications/{id}`, with the same id.
    Cancellation(NotificationId),
}

impl fmt::Debug for ContactsRoute {
    /// Without the number or the user id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consent(_) => f.write_str("Consent"),
            Self::Contact(_) => f.write_str("Contact"),
            Self::Notification(id) => write!(f, "Notification({id})"),
            Self::Cancellation(id) => write!(f, "Cancellation({id})"),
        }
    }
}

impl ContactsRoute {
    /// Reads the raw path. API Gateway has decoded everything in it but `%25`: so it is decoded here once more, which
    /// decodes nothing twice. A decoded slash may be part of an id, and so does not end it.
    pub(crate) fn parse(request: &Request) -> Result<Self, RequestProblem> {
        let path = request.raw_http_path();
        match (request.method(), path.strip_prefix("/contacts/"), path.strip_prefix("/notifications/")) {
            (&Method::PUT, Some(contact), _) => match contact.strip_suffix("/consent") {
                Some(contact) => recipient(contact).map(Self::Consent),
                None => Err(unknown_route()),
            },
            (&Method::GET, Some(contact), _) if !contact.contains('/') => recipient(contact).map(Self::Contact),
            (&Method::GET, _, Some(id)) => notification_id(id).map(Self::Notification),
            (&Method::DELETE, _, Some(id)) => notification_id(id).map(Self::Cancellation),
            _ => Err(unknown_route()),
        }
    }
}

fn unknown_route() -> RequestProblem {
    let expected = "expected PUT /contacts/{contact}/consent, GET /contacts/{contact}, or GET or DELETE \
                    /notifications/{id}";
    RequestProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method", expected)
}

/// Reads a WhatsApp user id, or a number with its `+`, encoded or not, or without it.
fn recipient(text: &str) -> Result<Recipient, RequestProblem> {
    let decoded = decoded("contact", text)?;
    let without_plus = || format!("+{decoded}").parse::<E164>().map(Recipient::from);
    decoded.parse().or_else(|error: InvalidAddress| {
        without_plus().map_err(|_| RequestProblem::new(StatusCode::BAD_REQUEST, "contact", error.to_string()))
    })
}

fn notification_id(text: &str) -> Result<NotificationId, RequestProblem> {
    let id = NotificationId::try_from(decoded("id", text)?.into_owned());
    id.map_err(|error| RequestProblem::new(StatusCode::BAD_REQUEST, "id", error.to_string()))
}

fn decoded<'a>(field: &'static str, text: &'a str) -> Result<Cow<'a, str>, RequestProblem> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| RequestProblem::new(StatusCode::BAD_REQUEST, field, "expected UTF-8 once decoded"))
}

/// The account that the query names.
pub(crate) fn account(request: &Request) -> Result<Option<AccountSid>, RequestProblem> {
    let named = request.query_string_parameters_ref().and_then(|parameters| parameters.first("account_sid"));
    named.map(str::parse).transpose().map_err(|error: twilio_types::sid::InvalidSid| {
        RequestProblem::new(StatusCode::BAD_REQUEST, "account_sid", error.to_string())
    })
}

pub(crate) fn text(request: &Request) -> Result<&str, RequestProblem> {
    std::str::from_utf8(request.body())
        .map_err(|_| RequestProblem::new(StatusCode::BAD_REQUEST, "body", "expected UTF-8"))
}

/// The ARN of the principal that API Gateway authorized.
pub(crate) fn caller(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.authorizer.as_ref()?.iam.as_ref()?.user_arn.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::callback_url::status_callback_url;

    use super::*;

    fn route(method: Method, path: &str) -> Result<ContactsRoute, RequestProblem> {
        let mut request = Request::default().with_raw_http_path(path);
        *request.method_mut() = method;
        ContactsRoute::parse(&request)
    }

    fn id(text: &str) -> NotificationId {
        NotificationId::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn number_is_read_with_and_without_its_plus() {
        let number: Recipient = "+14155550123".parse().unwrap();
        for spelling in ["+14155550123", "%2B14155550123", "%2b14155550123", "14155550123"] {
            let path = format!("/contacts/{spelling}");
            assert_eq!(route(Method::GET, &path), Ok(ContactsRoute::Contact(number.clone())), "{path}");
            let path = format!("{path}/consent");
            assert_eq!(route(Method::PUT, &path), Ok(ContactsRoute::Consent(number.clone())), "{path}");
        }
    }

    #[test]
    fn user_id_is_read_as_a_contact() {
        for id in ["US.13491208655302741918", "US.ENT.13491208655302741918"] {
            let contact: Recipient = id.parse().unwrap();
            let path = format!("/contacts/{id}");
            assert_eq!(route(Method::GET, &path), Ok(ContactsRoute::Contact(contact.clone())), "{path}");
            let path = format!("{path}/consent");
            assert_eq!(route(Method::PUT, &path), Ok(ContactsRoute::Consent(contact)), "{path}");
        }
    }

    #[test]
    fn debug_of_a_route_shows_no_number() {
        let number: Recipient = "+14155550123".parse().unwrap();
        for route in [ContactsRoute::Consent(number.clone()), ContactsRoute::Contact(number)] {
            let shown = format!("{route:?}");
            assert!(!shown.contains("4155550123"), "{shown}");
        }
    }

    #[test]
    fn id_is_decoded_once() {
        for (path, expected) in [
            ("order-1", "order-1"),
            ("order%2F1%20%C3%A4", "order/1 ä"),
            ("order/1 ä", "order/1 ä"),
            ("50%25", "50%"),
            ("50%2525", "50%25"),
            ("a+b", "a+b"),
            ("a/consent", "a/consent"),
        ] {
            let (path, expected) = (format!("/notifications/{path}"), id(expected));
            assert_eq!(route(Method::GET, &path), Ok(ContactsRoute::Notification(expected.clone())), "{path}");
            assert_eq!(route(Method::DELETE, &path), Ok(ContactsRoute::Cancellation(expected)), "{path}");
        }
    }

    #[test]
    fn invalid_path_is_refused_by_status_and_field() {
        let cases = [
            (Method::GET, "/contacts/", 400, "contact"),
            (Method::GET, "/contacts/whatsapp:+14155550123", 400, "contact"),
            (Method::GET, "/contacts/++14155550123", 400, "contact"),
            (Method::PUT, "/contacts/123/consent", 400, "contact"),
            (Method::GET, "/contacts/US.", 400, "contact"),
            (Method::GET, "/contacts/%FF", 400, "contact"),
            (Method::GET, "/notifications/", 400, "id"),
            (Method::GET, "/notifications/%FF", 400, "id"),
            (Method::GET, "/notifications/a%0Ab", 400, "id"),
            (Method::PUT, "/contacts/+14155550123", 405, "method"),
            (Method::GET, "/contacts/+14155550123/consent", 405, "method"),
            (Method::PUT, "/notifications/a", 405, "method"),
            (Method::DELETE, "/notifications/", 400, "id"),
            (Method::DELETE, "/contacts/+14155550123", 405, "method"),
            (Method::GET, "/", 405, "method"),
        ];
        for (method, path, status, field) in cases {
            let problem = route(method, path).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.field.as_ref()), (status, field), "{path}");
        }
    }

    #[test]
    fn id_is_read_as_a_callback_url_encodes_it() {
        let base_url = "https://wa.example.com".parse().unwrap();
        let wanted = NotificationId::try_from("order 18473/shipped? 100%".to_owned()).unwrap();
        let url = status_callback_url(&base_url, &wanted, 0);
        let (_, spelling) = url.split_once('=').unwrap();
        assert_eq!(route(Method::GET, &format!("/notifications/{spelling}")), Ok(ContactsRoute::Notification(wanted)));
    }
}
