//! The requests that callers may make, and the problems that they are answered with.

use std::{ops::RangeInclusive, time::Duration};

use domain::{
    json,
    json_fields::{FieldError, JsonFields, as_string},
    media::MediaKey,
};
use lambda_http::http::StatusCode;
use shared::{
    http_reply::RequestProblem,
    http_request::{one_value, readings, required_value},
};
use twilio_types::{
    media::{MediaType, UnsupportedType, WrongSize},
    sid::AccountSid,
};

/// The lifetimes of a download link, in seconds. At least ten minutes, so that a slow download ends in time. At most twelve
/// hours, because the function's own credentials, which sign the link, do not last longer.
const LIFETIME_SECONDS: RangeInclusive<u64> = 600..=43_200;
const DEFAULT_LIFETIME: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(crate) struct UploadRequest {
    pub(crate) media_type: MediaType,
    pub(crate) content_length: u64,
    /// The account that the file is for; none if the body names none.
    pub(crate) account_sid: Option<AccountSid>,
}

#[derive(Debug)]
pub(crate) struct DownloadRequest {
    /// The first that exists is meant.
    pub(crate) keys: Vec<MediaKey>,
    pub(crate) lifetime: Duration,
}

impl UploadRequest {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, RequestProblem> {
        let UploadFields { content_type, content_length, account_sid } = UploadFields::read(body)
            .map_err(|(field, problem)| RequestProblem::new(StatusCode::BAD_REQUEST, field, problem))?;
        let media_type: MediaType = content_type.parse().map_err(|error: UnsupportedType| {
            RequestProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", error.to_string())
        })?;
        media_type
            .check_size(content_length)
            .map_err(|error| RequestProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "content_length", error.to_string()))?;
        Ok(Self { media_type, content_length, account_sid })
    }
}

struct UploadFields {
    content_type: String,
    content_length: u64,
    account_sid: Option<AccountSid>,
}

