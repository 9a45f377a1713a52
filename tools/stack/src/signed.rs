//! Requests to AWS with its signature, for calls that none of the SDKs used here makes.

use std::time::SystemTime;

use anyhow::Result;
use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};

use crate::stack::REGION;

/// A request before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct UnsignedRequest<'a> {
    /// The service by its name in signatures, as in `lambda`.
    pub service: &'a str,
    /// GET and the like.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The body.
    pub body: &'a str,
}

/// Signs a request. Source: AWS, "AWS Signature Version 4 for API requests".
pub fn signed(
    http: &reqwest::Client,
    credentials: &Credentials,
    request: UnsignedRequest<'_>,
) -> Result<reqwest::RequestBuilder> {
    let UnsignedRequest { service, method, url, body } = request;
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder().identity(&identity).region(REGION).name(service);
    let parameters = parameters.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
    let signable = SignableRequest::new(method, url, std::iter::empty(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let request = http.request(method.parse()?, url).body(body.to_owned());
    Ok(instructions.headers().fold(request, |request, (name, value)| request.header(name, value)))
}
