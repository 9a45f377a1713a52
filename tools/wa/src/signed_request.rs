//! Requests to AWS that no SDK client makes: to the stack's own API, and a few that would need a large client.

use std::{error::Error, time::SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_types::SdkConfig;

/// A request before it is signed.
pub(crate) struct UnsignedCall<'a> {
    /// The service's name in signatures, such as `lambda`.
    pub(crate) service: &'static str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) body: &'a str,
}

/// The headers that sign a request. Source: AWS, "AWS Signature Version 4 for API requests".
pub(crate) async fn signature(
    config: &SdkConfig,
    request: UnsignedCall<'_>,
) -> Result<Vec<(String, String)>, Box<dyn Error + Send + Sync>> {
    let UnsignedCall { service, method, url, body } = request;
    let provider = config.credentials_provider().ok_or("there are no AWS credentials")?;
    let identity = provider.provide_credentials().await?.into();
    let region = config.region().map_or("us-east-1", |region| region.as_ref());
    let parameters = v4::SigningParams::builder().identity(&identity).region(region).name(service);
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
    let request = SignableRequest::new(method, url, std::iter::empty(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(request, &parameters)?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
