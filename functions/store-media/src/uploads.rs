//! The media bucket, into which a file is written while it arrives.

use std::{error::Error, fmt};

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use domain::{
    file_type::{self, TypeMismatch},
    media::MediaKey,
};
use serde_json::Value;
use stores::fault::AwsFault;

use crate::{
    cards,
    parts::{FileError, FileParts, PART_BYTES},
};

/// Writes files into the media bucket.
#[derive(Debug, Clone)]
pub(crate) struct MediaUploads {
    client: Client,
    bucket: String,
}

/// A file that is in the bucket.
pub(crate) struct UploadedMedia {
    pub(crate) content_type: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// The contact cards of a vCard.
    pub(crate) contacts: Vec<Value>,
}

/// A file is not in the bucket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError<E: Error + 'static> {
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It is not what it is claimed to be.
    #[error("the file is not of the type that Twilio names")]
    Type(TypeMismatch),
    #[error(transparent)]
    File(#[from] FileError<E>),
    /// S3 did not answer or refused: time helps, or the operator must act.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// A request to the media bucket failed.
pub(crate) struct BucketError {
    operation: &'static str,
    pub(crate) fault: AwsFault,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Debug for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketError")
            .field("operation", &self.operation)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the media bucket failed", self.operation)
    }
}

impl Error for BucketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

impl BucketError {
    fn of<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        move |error| Self { operation, fault: AwsFault::of(&error), source: Box::new(error) }
    }

    fn missing(operation: &'static str, what: &'static str) -> Self {
        Self { operation, fault: AwsFault::Unavailable, source: what.into() }
    }
}

impl MediaUploads {
    pub(crate) fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Writes a file, in parts if it is larger than one. The same file may be written again under its key.
    pub(crate) async fn write<C, B, E>(
        &self,
        key: &MediaKey,
        claimed: Option<&str>,
        mut parts: FileParts<C>,
    ) -> Result<UploadedMedia, UploadError<E>>
    where
        C: AsyncFnMut() -> Result<Option<B>, E>,
        B: AsRef<[u8]>,
        E: Error + 'static,
    {
        let first = parts.next().await?;
        if first.is_empty() {
            return Err(UploadError::Empty);
        }
        let content_type = file_type::content_type(claimed, &first).map_err(UploadError::Type)?;
        let is_card = content_type.starts_with("text/vcard");
        let contacts = if is_card { cards::read(&first) } else { Vec::new() };
        if first.len() < PART_BYTES {
            self.put(key, &content_type, first).await?;
        } else {
            self.put_in_parts(key, &content_type, first, &mut parts).await?;
        }
        let (bytes, sha256) = parts.finish();
        Ok(UploadedMedia { content_type, bytes, sha256, contacts })
    }

    async fn put(&self, key: &MediaKey, content_type: &str, bytes: Vec<u8>) -> Result<(), BucketError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key.as_str()).content_type(content_type);
        put.body(ByteStream::from(bytes)).send().await.map_err(BucketError::of("PutObject"))?;
        Ok(())
    }

    async fn put_in_parts<C, B, E>(
        &self,
        key: &MediaKey,
        content_type: &str,
        first: Vec<u8>,
        parts: &mut FileParts<C>,
    ) -> Result<(), UploadError<E>>
    where
        C: AsyncFnMut() -> Result<Option<B>, E>,
        B: AsRef<[u8]>,
        E: Error + 'static,
    {
        let operation = "CreateMultipartUpload";
        let create = self.client.create_multipart_upload().bucket(&self.bucket).key(key.as_str());
        let created = create.content_type(content_type).send().await.map_err(BucketError::of(operation))?;
        let id = created.upload_id.ok_or_else(|| BucketError::missing(operation, "no upload id"))?;
        let written = self.write_parts(key, &id, first, parts).await;
        if written.is_err() {
            // What is left of an abandoned upload is deleted after a day by the bucket's lifecycle.
            let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key.as_str()).upload_id(id);
            let _ = abort.send().await;
        }
        written
    }

    async fn write_parts<C, B, E>(
        &self,
        key: &MediaKey,
        id: &str,
        first: Vec<u8>,
        parts: &mut FileParts<C>,
    ) -> Result<(), UploadError<E>>
    where
        C: AsyncFnMut() -> Result<Option<B>, E>,
        B: AsRef<[u8]>,
        E: Error + 'static,
    {
        let (mut part, mut completed) = (first, Vec::new());
        while !part.is_empty() {
            let number = i32::try_from(completed.len() + 1).unwrap_or(i32::MAX);
            let upload = self.client.upload_part().bucket(&self.bucket).key(key.as_str()).upload_id(id);
            let upload = upload.part_number(number).body(ByteStream::from(part));
            let uploaded = upload.send().await.map_err(BucketError::of("UploadPart"))?;
            completed.push(CompletedPart::builder().part_number(number).set_e_tag(uploaded.e_tag).build());
            part = parts.next().await?;
        }
        let completed = CompletedMultipartUpload::builder().set_parts(Some(completed)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key.as_str());
        let complete = complete.upload_id(id).multipart_upload(completed);
        complete.send().await.map_err(BucketError::of("CompleteMultipartUpload"))?;
        Ok(())
    }
}
