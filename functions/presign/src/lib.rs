//! `POST /media`, and `GET /media/{key+}` or `GET /media?key=`: links for uploading a file to the media bucket and for
//! downloading it.
//!
//! Callers are authorized by IAM, in API Gateway. Environment: `MEDIA_BUCKET`.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use domain::media::MediaKey;
use jiff::Timestamp;
use lambda_http::{
    Body, Request, RequestExt as _, Response,
    http::{Method, StatusCode},
};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    env,
    http_reply::{RequestError, json, respond},
    start::StartError,
};
use twilio_types::media::MediaType;

mod media_bucket;
mod request;

use media_bucket::{MediaBucket, ObjectMetadata};
use request::{DownloadRequest, UploadRequest, object_not_found, unknown_route, unsupported_object, wrong_object_size};

/// How long an upload link is valid: enough for a slow connection, and no longer, because everyone who has the link can
/// write with it.
const UPLOAD_LIFETIME: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub struct PresignFunction {
    media: MediaBucket,
}

/// The answer to `POST /media`: how to upload the file.
#[derive(Serialize)]
struct UploadAnswer {
    key: MediaKey,
    #[serde(rename = "upload_url")]
    url: String,
    method: &'static str,
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

/// The answer to a download: where to download the file.
#[derive(Serialize)]
struct DownloadAnswer {
    key: MediaKey,
    url: String,
    content_type: String,
    content_length: u64,
    expires_at: Timestamp,
}

impl PresignFunction {
    /// Reads the environment and builds the client.
    pub async fn from_env() -> Result<Self, StartError> {
        let bucket = env::required("MEDIA_BUCKET")?;
        let config = shared::aws::config().await?;
        let s3 = shared::aws::s3_config(&config).build();
        Ok(Self { media: MediaBucket::new(aws_sdk_s3::Client::from_conf(s3), bucket) })
    }

    /// Answers with a link: 201 for an upload, 200 for a download.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let deadline_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let answered = Deadline::of_answer(deadline_ms).run(self.answer(&request, Timestamp::now())).await;
        Ok(respond(answered.unwrap_or_else(|exceeded| Err(exceeded.into()))))
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Response<Body>, RequestError> {
        let path = request.raw_http_path();
        let key = path.strip_prefix("/media/");
        match *request.method() {
            Method::POST if key.is_none() => Ok(json(StatusCode::CREATED, &self.upload(request.body(), now).await?)),
            Method::GET => {
                let query = request.query_string_parameters_ref();
                let wanted = DownloadRequest::parse(key, |name| query?.all(name))?;
                Ok(json(StatusCode::OK, &self.download(wanted, now).await?))
            }
            _ => Err(unknown_route().into()),
        }
    }

    async fn upload(&self, body: &[u8], now: Timestamp) -> Result<UploadAnswer, RequestError> {
        let request = UploadRequest::parse(body)?;
        let key = MediaKey::for_upload(&request.media_type);
        let link = self.media.upload_link(&key, &request.media_type, request.content_length, UPLOAD_LIFETIME).await?;
        Ok(UploadAnswer {
            key,
            url: link.url,
            method: "PUT",
            headers: link.headers.into_iter().collect(),
            expires_at: after(now, UPLOAD_LIFETIME),
        })
    }

    /// Looks at the object first. WhatsApp would refuse a file of another type or size later, and the caller would not know.
    async fn download(&self, wanted: DownloadRequest, now: Timestamp) -> Result<DownloadAnswer, RequestError> {
        let DownloadRequest { keys, lifetime } = wanted;
        let (key, ObjectMetadata { content_type, content_length }) =
            self.first_object(keys).await?.ok_or_else(object_not_found)?;
        let media_type: MediaType = content_type.parse().map_err(unsupported_object)?;
        media_type.check_size(content_length).map_err(wrong_object_size)?;
        let url = self.media.download_link(&key, lifetime).await?;
        Ok(DownloadAnswer { key, url, content_type, content_length, expires_at: after(now, lifetime) })
    }

    /// The first of these keys that has an object.
    async fn first_object(&self, keys: Vec<MediaKey>) -> Result<Option<(MediaKey, ObjectMetadata)>, RequestError> {
        for key in keys {
            if let Some(metadata) = self.media.metadata(&key).await? {
                return Ok(Some((key, metadata)));
            }
        }
        Ok(None)
    }
}

fn after(now: Timestamp, lifetime: Duration) -> Timestamp {
    now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
