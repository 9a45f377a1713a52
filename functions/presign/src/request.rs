//! The requests that callers may make, and the problems that they are answered with.

use std::{ops::RangeInclusive, time::Duration};

use domain::media::{MediaKey, MediaType, UnsupportedType, WrongSize};
use lambda_http::http::StatusCode;
use serde::Deserialize;
use shared::http_reply::RequestProblem;

/// The lifetimes of a download link, in seconds. At least ten minutes, so that a slow download ends in time. At most twelve
/// hours, because the function's own credentials, which sign the link, do not last longer.
const LIFETIME_SECONDS: RangeInclusive<u64> = 600..=43_200;
const DEFAULT_LIFETIME: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(crate) struct UploadRequest {
    pub(crate) media_type: MediaType,
    pub(crate) content_length: u64,
}

#[derive(Debug)]
pub(crate) struct DownloadRequest {
    pub(crate) key: MediaKey,
    pub(crate) lifetime: Duration,
}

impl UploadRequest {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, RequestProblem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct UploadFields {
            content_type: String,
            content_length: u64,
        }

        let fields: UploadFields = serde_json::from_slice(body).map_err(|error| {
            let message = format!(
                "expected JSON with content_type (a string) and content_length (a whole number of bytes) alone: {error}"
            );
            RequestProblem::new(StatusCode::BAD_REQUEST, "body", message)
        })?;
        let media_type: MediaType = fields.content_type.parse().map_err(|error: UnsupportedType| {
            RequestProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", error.to_string())
        })?;
        media_type
            .check_size(fields.content_length)
            .map_err(|error| RequestProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "content_length", error.to_string()))?;
        Ok(Self { media_type, content_length: fields.content_length })
    }
}

impl DownloadRequest {
    /// API Gateway has decoded the key already.
    pub(crate) fn parse(key: &str, expires_in: Option<&str>) -> Result<Self, RequestProblem> {
        let key = key.parse().map_err(|error: domain::media::InvalidMediaKey| {
            RequestProblem::new(StatusCode::BAD_REQUEST, "key", error.to_string())
        })?;
        let Some(expires_in) = expires_in else { return Ok(Self { key, lifetime: DEFAULT_LIFETIME }) };
        let seconds = expires_in.parse().ok().filter(|seconds| LIFETIME_SECONDS.contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            RequestProblem::new(
                StatusCode::BAD_REQUEST,
                "expires_in",
                "expected a whole number of seconds from 600 to 43200",
            )
        })?;
        Ok(Self { key, lifetime: Duration::from_secs(seconds) })
    }
}

pub(crate) fn unknown_route() -> RequestProblem {
    RequestProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "expected POST /media or GET /media/{key}")
}

pub(crate) fn object_not_found() -> RequestProblem {
    RequestProblem::new(StatusCode::NOT_FOUND, "key", "there is no such object")
}

pub(crate) fn unsupported_object(error: UnsupportedType) -> RequestProblem {
    RequestProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "content_type", format!("of the object: {error}"))
}

pub(crate) fn wrong_object_size(error: WrongSize) -> RequestProblem {
    RequestProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "content_length", format!("of the object: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_of_a_supported_type_and_size_is_accepted() {
        let request = UploadRequest::parse(br#"{"content_type": "image/jpeg", "content_length": 5242880}"#).unwrap();
        assert_eq!((request.media_type.extension(), request.content_length), ("jpg", 5_242_880));
    }

    #[test]
    fn invalid_upload_is_refused_by_status_and_field() {
        let cases = [
            ("", 400, "body"),
            ("[]", 400, "body"),
            (r#"{"content_type": "image/jpeg"}"#, 400, "body"),
            (r#"{"content_type": "image/jpeg", "content_length": -1}"#, 400, "body"),
            (r#"{"content_type": "image/jpeg", "content_length": 1, "acl": "public"}"#, 400, "body"),
            (r#"{"content_type": "image/gif", "content_length": 1}"#, 415, "content_type"),
            (r#"{"content_type": "image/jpeg", "content_length": 5242881}"#, 413, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": 0}"#, 413, "content_length"),
        ];
        for (body, status, field) in cases {
            let problem = UploadRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.field.as_ref()), (status, field), "{body}");
        }
    }

    #[test]
    fn lifetime_is_fifteen_minutes_by_default_and_at_least_ten() {
        let lifetime = |expires_in| DownloadRequest::parse("a.jpg", expires_in).map(|wanted| wanted.lifetime.as_secs());
        assert_eq!(lifetime(None).unwrap(), 900);
        assert_eq!(lifetime(Some("600")).unwrap(), 600);
        for wrong in ["599", "43201", "", "soon", "-1"] {
            assert_eq!(lifetime(Some(wrong)).unwrap_err().field, "expires_in", "{wrong}");
        }
    }

    #[test]
    fn key_that_leaves_the_bucket_is_refused() {
        for key in ["", "../secret", "uploads/../../secret", "/etc/passwd"] {
            assert_eq!(DownloadRequest::parse(key, None).unwrap_err().field, "key");
        }
    }
}
