//! Media links on a domain, which the emulator's CloudFront serves at a port of this machine.

use anyhow::{Context as _, Result};
use aws_sdk_secretsmanager::Client;
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::media_domain::LinkKeyPair;

use crate::stack::Stack;

/// A key pair for media links, and the port at which the distribution is served.
#[derive(Debug)]
pub(crate) struct LocalMediaDomain {
    port: u16,
    keys: LinkKeyPair,
}

impl LocalMediaDomain {
    /// With a new key pair.
    pub(crate) fn at_port(port: u16) -> Result<Self> {
        Ok(Self { port, keys: LinkKeyPair::generate()? })
    }

    /// The template's parameters in SAM's form.
    pub(crate) fn parameters(&self) -> Result<Vec<String>> {
        Ok(vec![base_url_parameter(self.port), format!("MediaPublicKeyA={}", self.keys.public_key_parameter()?)])
    }

    /// Puts the private key into the stack's secret, as `wa media-key use` does.
    pub(crate) async fn put_key(&self, stack: &Stack) -> Result<()> {
        let outputs = &stack.outputs;
        let secret = outputs.media_key_secret_arn.as_deref().context("the stack has no secret for media keys")?;
        let key = outputs.media_key_pair_id_a.as_deref().context("the stack has no public key for media links")?;
        let private_key = self.keys.private_key()?;
        let content = json!({"signing": {"key_pair_id": key, "private_key": private_key.expose_secret()}});
        let put = Client::new(&stack.aws()).put_secret_value().secret_id(secret).secret_string(content.to_string());
        put.send().await.context("cannot put the private key of media links into its secret")?;
        Ok(())
    }
}

/// The parameter with the base URL of media links at a port of this machine.
pub(crate) fn base_url_parameter(port: u16) -> String {
    format!("MediaBaseUrl=http://127.0.0.1:{port}")
}
