//! `POST /media` and `GET /media/{key+}`: links by which people put files into the media bucket and fetch them.
//!
//! API Gateway lets in who may call them by IAM. Environment: `MEDIA_BUCKET`.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::Method,
};
use domain::media::{MediaKey, MediaType};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use shared::{
    env::{self, EnvError},
    http_reply::{Problem, body, json},
    report::Chain,
};

use crate::media_bucket::{Described, MediaStore, MediaStoreError};

mod media_bucket;
mod request;

use request::{DownloadRequest, UploadRequest, missing_object, stored_size, stored_type, unknown_route};

/// How long an upload link lives: time to pick a file on a slow line, and no longer, since it lets anybody write.
const UPLOAD_LIFETIME: Duration = Duration::from_mins(15);

/// The function.
#[derive(Debug)]
pub struct Presign {
    media: MediaStore,
}

#[derive(Debug, Serialize)]
struct Upload {
    key: MediaKey,
    #[serde(rename = "upload_url")]
    url: String,
    method: &'static str,
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Download {
    key: MediaKey,
    url: String,
    content_type: String,
    content_length: u64,
    expires_at: Timestamp,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The caller's to mend.
    #[error("{0:?}")]
    Refused(Problem),
    /// Ours to mend.
    #[error(transparent)]
    Store(#[from] MediaStoreError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl Presign {
    /// Reads the environment and builds the client.
    pub fn from_env() -> Result<Self, EnvError> {
        let bucket = env::required("MEDIA_BUCKET")?;
        let config = shared::aws::config()?;
        let s3 = shared::aws::s3_config(&config).build();
        Ok(Self { media: MediaStore::new(aws_sdk_s3::Client::from_conf(s3), bucket) })
    }

    /// Gives a link: 201 for an upload, 200 for a download.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let (request, now) = (event.payload, Timestamp::now());
        let answer = match (&request.request_context.http.method, request.path_parameters.get("key")) {
            (&Method::POST, None) => self.upload(&request, now).await.map(|upload| json(201, &upload)),
            (&Method::GET, Some(key)) => {
                let expires_in = request.query_string_parameters.first("expires_in");
                self.download(key, expires_in, now).await.map(|download| json(200, &download))
            }
            _ => Err(unknown_route().into()),
        };
        Ok(answer.unwrap_or_else(|failure| match failure {
            Failure::Refused(problem) => json(problem.status, &problem),
            Failure::Store(error) => {
                tracing::error!(error = %Chain(&error), "no link");
                json(500, &Problem::internal())
            }
        }))
    }

    async fn upload(&self, request: &ApiGatewayV2httpRequest, now: Timestamp) -> Result<Upload, Failure> {
        let request = UploadRequest::parse(&body(request)?)?;
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
    async fn download(&self, key: &str, expires_in: Option<&str>, now: Timestamp) -> Result<Download, Failure> {
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
