//! Links to media files, each of which is looked at before its message is sent. A file that is missing or too large is refused
//! here with its name, and not later by WhatsApp.
//!
//! 1. The function looks at the file with its own permissions. Only `s3:ListBucket` makes a missing file a 404 (Amazon S3 API
//!    Reference, `HeadObject`); without it a missing file and a forbidden one are both a 403.
//! 2. It signs the link, and fetches one byte by it, as Twilio will fetch all: the key of the link may have been deleted, and
//!    its role may have lost the permission.
//!
//! The link is on the media domain if one is configured and has a key, and else leads to S3.
//!
//! What is not clear is not sent: the message waits, with an alarm.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::Credentials;
use domain::{
    limits::{DOMAIN_MEDIA_LINK, MEDIA_LINK_MARGIN},
    media::MediaKey,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, RANGE},
};
use shared::{
    deadline::{Deadline, DeadlineExceeded},
    media_domain::{DomainSigner, MediaDomain, SigningFailed},
    secrets::SecretsError,
};
use twilio_types::media::MessageFiles;

use crate::{
    media_link::{MediaBucket, MediaLinkError},
    media_signer::{LinkKey, MediaSigner, MediaSignerError},
};

/// S3 answers in some 20 ms.
const LOOK: Duration = Duration::from_secs(2);

/// S3 asks for another attempt after a 503 (Amazon S3 API Reference, "Error responses", `SlowDown`).
const LOOKS: usize = 2;

/// Makes links to files.
#[derive(Debug)]
pub(crate) struct MediaFiles {
    pub(crate) http: Client,
    pub(crate) bucket: MediaBucket,
    /// The function's own.
    pub(crate) credentials: Credentials,
    pub(crate) signer: MediaSigner,
    pub(crate) domain: Option<MediaDomain>,
}

/// A link to a file of the bucket.
#[derive(Debug)]
pub(crate) struct MediaLink {
    pub(crate) url: String,
    /// The longest validity period of a message with it.
    pub(crate) longest_validity: SignedDuration,
}

