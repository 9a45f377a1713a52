//! The benchmarks: `make bench`. Prints a table, and fails where a limit is missed.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use serde_json::{Value, json};
use shared::{form::Form, signature::sign};
use tests::{
    Stack,
    bench::{counter::Counter, function::Function},
    run::{ACCOUNT_SID, AUTH_TOKEN},
};

const STARTS: usize = 20;
const INVOCATIONS: u32 = 2_000;
const BASE_URL: &str = "https://wa.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let stack = Stack::from_env()?;
    let mut table = Table::default();
    sizes(&mut table)?;
    signature(&mut table)?;
    writes(&stack, &mut table).await?;
    let inbound = measure(&stack, &bootstrap("inbound"), &[], "InboundFunction").await?;
    inbound.report(&mut table, "inbound", Some(&Limits { start: 8.0, first: 3.0, cpu: 0.35, resident: 12.0 }));
    measure(&stack, &bootstrap("status"), &[], "StatusFunction").await?.report(&mut table, "status", None);
    if let Some((python, handler)) = python() {
        let python = measure(&stack, &python, &[&handler], "InboundFunction").await?;
        python.report(&mut table, "the same in Python", None);
        table.add("inbound, CPU: Python's to ours", python.cpu / inbound.cpu, "times", None);
        table.add("inbound, start: Python's to ours", python.start / inbound.start, "times", None);
    }
    std::io::stdout().write_all(table.text.as_bytes())?;
    Ok(if table.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn bootstrap(function: &str) -> PathBuf {
    root().join("target/lambda").join(function).join("bootstrap")
}

/// The same job with Twilio's library and boto3, where `make bench` has installed them.
fn python() -> Option<(PathBuf, String)> {
    let python = root().join(".tools/bench/bin/python");
    let handler = root().join("tests/bench/inbound.py");
    python.exists().then(|| (python, handler.display().to_string()))
}

fn sizes(table: &mut Table) -> Result<()> {
    for function in ["inbound", "status", "send", "presign", "contacts", "publish"] {
        let bytes = fs::metadata(bootstrap(function)).context("no release binary: `make bench` builds it")?.len();
        table.add(&format!("{function}, size of bootstrap"), megabytes(bytes), "MB", Some(6.5));
    }
    Ok(())
}

/// The check alone, in a program that is built as the functions are.
fn signature(table: &mut Table) -> Result<()> {
    let output = std::process::Command::new(bootstrap("signature")).output().context("no signature benchmark")?;
    let microseconds = String::from_utf8(output.stdout)?.trim().parse()?;
    table.add("signature check of a form with 17 parameters", microseconds, "us", Some(5.0));
    Ok(())
}

/// Durable writes per webhook, counted between the function and the emulator.
async fn writes(stack: &Stack, table: &mut Table) -> Result<()> {
    let counter = Counter::start(&stack.aws_endpoint).await?;
    let environments = stack.function_environments();
    let mut count = async |name: &str, function: &str, events: [Bytes; 2]| -> Result<()> {
        let mut environment = environments.get(function).cloned().unwrap_or_default();
        if let Some(variables) = environment.as_object_mut() {
            variables.insert("AWS_ENDPOINT_URL".to_owned(), counter.url.clone().into());
        }
        let binary = bootstrap(function.trim_end_matches("Function").to_lowercase().as_str());
        let mut function = Function::start(&binary, &[], &environment).await?;
        for (event, what) in events.iter().zip(["", ", its duplicate"]) {
            let before = counter.count();
            let (_, answer) = function.runtime.invoke(event).await?;
            ensure!(answer.get("statusCode").and_then(Value::as_i64).is_some_and(|code| code < 300), "{answer}");
            table.count(&format!("{name}{what}: requests to DynamoDB"), counter.count() - before, 1);
        }
        Ok(())
    };
    let twice = |event: Bytes| [event.clone(), event];
    count("inbound message", "InboundFunction", twice(inbound_event("Where is my order?"))).await?;
    count("first STOP", "InboundFunction", twice(inbound_event("STOP"))).await?;
    count("status", "StatusFunction", twice(status_event())).await
}

/// What a function takes of time and memory.
struct Measured {
    start: f64,
    first: f64,
    median: f64,
    cpu: f64,
    resident: f64,
}

struct Limits {
    start: f64,
    first: f64,
    cpu: f64,
    resident: f64,
}

async fn measure(stack: &Stack, program: &Path, arguments: &[&str], name: &str) -> Result<Measured> {
    let environments = stack.function_environments();
    let environment = environments.get(name).context("no such function")?;
    let event = || if name == "StatusFunction" { status_event() } else { inbound_event("Where is my order?") };
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut function = Function::start(program, arguments, environment).await?;
        starts.push(function.start);
        firsts.push(function.runtime.invoke(&event()).await?.0);
    }
    let mut function = Function::start(program, arguments, environment).await?;
    let mut times = Vec::new();
    for _ in 0..50 {
        function.runtime.invoke(&event()).await?;
    }
    let before = function.cpu()?;
    for _ in 0..INVOCATIONS {
        times.push(function.runtime.invoke(&event()).await?.0);
    }
    let cpu = function.cpu()?.saturating_sub(before) / INVOCATIONS;
    Ok(Measured {
        start: milliseconds(median(starts)),
        first: milliseconds(median(firsts)),
        median: milliseconds(median(times)),
        cpu: milliseconds(cpu),
        resident: megabytes(function.resident()?),
    })
}

