//! The requests that callers may make, and the problems that they are answered with.

use std::fmt;

use domain::notification::NotificationId;
use lambda_http::{
    Request, RequestExt as _,
    http::{Method, StatusCode},
    request::RequestContext,
};
use shared::{
    http_reply::RequestProblem,
    http_request::{self, decoded, readings, required_value},
};
use twilio_types::{
    address::{E164, InvalidAddress, Recipient},
    sid::AccountSid,
};

/// A route and the contact or notification of its path or query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ContactsRoute {
    /// `PUT /contacts/{contact}/consent`
    Consent(Recipient),
    /// `PUT /contacts/{contact}/suppression`
    Suppress(Recipient),
    /// `DELETE /contacts/{contact}/suppression`
    LiftSuppression(Recipient),
    /// `GET /contacts/{contact}`
    Contact(Recipient),
    /// `GET /notifications/{id}` or `GET /notifications?id=`, where the id is that of a notification or the SID of a message.
    /// A path may have two readings.
    Notification(Vec<NotificationId>),
    /// `DELETE /notifications/{id}` or `DELETE /notifications?id=`, with the same id.
    Cancellation(Vec<NotificationId>),
}

impl fmt::Debug for ContactsRoute {
    /// Without the number or the user id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consent(_) => f.write_str("Consent"),
            Self::Suppress(_) => f.write_str("Suppress"),
            Self::LiftSuppression(_) => f.write_str("LiftSuppression"),
            Self::Contact(_) => f.write_str("Contact"),
            Self::Notification(ids) => f.debug_tuple("Notification").field(ids).finish(),
            Self::Cancellation(ids) => f.debug_tuple("Cancellation").field(ids).finish(),
        }
    }
}

impl ContactsRoute {
    /// Reads the raw path. A decoded slash may be part of an id, and so does not end it.
    pub(crate) fn parse(request: &Request) -> Result<Self, RequestProblem> {
        let (method, path) = (request.method(), request.raw_http_path());
        if let Some(contact) = path.strip_prefix("/contacts/") {
            return of_contact(method, contact);
        }
        let ids = || match path.strip_prefix("/notifications/") {
            Some(id) => readings("id", id, notification_id),
            None => required_value("id", values(request, "id"), notification_id).map(|id| vec![id]),
        };
        if path != "/notifications" && !path.starts_with("/notifications/") {
            return Err(unknown_route());
        }
        match *method {
            Method::GET => ids().map(Self::Notification),
            Method::DELETE => ids().map(Self::Cancellation),
            _ => Err(unknown_route()),
        }
    }
}

fn of_contact(method: &Method, path: &str) -> Result<ContactsRoute, RequestProblem> {
    let (contact, rest) = path.split_once('/').map_or((path, None), |(contact, rest)| (contact, Some(rest)));
    match (method, rest) {
        (&Method::GET, None) => recipient(contact).map(ContactsRoute::Contact),
        (&Method::PUT, Some("consent")) => recipient(contact).map(ContactsRoute::Consent),
        (&Method::PUT, Some("suppression")) => recipient(contact).map(ContactsRoute::Suppress),
        (&Method::DELETE, Some("suppression")) => recipient(contact).map(ContactsRoute::LiftSuppression),
        _ => Err(unknown_route()),
    }
}

fn unknown_route() -> RequestProblem {
    let expected = "expected PUT /contacts/{contact}/consent, PUT or DELETE /contacts/{contact}/suppression, GET \
                    /contacts/{contact}, or GET or DELETE /notifications/{id}";
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

fn notification_id(text: &str) -> Result<NotificationId, domain::notification::InvalidNotificationId> {
    NotificationId::try_from(text.to_owned())
}

/// The values of a name in the query.
fn values<'a>(request: &'a Request, name: &str) -> Option<Vec<&'a str>> {
    request.query_string_parameters_ref()?.all(name)
}

/// The account that the query names.
pub(crate) fn account(request: &Request) -> Result<Option<AccountSid>, RequestProblem> {
    http_request::account(values(request, "account_sid"))
}