/// A file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    /// The system that sent the notification has to change it.
    #[error("{0}")]
    Invalid(String),
    /// The operator must let the function read the bucket and its list.
    #[error("S3 answered HTTP status {0} to a look at a media file: send needs s3:GetObject and s3:ListBucket")]
    Look(StatusCode),
    /// The operator must let the signer of the link read the bucket, or replace its key.
    #[error("S3 answered HTTP status {0} to a media link: its signer needs a valid key and s3:GetObject")]
    Link(StatusCode),
    /// The operator must correct the domain or its key.
    #[error(
        "the media domain answered HTTP status {0} to a media link: its key group needs the public key of the secret, and its \
         distribution s3:GetObject"
    )]
    DomainLink(StatusCode),
    /// It passes with time.
    #[error("S3 or the media domain answered HTTP status {0}")]
    Unavailable(StatusCode),
    /// There was no answer, or none with the headers of a file. It passes with time, or the operator must correct the media domain.
    #[error("S3 or the media domain did not answer which file this is")]
    NoAnswer(#[source] Option<reqwest::Error>),
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
    #[error(transparent)]
    Signer(#[from] MediaSignerError),
    #[error(transparent)]
    Sign(#[from] MediaLinkError),
    /// The operator must correct the secret with the key of the media domain.
    #[error(transparent)]
    DomainKey(#[from] SecretsError),
    #[error(transparent)]
    DomainSign(#[from] SigningFailed),
}

impl MediaError {
    /// The bucket has no such file for this account.
    pub(crate) fn missing() -> Self {
        Self::Invalid("expected the key of an object in the media bucket, there is none of this key".to_owned())
    }
}

impl MediaFiles {
    /// A link by which Twilio can fetch the file, which comes after the other `files` of its message.
    pub(crate) async fn link(
        &self,
        file: &MediaKey,
        files: &mut MessageFiles,
        deadline: Deadline,
    ) -> Result<MediaLink, MediaError> {
        self.look(file, files, deadline).await?;
        if let Some(domain) = &self.domain
            && let Some(signer) = deadline.run(domain.signer()).await??
        {
            let url = self.domain_link(file, domain, &signer, deadline).await?;
            return Ok(MediaLink { url, longest_validity: DOMAIN_MEDIA_LINK - MEDIA_LINK_MARGIN });
        }
        let url = self.bucket_link(file, deadline).await?;
        Ok(MediaLink { url, longest_validity: self.signer.longest_validity() })
    }

    async fn bucket_link(&self, file: &MediaKey, deadline: Deadline) -> Result<String, MediaError> {
        let key = self.signer.key(deadline).await?;
        match self.tried_link(file, &key, deadline).await {
            Err(MediaError::Link(StatusCode::FORBIDDEN)) => {
                let replaced = self.signer.replaced_key(deadline).await?;
                let key = replaced.ok_or(MediaError::Link(StatusCode::FORBIDDEN))?;
                self.tried_link(file, &key, deadline).await
            }
            tried => tried,
        }
    }

    async fn domain_link(
        &self,
        file: &MediaKey,
        domain: &MediaDomain,
        signer: &DomainSigner,
        deadline: Deadline,
    ) -> Result<String, MediaError> {
        match self.tried_domain_link(file, signer, deadline).await {
            Err(MediaError::DomainLink(StatusCode::FORBIDDEN)) => {
                let replaced = deadline.run(domain.replaced_signer(signer)).await??;
                let signer = replaced.ok_or(MediaError::DomainLink(StatusCode::FORBIDDEN))?;
                self.tried_domain_link(file, &signer, deadline).await
            }
            tried => tried,
        }
    }

    /// Finds out whether the file exists and the channel accepts it after the other `files`.
    async fn look(&self, file: &MediaKey, files: &mut MessageFiles, deadline: Deadline) -> Result<(), MediaError> {
        let url = self.bucket.head_url(file, &self.credentials, SystemTime::now())?;
        let answer = answer(|| self.http.head(&url), deadline).await?;
        match answer.status() {
            StatusCode::OK => check(answer.headers(), files),
            StatusCode::NOT_FOUND => Err(MediaError::missing()),
            status => Err(MediaError::Look(status)),
        }
    }

    async fn tried_link(&self, file: &MediaKey, key: &LinkKey, deadline: Deadline) -> Result<String, MediaError> {
        let link = self.bucket.link(file, key, SystemTime::now())?;
        self.fetch_first_byte(&link, deadline).await?.map_err(MediaError::Link)?;
        Ok(link)
    }

    async fn tried_domain_link(
        &self,
        file: &MediaKey,
        signer: &DomainSigner,
        deadline: Deadline,
    ) -> Result<String, MediaError> {
        let until = Timestamp::now().saturating_add(DOMAIN_MEDIA_LINK).unwrap_or(Timestamp::MAX);
        let link = signer.link(file, until)?;
        self.fetch_first_byte(&link, deadline).await?.map_err(MediaError::DomainLink)?;
        Ok(link)
    }

    /// Fetches the first byte by a link. The inner error is the status of a refusal.
    async fn fetch_first_byte(&self, link: &str, deadline: Deadline) -> Result<Result<(), StatusCode>, MediaError> {
        let answer = answer(|| self.http.get(link).header(RANGE, "bytes=0-0"), deadline).await?;
        // An empty file has no first byte.
        let is_there = answer.status().is_success() || answer.status() == StatusCode::RANGE_NOT_SATISFIABLE;
        Ok(if is_there { Ok(()) } else { Err(answer.status()) })
    }
}

/// The answer of S3 or of the media domain, after another attempt if there is none or it is a failure of their own.
async fn answer(request: impl Fn() -> RequestBuilder, deadline: Deadline) -> Result<Response, MediaError> {
    let mut last = MediaError::NoAnswer(None);
    for _ in 0..LOOKS {
        let sent = request().timeout(LOOK.min(deadline.remaining())).send();
        match deadline.run(sent).await? {
            Ok(answer) if answer.status().is_server_error() => last = MediaError::Unavailable(answer.status()),
            Ok(answer) => return Ok(answer),
            // The URL is a key to the file.
            Err(error) => last = MediaError::NoAnswer(Some(error.without_url())),
        }
    }
    Err(last)
}

/// Whether the channel accepts a file with these headers after the other `files`.
fn check(headers: &HeaderMap, files: &mut MessageFiles) -> Result<(), MediaError> {
    let content_type = text(headers, &CONTENT_TYPE).ok_or(MediaError::NoAnswer(None))?;
    let size = text(headers, &CONTENT_LENGTH).and_then(|size| size.parse().ok()).ok_or(MediaError::NoAnswer(None))?;
    files.add(content_type, size).map_err(|problem| MediaError::Invalid(problem.to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
