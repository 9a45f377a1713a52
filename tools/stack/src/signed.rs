//! Signed requests to AWS, for calls that are in none of the SDK crates that this package uses.

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
    /// The service's name in signatures, such as `lambda`.
    pub service: &'a str,
    /// The HTTP method, such as `GET`.
    pub method: &'a str,
    /// The URL, with scheme and host.
    pub url: &'a str,
    /// The body, which may be empty.
    pub body: &'a str,
}

/// Signs a request at the time `now`. Source: AWS, "AWS Signature Version 4 for API requests".
pub fn signed(
    http: &reqwest::Client,
    credentials: &Credentials,
    request: UnsignedRequest<'_>,
    now: SystemTime,
) -> Result<reqwest::RequestBuilder> {
    let UnsignedRequest { service, method, url, body } = request;
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder().identity(&identity).region(REGION).name(service);
    let parameters = parameters.time(now).settings(SigningSettings::default()).build()?.into();
    let signable = SignableRequest::new(method, url, std::iter::empty(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let request = http.request(method.parse()?, url).body(body.to_owned());
    Ok(instructions.headers().fold(request, |request, (name, value)| request.header(name, value)))
}
