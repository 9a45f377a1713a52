//! `--debug`: a line on the standard error for each request to AWS and to Twilio. It has no header, no body and no value of a
//! parameter, because these are secrets, message bodies and phone numbers.

use std::{fmt, time::Instant};

use aws_smithy_http_client::{
    ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use twilio_client::CallRecord;

use crate::terminal;

/// The header that names the operation in AWS's JSON protocols, as in `DynamoDB_20120810.GetItem`.
const TARGET: &str = "x-amz-target";
/// The parameter of the body that names the operation in AWS's query protocol.
const ACTION: &str = "Action";
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// The HTTP client that the SDK uses by default, with a line for each request.
pub fn aws_http_client() -> SharedHttpClient {
    http_client_fn(|settings, components| {
        let mut builder = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        builder.set_connector_settings(Some(settings.clone()));
        builder.set_sleep_impl(components.sleep_impl());
        builder.set_proxy_config(Some(ProxyConfig::from_env()));
        SharedHttpConnector::new(LoggedConnector(SharedHttpConnector::new(builder.build())))
    })
}

#[derive(Debug)]
struct LoggedConnector(SharedHttpConnector);

impl HttpConnector for LoggedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut call = ObservedCall::of_aws(&request);
        let (began, answer) = (Instant::now(), self.0.call(request));
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            call.milliseconds = began.elapsed().as_millis();
            if let Ok(answer) = &answer {
                call.status = Some(answer.status().as_u16());
                let ids = REQUEST_IDS.iter().find_map(|name| answer.headers().get(*name));
                call.request_id = ids.map(str::to_owned);
            }
            terminal::note(&call.to_string());
            answer
        })
    }
}

/// Prints a call of the Twilio client.
pub fn print_twilio_call(record: &CallRecord<'_>) {
    let call = ObservedCall {
        method: record.method.to_owned(),
        url: without_values(record.url),
        operation: None,
        status: record.status,
        milliseconds: record.duration.as_millis(),
        request_id: record.request_id.map(str::to_owned),
    };
    terminal::note(&call.to_string());
}

struct ObservedCall {
    method: String,
    /// Without the values of the query.
    url: String,
    operation: Option<String>,
    /// None if there was no answer.
    status: Option<u16>,
    milliseconds: u128,
    request_id: Option<String>,
}

impl ObservedCall {
    fn of_aws(request: &HttpRequest) -> Self {
        let target = request.headers().get(TARGET).map(str::to_owned);
        let action = || {
            let mut pairs = form_urlencoded::parse(request.body().bytes().unwrap_or_default());
            pairs.find(|(name, _)| name == ACTION).map(|(_, action)| action.into_owned())
        };
        Self {
            method: request.method().to_owned(),
            url: without_values(request.uri()),
            operation: target.or_else(action),
            status: None,
            milliseconds: 0,
            request_id: None,
        }
    }
}

impl fmt::Display for ObservedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "debug: {} {}", self.method, self.url)?;
        if let Some(operation) = &self.operation {
            write!(f, " {operation}")?;
        }
        match self.status {
            Some(status) => write!(f, ": {status}")?,
            None => f.write_str(": no answer")?,
        }
        write!(f, " in {} ms", self.milliseconds)?;
        match &self.request_id {
            Some(id) => write!(f, ", request id {id}"),
            None => Ok(()),
        }
    }
}

/// The URL with the names of its query alone: the values may be phone numbers or signatures.
fn without_values(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let names: Vec<_> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    format!("{path}?{}", names.join("&"))
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    #[test]
    fn a_line_names_the_operation_and_no_value() {
        let mut request = HttpRequest::new("Action=DescribeStacks&StackName=secret".into());
        request.set_method("POST").unwrap();
        request.set_uri("https://cloudformation.us-east-1.amazonaws.com/?X-Amz-Signature=abc").unwrap();
        let mut call = ObservedCall::of_aws(&request);
        let line = "debug: POST https://cloudformation.us-east-1.amazonaws.com/?X-Amz-Signature DescribeStacks";
        assert_eq!(call.to_string(), format!("{line}: no answer in 0 ms"));
        call.status = Some(200);
        call.request_id = Some("r-1".to_owned());
        assert_eq!(call.to_string(), format!("{line}: 200 in 0 ms, request id r-1"));
        request.headers_mut().insert(TARGET, "DynamoDB_20120810.GetItem");
        assert!(ObservedCall::of_aws(&request).to_string().contains(" DynamoDB_20120810.GetItem: "));
    }
}
