//! Fuzz tests of paths.

use fuzz::{Understood, fuzz};
use lambda_http::{Request, RequestExt as _, http::Method};

use crate::request::ContactsRoute;

#[test]
fn paths_are_read_without_a_panic() {
    const PATHS: [&str; 5] = [
        "/contacts/+14155550123/suppression",
        "/contacts/+14155550123",
        "/contacts/US.13491208655302741918/consent",
        "/notifications/order%2F1%20%C3%A4",
        "/notifications/50%25",
    ];
    fuzz(|mutator| {
        let path = *mutator.one_of(&PATHS);
        let path = mutator.changed_text(path);
        let mut request = Request::default().with_raw_http_path(path);
        *request.method_mut() = mutator.one_of(&[Method::GET, Method::PUT, Method::DELETE]).clone();
        Understood::if_ok(&ContactsRoute::parse(&request))
    });
}
