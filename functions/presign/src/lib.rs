//! `POST /media` and `GET /media/{key+}`: links by which people put files into the media bucket and fetch them.
//!
//! API Gateway lets in who may call them by IAM. Environment: `MEDIA_BUCKET`.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use jiff::Timestamp;
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{Method, StatusCode, header::CONTENT_TYPE},
    tracing,
};
use serde::Serialize;
use shared::{
    env::{self, EnvError},
    media::{MediaKey, MediaType},
    media_store::{Described, MediaStore, MediaStoreError},
    report::Chain,
};

mod request;

use request::{DownloadRequest, Problem, UploadRequest};

/// How long an upload link lives: time to pick a file on a slow line, and no longer, since it lets anybody write.
const UPLOAD_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The function.
#[derive(Debug)]
pub struct Presign {
    media: MediaStore,
}

#[derive(Debug, Serialize)]
struct Upload {
    key: MediaKey,
    upload_url: String,
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
    pub async fn from_env() -> Result<Self, EnvError> {
        let bucket = env::required("MEDIA_BUCKET")?;
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .timeout_config(shared::aws::timeouts())
            .retry_config(shared::aws::retries())
            .load()
            .await;
        let s3 = shared::aws::s3_config(aws_sdk_s3::config::Builder::from(&config));
        Ok(Self { media: MediaStore::new(aws_sdk_s3::Client::from_conf(s3), bucket) })
    }

    /// Gives a link: 201 for an upload, 200 for a download.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let now = Timestamp::now();
        let answer = match *request.method() {
            Method::POST => self.upload(request.body(), now).await.map(|upload| reply(StatusCode::CREATED, &upload)),
            Method::GET => self.download(&request, now).await.map(|download| reply(StatusCode::OK, &download)),
            _ => Err(Problem::method().into()),
        };
        Ok(answer.unwrap_or_else(|failure| match failure {
            Failure::Refused(problem) => reply(problem.status, &problem),
            Failure::Store(error) => {
                tracing::error!(error = %Chain(&error), "no link");
                reply(StatusCode::INTERNAL_SERVER_ERROR, &Problem::internal())
            }
        }))
    }

    async fn upload(&self, body: &[u8], now: Timestamp) -> Result<Upload, Failure> {
        let request = UploadRequest::parse(body)?;
        let key = new_key(&request.media_type)?;
        let link = self.media.upload_link(&key, &request.media_type, request.content_length, UPLOAD_LIFETIME).await?;
        Ok(Upload {
            key,
            upload_url: link.url,
            method: "PUT",
            headers: link.headers.into_iter().collect(),
            expires_at: after(now, UPLOAD_LIFETIME),
        })
    }

    /// The object is looked at first: a link to what WhatsApp would refuse is better refused here.
    async fn download(&self, request: &Request, now: Timestamp) -> Result<Download, Failure> {
        let path_parameters = request.path_parameters();
        let query = request.query_string_parameters();
        let wanted = DownloadRequest::parse(path_parameters.first("key"), query.first("expires_in"))?;
        let Described::Object { content_type, content_length } = self.media.describe(&wanted.key).await? else {
            return Err(Problem::missing_object().into());
        };
        let media_type: MediaType = content_type.parse().map_err(Problem::stored_type)?;
        media_type.check_size(content_length).map_err(Problem::stored_size)?;
        let url = self.media.download_link(&wanted.key, wanted.lifetime).await?;
        Ok(Download { key: wanted.key, url, content_type, content_length, expires_at: after(now, wanted.lifetime) })
    }
}

/// In the order of time, so that a listing of the bucket is one too.
fn new_key(media_type: &MediaType) -> Result<MediaKey, Problem> {
    let key = format!("uploads/{}.{}", uuid::Uuid::now_v7(), media_type.extension());
    key.parse().map_err(|_| Problem::internal())
}

fn after(now: Timestamp, lifetime: Duration) -> Timestamp {
    now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

fn reply(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, lambda_http::http::HeaderValue::from_static("application/json"));
    response
}
