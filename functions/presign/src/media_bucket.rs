//! The media bucket: links for uploads and downloads, and the metadata of an object.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{Client, operation::head_object::HeadObjectError, presigning::PresigningConfig};
use domain::media::MediaKey;
use shared::http_reply::RequestError;
use twilio_types::media::MediaType;

#[derive(Debug, Clone)]
pub(crate) struct MediaBucket {
    client: Client,
    bucket: String,
}

/// S3 did not answer or refused, or a link could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub(crate) struct MediaBucketError {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl MediaBucketError {
    fn new(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { operation, source: Box::new(source) }
    }
}

impl From<MediaBucketError> for RequestError {
    fn from(error: MediaBucketError) -> Self {
        Self::Internal(error.into())
    }
}

/// A link that uploads one file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UploadLink {
    /// The URL to send the file to, with the method PUT.
    pub(crate) url: String,
    /// The headers that the link is signed with. S3 refuses the file without them.
    pub(crate) headers: Vec<(String, String)>,
}

/// What S3 stores with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectMetadata {
    pub(crate) content_type: String,
    /// In bytes.
    pub(crate) content_length: u64,
}

impl MediaBucket {
    /// The links are signed with the client's credentials.
    pub(crate) fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// A link for one file of this type and length, which the signature covers: S3 refuses every other file, and a second one
    /// with 412, so that the link cannot be used to replace a file that is in use. Source: Amazon S3, "How to prevent object
    /// overwrites with conditional writes".
    pub(crate) async fn upload_link(
        &self,
        key: &MediaKey,
        media_type: &MediaType,
        content_length: u64,
        lifetime: Duration,
    ) -> Result<UploadLink, MediaBucketError> {
        let operation = "signing an upload link";
        let length = i64::try_from(content_length).map_err(|error| MediaBucketError::new(operation, error))?;
        let presigned = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(media_type.as_str())
            .content_length(length)
            .if_none_match("*")
            .presigned(presigning(operation, lifetime)?)
            .await
            .map_err(|error| MediaBucketError::new(operation, error))?;
        Ok(UploadLink {
            url: presigned.uri().to_owned(),
            headers: presigned.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    /// A link to a file, for at most seven days ("Sharing objects with presigned URLs", Amazon S3). It expires earlier if
    /// the credentials that signed it expire.
    pub(crate) async fn download_link(&self, key: &MediaKey, lifetime: Duration) -> Result<String, MediaBucketError> {
        let operation = "signing a download link";
        let presigned = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .presigned(presigning(operation, lifetime)?)
            .await
            .map_err(|error| MediaBucketError::new(operation, error))?;
        Ok(presigned.uri().to_owned())
    }

    /// The type and size of an object; none if there is no object with this key.
    pub(crate) async fn metadata(&self, key: &MediaKey) -> Result<Option<ObjectMetadata>, MediaBucketError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key.as_str()).send().await;
        match head {
            Ok(object) => Ok(Some(ObjectMetadata {
                content_type: object.content_type().unwrap_or_default().to_owned(),
                content_length: object.content_length().and_then(|length| length.try_into().ok()).unwrap_or_default(),
            })),
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
            Err(error) => Err(MediaBucketError::new("reading the metadata of a media object", error)),
        }
    }
}

fn presigning(operation: &'static str, lifetime: Duration) -> Result<PresigningConfig, MediaBucketError> {
    PresigningConfig::expires_in(lifetime).map_err(|error| MediaBucketError::new(operation, error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use url::Url;

    use super::*;

    /// Signs with made-up credentials. Signing needs no network.
    fn bucket() -> MediaBucket {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        MediaBucket::new(Client::from_conf(config.build()), "media".to_owned())
    }

    fn parameter(url: &str, name: &str) -> Option<String> {
        Url::parse(url).unwrap().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    #[tokio::test]
    async fn upload_link_covers_type_and_length_and_no_checksum() {
        let (key, media_type) = ("uploads/a.ogg".parse().unwrap(), "audio/ogg; codecs=opus".parse().unwrap());
        let link = bucket().upload_link(&key, &media_type, 1_234, Duration::from_mins(15)).await.unwrap();
        assert_eq!(
            parameter(&link.url, "X-Amz-SignedHeaders").unwrap(),
            "content-length;content-type;host;if-none-match"
        );
        assert_eq!(parameter(&link.url, "X-Amz-Expires").unwrap(), "900");
        let checksums: Vec<_> = link.url.split('&').filter(|part| part.to_lowercase().contains("checksum")).collect();
        assert!(checksums.is_empty(), "the content of the file is not known yet: {checksums:?}");
        let mut headers = link.headers;
        headers.sort();
        let expected = [("content-length", "1234"), ("content-type", "audio/ogg; codecs=opus"), ("if-none-match", "*")];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[tokio::test]
    async fn download_link_encodes_every_key() {
        for (key, path) in [
            ("uploads/a.jpg", "/uploads/a.jpg"),
            ("größe/ü b+c.pdf", "/gr%C3%B6%C3%9Fe/%C3%BC%20b%2Bc.pdf"),
            ("a?b#c%2F.pdf", "/a%3Fb%23c%252F.pdf"),
        ] {
            let url = bucket().download_link(&key.parse().unwrap(), Duration::from_mins(10)).await.unwrap();
            assert_eq!(Url::parse(&url).unwrap().path(), path);
            assert_eq!(parameter(&url, "X-Amz-SignedHeaders").unwrap(), "host");
        }
    }

    #[tokio::test]
    async fn link_for_longer_than_seven_days_is_an_error() {
        let week = Duration::from_hours(7 * 24);
        let key = "a.jpg".parse().unwrap();
        assert!(bucket().download_link(&key, week).await.is_ok());
        assert!(bucket().download_link(&key, week + Duration::from_secs(1)).await.is_err());
    }
}