pub(crate) fn text(request: &Request) -> Result<&str, RequestProblem> {
    http_request::text(request.body())
}

/// The ARN of the principal that API Gateway authorized.
pub(crate) fn caller(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => http_request::caller(context).map(str::to_owned),
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

    fn with_query(method: Method, path: &str, query: &str) -> Result<ContactsRoute, RequestProblem> {
        let query: std::collections::HashMap<String, Vec<String>> =
            url_query(query).fold(std::collections::HashMap::new(), |mut map, (name, value)| {
                map.entry(name).or_insert_with(Vec::new).push(value);
                map
            });
        let mut request = Request::default().with_raw_http_path(path).with_query_string_parameters(query);
        *request.method_mut() = method;
        ContactsRoute::parse(&request)
    }

    fn url_query(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
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
        for (spelling, id) in [
            ("US.13491208655302741918", "US.13491208655302741918"),
            ("US.ENT.13491208655302741918", "US.ENT.13491208655302741918"),
            ("whatsapp:US.1349", "US.1349"),
            ("whatsapp%3AUS.1349", "US.1349"),
        ] {
            let contact: Recipient = id.parse().unwrap();
            let path = format!("/contacts/{spelling}");
            assert_eq!(route(Method::GET, &path), Ok(ContactsRoute::Contact(contact.clone())), "{path}");
            let suppression = format!("{path}/suppression");
            assert_eq!(route(Method::PUT, &suppression), Ok(ContactsRoute::Suppress(contact.clone())), "{path}");
            assert_eq!(
                route(Method::DELETE, &suppression),
                Ok(ContactsRoute::LiftSuppression(contact.clone())),
                "{path}"
            );
            let path = format!("{path}/consent");
            assert_eq!(route(Method::PUT, &path), Ok(ContactsRoute::Consent(contact)), "{path}");
        }
    }

    #[test]
    fn id_in_the_query_is_read_as_it_is() {
        for text in ["50% off? x", "order/1", "a%20b", "%FF"] {
            let query = format!("id={text}&account_sid=AC1");
            let expected = vec![id(text)];
            let shown = with_query(Method::GET, "/notifications", &query);
            assert_eq!(shown, Ok(ContactsRoute::Notification(expected.clone())), "{text}");
            let cancelled = with_query(Method::DELETE, "/notifications", &query);
            assert_eq!(cancelled, Ok(ContactsRoute::Cancellation(expected)), "{text}");
        }
        for query in ["", "id=", "id=a&id=b"] {
            let problem = with_query(Method::GET, "/notifications", query).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.field.as_ref()), (400, "id"), "{query}");
        }
        assert_eq!(with_query(Method::PUT, "/notifications", "id=a").unwrap_err().status, 405);
        assert_eq!(with_query(Method::GET, "/notificationsx", "id=a").unwrap_err().status, 405);
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
            // The path as it arrived is a reading too: an HTTP API has decoded it.
            let as_it_arrived = (path != expected).then(|| id(path));
            let expected: Vec<_> = as_it_arrived.into_iter().chain([id(expected)]).collect();
            let path = format!("/notifications/{path}");
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
            (Method::PUT, "/contacts/123/suppression", 400, "contact"),
            (Method::DELETE, "/contacts/123/suppression", 400, "contact"),
            (Method::GET, "/contacts/+14155550123/suppression", 405, "method"),
            (Method::POST, "/contacts/+14155550123/suppression", 405, "method"),
            (Method::PUT, "/contacts/+14155550123/consent/x", 405, "method"),
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
        let (_, spelling) = url.split_once("?notification=").unwrap();
        let (spelling, _) = spelling.split_once('#').unwrap();
        let Ok(ContactsRoute::Notification(readings)) = route(Method::GET, &format!("/notifications/{spelling}"))
        else {
            panic!("{spelling}")
        };
        assert!(readings.contains(&wanted), "{readings:?}");
    }
}
