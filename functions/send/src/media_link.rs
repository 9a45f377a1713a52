//! Links to files in the media bucket that go out inside messages.
//!
//! Signed by hand with `aws-sigv4`, without the S3 client, which would be a fifth of the send function's binary. The
//! presign function's links are the client's own, and an end-to-end test fetches by both.

use std::{error::Error, time::SystemTime};

use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode, sign},
    sign::v4,
};
use domain::{limits::SENT_MEDIA_LINK, media::MediaKey};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Makes links. They last as long as its credentials do, at most six hours.
#[derive(Debug, Clone)]
pub(crate) struct MediaLinks {
    /// Where the bucket is, with a slash at the end.
    bucket_url: String,
    region: String,
    credentials: Credentials,
}

/// A link cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("a media link cannot be signed")]
pub(crate) struct MediaLinkError(#[source] Box<dyn Error + Send + Sync>);

/// What a path keeps as it is. Source: AWS, "Create a signed AWS API request", `UriEncode`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl MediaLinks {
    /// Links to the bucket at its own host: AWS's, whose suffix differs between partitions.
    pub(crate) fn at_domain(domain: &str, region: String, credentials: Credentials) -> Self {
        Self { bucket_url: format!("https://{domain}/"), region, credentials }
    }

    /// Links to the bucket behind an endpoint that serves buckets by path, as emulators do.
    pub(crate) fn at_endpoint(endpoint: &str, bucket: &str, region: String, credentials: Credentials) -> Self {
        Self { bucket_url: format!("{}/{bucket}/", endpoint.trim_end_matches('/')), region, credentials }
    }

    /// A link that gives the file for six hours.
    pub(crate) fn link(&self, key: &MediaKey, now: SystemTime) -> Result<String, MediaLinkError> {
        let mut url = format!("{}{}", self.bucket_url, utf8_percent_encode(key.as_str(), PATH));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(SENT_MEDIA_LINK.unsigned_abs());
        // S3 signs paths as they are: neither encoded twice nor without their empty segments.
        settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| MediaLinkError(error.into()))?
            .into();
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::UnsignedPayload)
            .map_err(|error| MediaLinkError(error.into()))?;
        let (instructions, _) = sign(request, &parameters).map_err(|error| MediaLinkError(error.into()))?.into_parts();
        let mut separator = '?';
        for (name, value) in instructions.params() {
            url.extend([separator.to_string(), (*name).to_owned(), "=".to_owned()]);
            url.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            separator = '&';
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_s3::{config::Region, presigning::PresigningConfig};

    use super::*;

    /// The client's own link is the measure: the same but for what it adds for itself.
    #[tokio::test]
    async fn a_link_is_the_one_that_the_s3_client_makes() {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
        let links =
            MediaLinks::at_domain("media.s3.eu-west-1.amazonaws.com", "eu-west-1".to_owned(), credentials.clone());
        let client = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(credentials.clone())
            .build();
        let client = aws_sdk_s3::Client::from_conf(client);
        let now = SystemTime::from(jiff::Timestamp::from_second(1_795_165_200).unwrap());
        for key in ["uploads/a.jpg", "größe/ü b+c.pdf", "a?b#c%2F=&.pdf"] {
            let ours = links.link(&key.parse().unwrap(), now).unwrap();
            let presigning = PresigningConfig::builder().start_time(now).expires_in(Duration::from_hours(6));
            let theirs =
                client.get_object().bucket("media").key(key).presigned(presigning.build().unwrap()).await.unwrap();
            let place = |url: &str| url.split_once('?').unwrap().0.to_owned();
            assert_eq!(place(&ours), place(theirs.uri()), "{key}");
            let names = |url: &str| {
                let url = url::Url::parse(url).unwrap();
                let mut names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
                names.retain(|name| name.starts_with("X-Amz-"));
                names.sort();
                names
            };
            assert_eq!(names(&ours), names(theirs.uri()), "{key}");
        }
    }

    #[test]
    fn links_lead_to_the_domain_or_to_a_path_of_the_endpoint() {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
        let region = "cn-north-1".to_owned();
        let china = MediaLinks::at_domain("media.s3.cn-north-1.amazonaws.com.cn", region.clone(), credentials.clone());
        let emulator = MediaLinks::at_endpoint("http://127.0.0.1:4566/", "media", region, credentials);
        for (links, expected) in [
            (china, "https://media.s3.cn-north-1.amazonaws.com.cn/a.jpg?"),
            (emulator, "http://127.0.0.1:4566/media/a.jpg?"),
        ] {
            let link = links.link(&"a.jpg".parse().unwrap(), SystemTime::now()).unwrap();
            assert!(link.starts_with(expected), "{link}");
            assert!(!format!("{links:?}").contains("not-a-secret"));
        }
    }
}
