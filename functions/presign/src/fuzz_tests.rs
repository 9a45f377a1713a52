//! Fuzz tests of the requests for links.

use fuzz::{Understood, fuzz};
use serde_json::json;

use crate::request::{DownloadRequest, UploadRequest};

#[test]
fn requests_for_uploads_are_read_without_a_panic() {
    fuzz(|mutator| {
        let request = json!({"content_type": "audio/ogg; codecs=opus", "content_length": 5_242_880});
        Understood::if_ok(&UploadRequest::parse(mutator.json_text(&[request]).as_bytes()))
    });
}

#[test]
fn requests_for_downloads_are_read_without_a_panic() {
    fuzz(|mutator| {
        let key = mutator.changed_text("uploads/01976b2e-0000-7000-8000-000000000000.jpg");
        let expires_in = mutator.one_in(2).then(|| mutator.changed_text("3600"));
        let is_in_query = mutator.one_in(2);
        let values = |name: &str| match name {
            "key" => is_in_query.then(|| vec![key.as_str()]),
            "expires_in" => expires_in.as_deref().map(|seconds| vec![seconds]),
            _ => None,
        };
        let request = DownloadRequest::parse((!is_in_query).then_some(&key), values);
        if let Ok(request) = &request {
            assert!(request.keys.iter().any(|read| read.as_str() == key) || key.contains('%'), "{key:?}");
        }
        Understood::if_ok(&request)
    });
}
