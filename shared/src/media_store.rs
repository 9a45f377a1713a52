//! The media bucket: links by which others put files there and fetch them.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{Client, presigning::PresigningConfig};

use crate::media::{MediaKey, MediaType};

/// The media bucket.
#[derive(Debug, Clone)]
pub struct MediaStore {
    client: Client,
    bucket: String,
}

/// The bucket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct MediaStoreError {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl MediaStoreError {
    fn new(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { operation, source: Box::new(source) }
    }
}

/// A link that takes one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadLink {
    /// Where the file is put, with the method PUT.
    pub url: String,
    /// The headers that the link is signed with: without them S3 refuses the file.
    pub headers: Vec<(String, String)>,
}

/// What S3 knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described {
    /// It is there.
    Object {
        /// Its `Content-Type`.
        content_type: String,
        /// Its size in bytes.
        content_length: u64,
    },
    /// It is not there.
    Missing,
}

impl MediaStore {
    /// The bucket of this name. The client's credentials are the ones that sign the links.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// A link that takes a file of this type and length, and no other: both are part of the signature.
    pub async fn upload_link(
        &self,
        key: &MediaKey,
        media_type: &MediaType,
        content_length: u64,
        lifetime: Duration,
    ) -> Result<UploadLink, MediaStoreError> {
        let operation = "signing an upload link";
        let length = i64::try_from(content_length).map_err(|error| MediaStoreError::new(operation, error))?;
        let presigned = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(media_type.as_str())
            .content_length(length)
            .presigned(presigning(operation, lifetime)?)
            .await
            .map_err(|error| MediaStoreError::new(operation, error))?;
        Ok(UploadLink {
            url: presigned.uri().to_owned(),
            headers: presigned.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    /// A link that gives a file. It ends early where the credentials that signed it do.
    pub async fn download_link(&self, key: &MediaKey, lifetime: Duration) -> Result<String, MediaStoreError> {
        let operation = "signing a download link";
        let presigned = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .presigned(presigning(operation, lifetime)?)
            .await
            .map_err(|error| MediaStoreError::new(operation, error))?;
        Ok(presigned.uri().to_owned())
    }

    /// An object's real type and size.
    pub async fn describe(&self, key: &MediaKey) -> Result<Described, MediaStoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key.as_str()).send().await;
        match head {
            Ok(object) => Ok(Described::Object {
                content_type: object.content_type().unwrap_or_default().to_owned(),
                content_length: object.content_length().and_then(|length| length.try_into().ok()).unwrap_or_default(),
            }),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(Described::Missing),
            Err(error) => Err(MediaStoreError::new("describing an object of the media bucket", error)),
        }
    }
}

fn presigning(operation: &'static str, lifetime: Duration) -> Result<PresigningConfig, MediaStoreError> {
    PresigningConfig::expires_in(lifetime).map_err(|error| MediaStoreError::new(operation, error))
}