impl Measured {
    fn report(&self, table: &mut Table, name: &str, limits: Option<&Limits>) {
        let limit = |of: fn(&Limits) -> f64| limits.map(of);
        table.add(&format!("{name}, exec to first request for work"), self.start, "ms", limit(|l| l.start));
        let later = self.first - self.median;
        table.add(&format!("{name}, first invocation over the median"), later, "ms", limit(|l| l.first));
        table.add(&format!("{name}, median invocation, emulator included"), self.median, "ms", None);
        table.add(&format!("{name}, CPU per warm invocation"), self.cpu, "ms", limit(|l| l.cpu));
        table.add(&format!("{name}, resident memory"), self.resident, "MB", limit(|l| l.resident));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// As Lambda counts them: its limit of 250 MB is 262,144,000 bytes (AWS Lambda, "Lambda quotas").
#[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn inbound_event(body: &str) -> Bytes {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let number = format!("+1415{:07}", uuid::Uuid::new_v4().as_u128() % 10_000_000);
    let from = format!("whatsapp:{number}");
    let parameters = [
        ("SmsMessageSid", sid.as_str()),
        ("NumMedia", "0"),
        ("ProfileName", "Ava"),
        ("MessageType", "text"),
        ("SmsSid", &sid),
        ("WaId", number.trim_start_matches('+')),
        ("SmsStatus", "received"),
        ("Body", body),
        ("To", "whatsapp:+14155238886"),
        ("NumSegments", "1"),
        ("ReferralNumMedia", "0"),
        ("MessageSid", &sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", &from),
        ("ApiVersion", "2010-04-01"),
        ("Forwarded", "false"),
        ("FrequentlyForwarded", "false"),
    ];
    webhook_event("/twilio/inbound", &parameters)
}

fn status_event() -> Bytes {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let parameters = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("MessageStatus", "sent"),
        ("To", "whatsapp:+14155550123"),
    ];
    webhook_event("/twilio/status", &parameters)
}

fn webhook_event(path: &str, parameters: &[(&str, &str)]) -> Bytes {
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign(&AUTH_TOKEN.into(), &format!("{BASE_URL}{path}"), &form);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let event = json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature},
        "requestContext": {
            "domainName": "wa.example.com", "http": {"method": "POST", "path": path}, "stage": "$default",
        },
        "body": body, "isBase64Encoded": false,
    });
    Bytes::from(event.to_string())
}

/// A Markdown table.
struct Table {
    text: String,
    missed: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { text: "| what | measured | limit |\n|---|---|---|\n".to_owned(), missed: 0 }
    }
}

impl Table {
    fn add(&mut self, what: &str, measured: f64, unit: &str, limit: Option<f64>) {
        let missed = limit.is_some_and(|limit| measured > limit);
        self.row(what, &format!("{measured:.2} {unit}"), limit.map(|limit| format!("{limit} {unit}")), missed);
    }

    fn count(&mut self, what: &str, measured: u64, limit: u64) {
        self.row(what, &measured.to_string(), Some(limit.to_string()), measured != limit);
    }

    fn row(&mut self, what: &str, measured: &str, limit: Option<String>, missed: bool) {
        self.missed += usize::from(missed);
        let mark = if missed { " **missed**" } else { "" };
        let row = format!("| {what} | {measured}{mark} | {} |\n", limit.unwrap_or_default());
        self.text.push_str(&row);
    }
}
