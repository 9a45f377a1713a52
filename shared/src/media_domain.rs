//! Media links on a domain of the operator, which a CloudFront distribution serves from the media bucket.
//!
//! A link is a signed URL with a canned policy. The policy is a JSON text with the URL and the time until which it is valid; the link
//! has this time, a signature of the policy, the id of the public key and the name of the hash. CloudFront builds the same text
//! from the request, and verifies the signature with the public key of this id, if it is in the distribution's key group. Source:
//! Amazon CloudFront, "Create a signed URL using a canned policy".
//!
//! The private key is in a secret, which `wa media-key` writes. As long as the secret names no key, links lead to S3: so
//! an operator can prepare the domain, and then change to it and to another key without a deployment.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use domain::media::MediaKey;
use jiff::Timestamp;
use twilio_types::base_url::BaseUrl;

use crate::{
    env,
    media_path::url_path,
    secrets::{AgedSecret, SecretsError},
    start::StartError,
};

mod key;
mod key_pair;

pub use key::{DomainLinkKey, DomainLinkKeys, SigningFailed};
pub use key_pair::{KeyPairError, LinkKeyPair};

/// The domain, and the secret with its keys.
#[derive(Debug)]
pub struct MediaDomain {
    base_url: BaseUrl,
    keys: AgedSecret<DomainLinkKeys>,
}

/// What links are signed with at this moment.
#[derive(Debug, Clone)]
pub struct DomainSigner {
    base_url: BaseUrl,
    key: Arc<DomainLinkKey>,
}

impl MediaDomain {
    /// Reads `MEDIA_BASE_URL`, `MEDIA_KEY_SECRET_ID` and the secret. None if no domain is configured.
    pub async fn from_env(config: &SdkConfig) -> Result<Option<Self>, StartError> {
        let Some(base_url) = env::optional_parsed("MEDIA_BASE_URL")? else { return Ok(None) };
        let secret_id = env::required("MEDIA_KEY_SECRET_ID")?;
        let max_age = env::optional_parsed("SECRET_MAX_AGE_SECONDS")?.unwrap_or_default();
        let keys = AgedSecret::load(Client::new(config), secret_id, max_age).await?;
        Ok(Some(Self::new(base_url, keys)))
    }

    pub fn new(base_url: BaseUrl, keys: AgedSecret<DomainLinkKeys>) -> Self {
        Self { base_url, keys }
    }

    /// The signer of links. None as long as the secret names no key.
    pub async fn signer(&self) -> Result<Option<DomainSigner>, SecretsError> {
        Ok(self.signer_with(&*self.keys.current().await?))
    }

    /// The signer after a link was refused. None if there is no newer one.
    pub async fn replaced_signer(&self, refused: &DomainSigner) -> Result<Option<DomainSigner>, SecretsError> {
        let reread = self.keys.reread().await?;
        let signer = reread.and_then(|keys| self.signer_with(&keys));
        Ok(signer.filter(|signer| signer.key.key_pair_id() != refused.key.key_pair_id()))
    }

    fn signer_with(&self, keys: &DomainLinkKeys) -> Option<DomainSigner> {
        keys.signing.as_ref().map(|key| DomainSigner { base_url: self.base_url.clone(), key: Arc::clone(key) })
    }
}

impl DomainSigner {
    pub fn new(base_url: BaseUrl, key: Arc<DomainLinkKey>) -> Self {
        Self { base_url, key }
    }

    /// A link that gives the file, and its headers, until a time.
    pub fn link(&self, file: &MediaKey, until: Timestamp) -> Result<String, SigningFailed> {
        let url = self.base_url.join(&format!("/{}", url_path(file)));
        let expires = until.as_second();
        let signature = self.key.sign(canned_policy(&url, expires).as_bytes())?;
        let key_pair_id = self.key.key_pair_id();
        Ok(format!("{url}?Expires={expires}&Signature={signature}&Key-Pair-Id={key_pair_id}&Hash-Algorithm=SHA256"))
    }
}

/// The text that is signed. It must be written exactly so, without spaces, because CloudFront builds it again from the request.
/// No character of a URL has to be escaped in JSON.
fn canned_policy(url: &str, expires: i64) -> String {
    format!(r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#)
}

#[cfg(test)]
mod tests;
