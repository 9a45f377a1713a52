//! The media bucket: links by which others put files there and fetch them.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{Client, operation::head_object::HeadObjectError, presigning::PresigningConfig};
use domain::media::{MediaKey, MediaType};
use shared::http_reply::RequestError;

/// The media bucket.
#[derive(Debug, Clone)]
pub(crate) struct MediaStore {
    client: Client,
    bucket: String,
}

/// The bucket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub(crate) struct MediaStoreError {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl MediaStoreError {
    fn new(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { operation, source: Box::new(source) }
    }
}

impl From<MediaStoreError> for RequestError {
    fn from(error: MediaStoreError) -> Self {
        Self::Internal(error.into())
    }
}

/// A link that takes one file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UploadLink {
    /// Where the file is put, with the method PUT.
    pub(crate) url: String,
    /// The headers that the link is signed with: without them S3 refuses the file.
    pub(crate) headers: Vec<(String, String)>,
}

/// What S3 knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Described {
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
    pub(crate) fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// A link that takes a file of this type and length, and no other: both are part of the signature.
    pub(crate) async fn upload_link(
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

    /// A link that gives a file, for seven days at most ("Sharing objects with presigned URLs", Amazon S3). It ends early
    /// where the credentials that signed it do.
    pub(crate) async fn download_link(&self, key: &MediaKey, lifetime: Duration) -> Result<String, MediaStoreError> {
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
    pub(crate) async fn describe(&self, key: &MediaKey) -> Result<Described, MediaStoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key.as_str()).send().await;
        match head {
            Ok(object) => Ok(Described::Object {
                content_type: object.content_type().unwrap_or_default().to_owned(),
                content_length: object.content_length().and_then(|length| length.try_into().ok()).unwrap_or_default(),
            }),
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(Described::Missing),
            Err(error) => Err(MediaStoreError::new("describing an object of the media bucket", error)),
        }
    }
}

fn presigning(operation: &'static str, lifetime: Duration) -> Result<PresigningConfig, MediaStoreError> {
    PresigningConfig::expires_in(lifetime).map_err(|error| MediaStoreError::new(operation, error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use url::Url;

    use super::*;

    /// Signs with made-up credentials, which takes no network.
    fn store() -> MediaStore {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        MediaStore::new(Client::from_conf(config.build()), "media".to_owned())
    }

    fn parameter(url: &str, name: &str) -> Option<String> {
        Url::parse(url).unwrap().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    #[tokio::test]
    async fn an_upload_link_is_signed_with_type_and_length_and_with_nothing_of_the_content() {
        let (key, media_type) = ("uploads/a.ogg".parse().unwrap(), "audio/ogg; codecs=opus".parse().unwrap());
        let link = store().upload_link(&key, &media_type, 1_234, Duration::from_mins(15)).await.unwrap();
        assert_eq!(parameter(&link.url, "X-Amz-SignedHeaders").unwrap(), "content-length;content-type;host");
        assert_eq!(parameter(&link.url, "X-Amz-Expires").unwrap(), "900");
        let checksums: Vec<_> = link.url.split('&').filter(|part| part.to_lowercase().contains("checksum")).collect();
        assert!(checksums.is_empty(), "the file is not known yet: {checksums:?}");
        let mut headers = link.headers;
        headers.sort();
        let expected = [("content-length", "1234"), ("content-type", "audio/ogg; codecs=opus")];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[tokio::test]
    async fn a_download_link_leads_to_its_key_however_it_is_written() {
        for (key, path) in [
            ("uploads/a.jpg", "/uploads/a.jpg"),
            ("größe/ü b+c.pdf", "/gr%C3%B6%C3%9Fe/%C3%BC%20b%2Bc.pdf"),
            ("a?b#c%2F.pdf", "/a%3Fb%23c%252F.pdf"),
        ] {
            let url = store().download_link(&key.parse().unwrap(), Duration::from_mins(10)).await.unwrap();
            assert_eq!(Url::parse(&url).unwrap().path(), path);
            assert_eq!(parameter(&url, "X-Amz-SignedHeaders").unwrap(), "host");
        }
    }

    #[tokio::test]
    async fn a_link_longer_than_s3_allows_is_an_error() {
        let week = Duration::from_hours(7 * 24);
        let key = "a.jpg".parse().unwrap();
        assert!(store().download_link(&key, week).await.is_ok());
        assert!(store().download_link(&key, week + Duration::from_secs(1)).await.is_err());
    }
}
