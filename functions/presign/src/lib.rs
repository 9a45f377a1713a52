//! `POST /media`, and `GET /media/{key+}` or `GET /media?key=`: links for uploading a file to the media bucket and for
//! downloading it.
//!
//! Callers are authorized by IAM, in API Gateway, and for an account by the tenants document. Environment: `MEDIA_BUCKET`,
//! `TWILIO_ACCOUNT_SID` and optionally `TENANTS_TABLE` ([`shared::tenants`]), `MEDIA_BASE_URL` with `MEDIA_KEY_SECRET_ID` (links
//! for downloads lead to S3) and `SECRET_MAX_AGE_SECONDS` (300).

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use domain::{media::MediaKey, tenants::Tenants};
use jiff::Timestamp;
use lambda_http::{
    Body, Request, RequestExt as _, Response,
    http::{Method, StatusCode},
    request::RequestContext,
};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    env,
    http_reply::{RequestError, RequestProblem, json, respond},
    http_request::{account, caller, one_account, text},
    media_domain::MediaDomain,
    start::StartError,
    tenants::{TenantCache, authorize},
};
use twilio_types::{media::MediaType, sid::AccountSid};

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
    domain: Option<MediaDomain>,
    tenants: TenantCache,
    /// The account of requests and keys that name none.
    account_sid: AccountSid,
}

/// Who asks, and for which account.
struct Asking {
    tenants: Arc<Tenants>,
    /// The account that the query names.
    account_sid: Option<AccountSid>,
    caller: Option<String>,
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
    /// Reads the environment and the tenants document, and builds the clients.
    pub async fn from_env() -> Result<Self, StartError> {
        let bucket = env::required("MEDIA_BUCKET")?;
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let config = shared::aws::config().await?;
        let s3 = shared::aws::s3_config(&config).build();
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let (tenants, domain) = tokio::join!(TenantCache::from_env(&dynamodb), MediaDomain::from_env(&config));
        let media = MediaBucket::new(aws_sdk_s3::Client::from_conf(s3), bucket);
        Ok(Self { media, domain: domain?, tenants: tenants?, account_sid })
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
        let query = request.query_string_parameters_ref();
        let values = |name: &str| query?.all(name);
        let asking = Asking {
            tenants: self.tenants.current().await,
            account_sid: account(values("account_sid"))?,
            caller: caller_of(request),
        };
        match *request.method() {
            Method::POST if key.is_none() => {
                Ok(json(StatusCode::CREATED, &self.upload(request.body(), asking, now).await?))
            }
            Method::GET => {
                let mut wanted = DownloadRequest::parse(key, values)?;
                wanted.keys = self.allowed(wanted.keys, &asking)?;
                Ok(json(StatusCode::OK, &self.download(wanted, now).await?))
            }
            _ => Err(unknown_route().into()),
        }
    }

    async fn upload(&self, body: &[u8], asking: Asking, now: Timestamp) -> Result<UploadAnswer, RequestError> {
        let request = UploadRequest::parse(text(body)?.as_bytes())?;
        let account_sid = one_account(request.account_sid, asking.account_sid)?;
        authorize(&asking.tenants, account_sid.as_ref().unwrap_or(&self.account_sid), asking.caller.as_deref())?;
        let key = MediaKey::for_upload(&request.media_type, account_sid.as_ref());
        let link = self.media.upload_link(&key, &request.media_type, request.content_length, UPLOAD_LIFETIME).await?;
        Ok(UploadAnswer {
            key,
            url: link.url,
            method: "PUT",
            headers: link.headers.into_iter().collect(),
            expires_at: after(now, UPLOAD_LIFETIME),
        })
    }

    /// Those of the keys whose files the account may use. The account is the one that the query names, that of the key, or the
    /// default one.
    fn allowed(&self, keys: Vec<MediaKey>, asking: &Asking) -> Result<Vec<MediaKey>, RequestProblem> {
        let mut allowed = Vec::with_capacity(keys.len());
        for key in keys {
            let account_sid = asking.account_sid.clone().or_else(|| key.account_sid());
            let account_sid = account_sid.as_ref().unwrap_or(&self.account_sid);
            authorize(&asking.tenants, account_sid, asking.caller.as_deref())?;
            if asking.tenants.owns(account_sid, &key) {
                allowed.push(key);
            }
        }
        Ok(allowed)
    }

    /// Looks at the object first. WhatsApp would refuse a file of another type or size later, and the caller would not know. What
    /// people sent is not sent by this link, and may be of a type that only comes in, such as a GIF.
    async fn download(&self, wanted: DownloadRequest, now: Timestamp) -> Result<DownloadAnswer, RequestError> {
        let DownloadRequest { keys, lifetime } = wanted;
        let (key, ObjectMetadata { content_type, content_length }) =
            self.first_object(keys).await?.ok_or_else(object_not_found)?;
        if !key.is_inbound() {
            let media_type: MediaType = content_type.parse().map_err(unsupported_object)?;
            media_type.check_size(content_length).map_err(wrong_object_size)?;
        }
        let expires_at = after(now, lifetime);
        let url = match self.domain_link(&key, expires_at).await? {
            Some(link) => link,
            None => self.media.download_link(&key, lifetime).await?,
        };
        Ok(DownloadAnswer { key, url, content_type, content_length, expires_at })
    }

    /// A link on the media domain. None if no domain is configured, or it has no key yet.
    async fn domain_link(&self, key: &MediaKey, until: Timestamp) -> Result<Option<String>, RequestError> {
        let Some(domain) = &self.domain else { return Ok(None) };
        let signer = domain.signer().await.map_err(|error| RequestError::Internal(error.into()))?;
        let link = signer.map(|signer| signer.link(key, until)).transpose();
        link.map_err(|error| RequestError::Internal(error.into()))
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

/// The ARN of the principal that API Gateway authorized.
fn caller_of(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => caller(context).map(str::to_owned),
        _ => None,
    }
}

fn after(now: Timestamp, lifetime: Duration) -> Timestamp {
    now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
