//! Presigned URLs of files in the media bucket.
//!
//! Signed by hand with `aws-sigv4`, without the S3 client, which would be a fifth of the send function's binary. The
//! presign function's links are the client's own, and an end-to-end test fetches by both.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode, sign},
    sign::v4,
};
use domain::media::MediaKey;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::media_path::url_path;

use crate::media_signer::LinkKey;

/// The media bucket.
#[derive(Debug, Clone)]
pub(crate) struct MediaBucket {
    /// Where it is, with a slash at the end.
    url: String,
    region: String,
}

/// A URL cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("a media link cannot be signed")]
pub(crate) struct MediaLinkError(#[source] Box<dyn Error + Send + Sync>);

/// How long the URL is valid with which the function itself looks at a file.
const LOOK: Duration = Duration::from_mins(1);

impl MediaBucket {
    /// The bucket at its own host: AWS's, whose suffix differs between partitions.
    pub(crate) fn at_domain(domain: &str, region: String) -> Self {
        Self { url: format!("https://{domain}/"), region }
    }

    /// The bucket behind an endpoint that serves buckets by path, as emulators do.
    pub(crate) fn at_endpoint(endpoint: &str, bucket: &str, region: String) -> Self {
        Self { url: format!("{}/{bucket}/", endpoint.trim_end_matches('/')), region }
    }

    /// A link that gives the file. S3 answers 403 to any other method than GET, because the signature covers it (Amazon S3,
    /// "Download and upload objects with presigned URLs").
    pub(crate) fn link(&self, file: &MediaKey, key: &LinkKey, now: SystemTime) -> Result<String, MediaLinkError> {
        self.presigned("GET", file, &key.credentials, key.lasts, now)
    }

    /// A URL that gives the headers of the file.
    pub(crate) fn head_url(
        &self,
        file: &MediaKey,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<String, MediaLinkError> {
        self.presigned("HEAD", file, credentials, LOOK, now)
    }

    fn presigned(
        &self,
        method: &str,
        file: &MediaKey,
        credentials: &Credentials,
        lasts: Duration,
        now: SystemTime,
    ) -> Result<String, MediaLinkError> {
        let mut url = format!("{}{}", self.url, url_path(file));
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lasts);
        // S3 signs paths as they are: neither encoded twice nor without their empty segments.
        settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| MediaLinkError(error.into()))?
            .into();
        let request = SignableRequest::new(method, &url, std::iter::empty(), SignableBody::UnsignedPayload)
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
    use aws_sdk_s3::{config::Region, presigning::PresigningConfig};

    use super::*;

    const KEYS: [&str; 3] = ["uploads/a.jpg", "größe/ü b+c.pdf", "a?b#c%2F=&.pdf"];

    fn key(session_token: Option<&str>) -> LinkKey {
        let token = session_token.map(str::to_owned);
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", token, None, "test");
        LinkKey { credentials, lasts: Duration::from_mins(52) }
    }

    /// The place and the parameters of a link by the S3 client.
    async fn link_of_the_client(file: &str, key: &LinkKey, now: SystemTime) -> String {
        let client = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(key.credentials.clone())
            .build();
        let client = aws_sdk_s3::Client::from_conf(client);
        let presigning = PresigningConfig::builder().start_time(now).expires_in(key.lasts).build().unwrap();
        let link = client.get_object().bucket("media").key(file).presigned(presigning).await.unwrap();
        link.uri().to_owned()
    }

    /// The client's own link is the measure: the same but for what it adds for itself.
    #[tokio::test]
    async fn a_link_is_the_one_that_the_s3_client_makes() {
        let bucket = MediaBucket::at_domain("media.s3.eu-west-1.amazonaws.com", "eu-west-1".to_owned());
        let now = SystemTime::from(jiff::Timestamp::from_second(1_795_165_200).unwrap());
        for (file, token) in
            KEYS.into_iter().flat_map(|file| [None, Some("a+session/token==")].map(|token| (file, token)))
        {
            let key = key(token);
            let ours = bucket.link(&file.parse().unwrap(), &key, now).unwrap();
            let theirs = link_of_the_client(file, &key, now).await;
            let place = |url: &str| url.split_once('?').unwrap().0.to_owned();
            assert_eq!(place(&ours), place(&theirs), "{file}");
            let parameters = |url: &str| {
                let url = url::Url::parse(url).unwrap();
                let all = url.query_pairs().filter(|(name, _)| name.starts_with("X-Amz-"));
                let values =
                    all.filter(|(name, _)| name != "X-Amz-Signature").map(|(name, value)| format!("{name}={value}"));
                let mut values: Vec<_> = values.collect();
                values.sort();
                values
            };
            assert_eq!(parameters(&ours), parameters(&theirs), "{file}");
            assert!(parameters(&ours).contains(&"X-Amz-Expires=3120".to_owned()));
        }
    }

    #[test]
    fn another_method_has_another_signature() {
        let bucket = MediaBucket::at_domain("media.s3.eu-west-1.amazonaws.com", "eu-west-1".to_owned());
        let (file, now) = ("a.jpg".parse().unwrap(), SystemTime::now());
        let key = LinkKey { lasts: LOOK, ..key(None) };
        let [get, head] =
            [bucket.link(&file, &key, now), bucket.head_url(&file, &key.credentials, now)].map(Result::unwrap);
        let split = |url: String| {
            url.rsplit_once('=').map(|(rest, signature)| (rest.to_owned(), signature.to_owned())).unwrap()
        };
        let ((get, get_signature), (head, head_signature)) = (split(get), split(head));
        assert_eq!(get, head);
        assert_ne!(get_signature, head_signature);
    }

    #[test]
    fn links_lead_to_the_domain_or_to_a_path_of_the_endpoint() {
        let region = "cn-north-1".to_owned();
        let china = MediaBucket::at_domain("media.s3.cn-north-1.amazonaws.com.cn", region.clone());
        let emulator = MediaBucket::at_endpoint("http://127.0.0.1:4566/", "media", region);
        for (bucket, expected) in [
            (china, "https://media.s3.cn-north-1.amazonaws.com.cn/a.jpg?"),
            (emulator, "http://127.0.0.1:4566/media/a.jpg?"),
        ] {
            let link = bucket.link(&"a.jpg".parse().unwrap(), &key(None), SystemTime::now()).unwrap();
            assert!(link.starts_with(expected), "{link}");
            assert!(!link.contains("not-a-secret"));
        }
    }
}