impl UploadFields {
    fn read(body: &[u8]) -> Result<Self, FieldError> {
        let value = json::value_of_bytes(body)?;
        let mut fields = JsonFields::of(String::new(), value, "an object with content_type and content_length")?;
        let read = Self {
            content_type: fields.required("content_type", "a media type, as in image/jpeg", as_string)?,
            content_length: fields.required("content_length", "a whole number of bytes", |value| value.as_u64())?,
            account_sid: fields
                .optional("account_sid", "an account's SID, as in AC0123...", |value| as_string(value)?.parse().ok())?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl DownloadRequest {
    /// Reads the key from the path, which may have two readings, or from the query.
    pub(crate) fn parse<'a>(
        key_in_path: Option<&str>,
        values: impl Fn(&str) -> Option<Vec<&'a str>>,
    ) -> Result<Self, RequestProblem> {
        let keys = match key_in_path {
            Some(key) => readings("key", key, str::parse)?,
            None => vec![required_value("key", values("key"), str::parse)?],
        };
        let Some(expires_in) = one_value("expires_in", values("expires_in"))? else {
            return Ok(Self { keys, lifetime: DEFAULT_LIFETIME });
        };
        let seconds = expires_in.parse().ok().filter(|seconds| LIFETIME_SECONDS.contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            RequestProblem::new(
                StatusCode::BAD_REQUEST,
                "expires_in",
                "expected a whole number of seconds from 600 to 43200",
            )
        })?;
        Ok(Self { keys, lifetime: Duration::from_secs(seconds) })
    }
}

pub(crate) fn unknown_route() -> RequestProblem {
    RequestProblem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "expected POST /media, GET /media/{key} or GET /media?key=",
    )
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
    fn upload_may_name_its_account() {
        let body = |account: &str| format!(r#"{{"content_type": "image/jpeg", "content_length": 1{account}}}"#);
        let account = |account: &str| UploadRequest::parse(body(account).as_bytes()).map(|request| request.account_sid);
        let sid = "AC00000000000000000000000000000002";
        assert_eq!(account(&format!(r#", "account_sid": "{sid}""#)).unwrap(), sid.parse().ok());
        assert_eq!(account("").unwrap(), None);
        assert_eq!(account(r#", "account_sid": "AC1""#).unwrap_err().field, "account_sid");
    }

    #[test]
    fn upload_of_a_supported_type_and_size_is_accepted() {
        let request = UploadRequest::parse(br#"{"content_type": "image/jpeg", "content_length": 5242880}"#).unwrap();
        assert_eq!((request.media_type.extension(), request.content_length), ("jpg", 5_242_880));
    }

    #[test]
    fn type_of_an_upload_is_stored_in_one_spelling() {
        for (content_type, stored) in [
            ("image/jpg", "image/jpeg"),
            ("text/directory", "text/vcard"),
            ("Audio/OGG;codecs=opus", "audio/ogg; codecs=opus"),
        ] {
            let body = format!(r#"{{"content_type": "{content_type}", "content_length": 1}}"#);
            assert_eq!(UploadRequest::parse(body.as_bytes()).unwrap().media_type.as_str(), stored);
        }
    }

    #[test]
    fn invalid_upload_is_refused_by_status_and_field() {
        let cases = [
            ("", 400, "body"),
            ("[]", 400, "body"),
            (r#"{"content_type": "image/jpeg"}"#, 400, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": -1}"#, 400, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": "my-secret-value"}"#, 400, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": 1, "content_length": 2}"#, 400, "content_length"),
            (r#"{"content_type": ["my-secret-value"], "content_length": 1}"#, 400, "content_type"),
            (r#"{"content_type": "my-secret-value", "content_length": 1}"#, 415, "content_type"),
            (r#"{"content_type": "image/jpeg", "content_length": 1, "acl": "public"}"#, 400, "acl"),
            (r#"{"content_type": "image/gif", "content_length": 1}"#, 415, "content_type"),
            (r#"{"content_type": "audio/ogg;codecs=vorbis", "content_length": 10}"#, 415, "content_type"),
            (r#"{"content_type": "image/webp", "content_length": 614400}"#, 413, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": 5242881}"#, 413, "content_length"),
            (r#"{"content_type": "image/jpeg", "content_length": 0}"#, 413, "content_length"),
        ];
        for (body, status, field) in cases {
            let problem = UploadRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.field.as_ref()), (status, field), "{body}");
            assert!(!problem.message.contains("my-secret-value"), "{problem}");
        }
        assert!(
            UploadRequest::parse("\u{feff}{\"content_type\": \"image/jpeg\", \"content_length\": 1}".as_bytes())
                .is_ok()
        );
    }

    #[test]
    fn lifetime_is_fifteen_minutes_by_default_and_at_least_ten() {
        let lifetime = |expires_in: Option<&'static str>| {
            let values = |name: &str| expires_in.filter(|_| name == "expires_in").map(|value| vec![value]);
            DownloadRequest::parse(Some("a.jpg"), values).map(|wanted| wanted.lifetime.as_secs())
        };
        assert_eq!(lifetime(None).unwrap(), 900);
        assert_eq!(lifetime(Some("600")).unwrap(), 600);
        for wrong in ["599", "43201", "", "soon", "-1"] {
            assert_eq!(lifetime(Some(wrong)).unwrap_err().field, "expires_in", "{wrong}");
        }
    }

    #[test]
    fn key_that_leaves_the_bucket_is_refused() {
        for key in ["", "../secret", "uploads/../../secret", "/etc/passwd"] {
            assert_eq!(DownloadRequest::parse(Some(key), |_| None).unwrap_err().field, "key");
            let in_query = |name: &str| (name == "key").then(|| vec![key]);
            assert_eq!(DownloadRequest::parse(None, in_query).unwrap_err().field, "key");
        }
    }

    #[test]
    fn key_is_read_from_the_path_and_from_the_query() {
        let keys = |key: Option<&str>, in_query: Option<&'static str>| {
            let values = |name: &str| in_query.filter(|_| name == "key").map(|key| vec![key]);
            let keys = DownloadRequest::parse(key, values).unwrap().keys;
            keys.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(keys(Some("a/50% off.pdf"), None), ["a/50% off.pdf"], "as an HTTP API hands it on");
        assert_eq!(keys(Some("a/50%25%20off.pdf"), None), ["a/50%25%20off.pdf", "a/50% off.pdf"]);
        assert_eq!(keys(None, Some("a/50%25?.pdf")), ["a/50%25?.pdf"], "a query is decoded already");
        assert_eq!(DownloadRequest::parse(None, |_| None).unwrap_err().field, "key");
    }
}
