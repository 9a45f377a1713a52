//! `POST /media` and `GET /media/{key+}`: links by which people put files into the media bucket and fetch them.
//!
//! API Gateway lets in who may call them by IAM. Environment: `MEDIA_BUCKET`.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use domain::media::{MediaKey, MediaType};
use jiff::Timestamp;
use lambda_http::{
    Body, Request, RequestExt as _, Response,
    http::{Method, StatusCode},
};
use serde::Serialize;
use shared::{
    env,
    http_reply::{RequestError, json, respond},
    start::StartError,
};

mod media_bucket;
mod request;

use media_bucket::{Described, MediaStore};
use request::{DownloadRequest, UploadRequest, missing_object, stored_size, stored_type, unknown_route};

/// How long an upload link lives: time to pick a file on a slow line, and no longer, since it lets anybody write.
const UPLOAD_LIFETIME: Duration = Duration::from_mins(15);

/// The function.
#[derive(Debug)]
pub struct PresignFunction {
    media: MediaStore,
}

#[derive(Serialize)]
struct Upload {
    key: MediaKey,
    #[serde(rename = "upload_url")]
    url: String,
    method: &'static str,
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Download {
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
        Ok(Self { media: MediaStore::new(aws_sdk_s3::Client::from_conf(s3), bucket) })
    }

    /// Gives a link: 201 for an upload, 200 for a download.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        Ok(respond(self.answer(&request, Timestamp::now()).await))
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Response<Body>, RequestError> {
        let key = request.path_parameters_ref().and_then(|parameters| parameters.first("key"));
        match (request.method(), key) {
            (&Method::POST, None) => Ok(json(StatusCode::CREATED, &self.upload(request.body(), now).await?)),
            (&Method::GET, Some(key)) => {
                let query = request.query_string_parameters_ref();
                let expires_in = query.and_then(|parameters| parameters.first("expires_in"));
                Ok(json(StatusCode::OK, &self.download(key, expires_in, now).await?))
            }
            _ => Err(unknown_route().into()),
        }
    }

    async fn upload(&self, body: &[u8], now: Timestamp) -> Result<Upload, RequestError> {
        let request = UploadRequest::parse(body)?;
        let key = MediaKey::for_upload(&request.media_type);
        let link = self.media.upload_link(&key, &request.media_type, request.content_length, UPLOAD_LIFETIME).await?;
        Ok(Upload {
            key,
            url: link.url,
            method: "PUT",
            headers: link.headers.into_iter().collect(),
            expires_at: after(now, UPLOAD_LIFETIME),
        })
    }

    /// The object is looked at first: a link to what WhatsApp would refuse is better refused here.
    async fn download(&self, key: &str, expires_in: Option<&str>, now: Timestamp) -> Result<Download, RequestError> {
        let wanted = DownloadRequest::parse(key, expires_in)?;
        let Described::Object { content_type, content_length } = self.media.describe(&wanted.key).await? else {
            return Err(missing_object().into());
        };
        let media_type: MediaType = content_type.parse().map_err(stored_type)?;
        media_type.check_size(content_length).map_err(stored_size)?;
        let url = self.media.download_link(&wanted.key, wanted.lifetime).await?;
        Ok(Download { key: wanted.key, url, content_type, content_length, expires_at: after(now, wanted.lifetime) })
    }
}

fn after(now: Timestamp, lifetime: Duration) -> Timestamp {
    now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
