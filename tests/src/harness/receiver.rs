//! A function behind a webhook, or the one that applies spooled webhooks, as a process with a [`Wire`].

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aws_sdk_sqs::types::Message;
use axum::body::Bytes;
use serde_json::{Value, json};
use stack::{Stack, run::AUTH_TOKEN};
use twilio_webhook::{form::Form, signature::sign};

use super::{
    bootstrap,
    function::FunctionProcess,
    outages::Outages,
    wire::{KillPoint, Wire},
};

/// The base URL that the process verifies signatures for.
const BASE_URL: &str = "https://wa.example.com";

/// The process of a function.
#[derive(Debug)]
pub struct Receiver {
    /// The wire between the process and AWS.
    pub wire: Wire,
    function: FunctionProcess,
}

/// What Twilio receives.
#[derive(Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u64,
    /// The body; empty if there is none.
    pub body: String,
    /// How long it took.
    pub after: Duration,
}

impl Receiver {
    /// Starts the process of a function by its folder and its logical id, behind a wire that may be armed. `different` has the
    /// environment variables that differ from the deployed function's.
    pub async fn start(
        wire: Wire,
        stack: &Stack,
        (function, logical_id): (&str, &str),
        different: &[(&str, &str)],
    ) -> Result<Self> {
        let mut environments = stack.function_environments();
        let environment = environments.get_mut(logical_id).context("no such function")?;
        let variables = environment.as_object_mut().context("an environment is an object")?;
        let ours = [("AWS_ENDPOINT_URL", wire.aws_url.as_str()), ("TENANTS_TABLE", &stack.outputs.tenants_table_name)];
        for (name, value) in ours.iter().chain(different) {
            variables.insert((*name).to_owned(), (*value).into());
        }
        let function = FunctionProcess::start(&bootstrap(function), &[], environment).await?;
        Ok(Self { wire, function })
    }

    /// Posts a form as Twilio does.
    pub async fn post(&mut self, path_and_query: &str, parameters: &[(&str, &str)]) -> Result<Answered> {
        let begin = Instant::now();
        let answer = self.function.invoke(&event(path_and_query, parameters)).await?;
        let status = answer.get("statusCode").and_then(Value::as_u64);
        Ok(Answered {
            status: status.with_context(|| format!("expected an HTTP answer, not {answer}"))?,
            body: answer.get("body").and_then(Value::as_str).unwrap_or_default().to_owned(),
            after: begin.elapsed(),
        })
    }

    /// The process's resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        self.function.resident()
    }

    /// Posts a form, and kills the process at a moment, so that Twilio receives nothing.
    pub async fn post_and_kill(
        mut self,
        path_and_query: &str,
        parameters: &[(&str, &str)],
        at: KillPoint,
        outages: Outages,
    ) -> Result<()> {
        self.wire.arm_to_kill_while_failing(self.function.pid()?, at, outages)?;
        let event = event(path_and_query, parameters);
        tokio::select! {
            moment = self.wire.killed() => drop(moment?),
            answer = self.function.runtime.invoke(&event) => anyhow::bail!("answered with {answer:?}"),
        }
        self.function.kill().await?;
        self.wire.settled().await
    }

    /// Delivers messages of a queue, and returns the ids of those to deliver again.
    pub async fn deliver(&mut self, messages: &[Message]) -> Result<Vec<String>> {
        let record = |message: &Message| {
            json!({
                "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
                "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": "",
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:under-test",
                "awsRegion": "us-east-1",
            })
        };
        let event = json!({"Records": messages.iter().map(record).collect::<Vec<_>>()}).to_string().into();
        let answer = self.function.invoke(&event).await?;
        let failures = answer.get("batchItemFailures").and_then(Value::as_array);
        let failures = failures.with_context(|| format!("expected a batch's answer, not {answer}"))?;
        Ok(failures.iter().filter_map(|failure| Some(failure.get("itemIdentifier")?.as_str()?.to_owned())).collect())
    }
}

/// An event of API Gateway with a signed form.
fn event(path_and_query: &str, parameters: &[(&str, &str)]) -> Bytes {
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign(&AUTH_TOKEN.into(), &format!("{BASE_URL}{path_and_query}"), &form);
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": query,
        "headers": {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature},
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": format!("POST {path}"), "stage": "$default", "timeEpoch": 0,
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "TwilioProxy/1.1"},
        },
        "body": form.encode(), "isBase64Encoded": false,
    })
    .to_string()
    .into()
}
