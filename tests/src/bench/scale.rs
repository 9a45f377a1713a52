//! Measures whether a webhook and a sent message cost the same with 1, 10 and 100 times as many stored items, and with 1, 10 and 100
//! tenants, on copies of the tables.

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use stack::{
    Stack,
    run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN},
};
use stores::tenants::{ApplyOutcome, TenantsTable};

use super::{
    billed::{self, WebhookWork},
    counter::Counter,
    milliseconds,
    notifications::{BATCH, event, failures, notifications, people},
    send,
    table::{Limit, ReportTable},
    tables::BenchTables,
    twilio::BenchSandbox,
    webhook_events::{WrittenMessage, status_event_of},
};
use crate::harness::{
    bootstrap,
    capacity::{Consumed, difference},
    function::FunctionProcess,
};

/// How many items the tables of messages, people and notifications have.
const STORED: [usize; 3] = [1_000, 10_000, 100_000];
/// How many accounts the tenants document names.
const TENANTS: [usize; 3] = [1, 10, 100];
/// Those who write are known, whatever else is stored.
const PEOPLE: usize = 100;
const WEBHOOKS: usize = 300;
const BATCHES: usize = 20;
/// Batches that open connections, and store the notifications that the others repeat.
const WARMING: usize = 5;

/// A number may grow by a tenth: functions read some items by their age, and not for each message.
const FLAT: f64 = 1.1;

/// Measures both.
pub async fn scale(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let mut costs = Vec::new();
    for stored in STORED {
        costs.push(measure(stack, stored, 1).await?);
    }
    report_first(table, &costs);
    if let Some([inbound, status, sent]) = costs.first() {
        billed::report(table, inbound.work(), status.work(), sent.cpu);
    }
    report(table, "with 100 times the items", &costs);
    let mut costs = Vec::new();
    for tenants in TENANTS {
        costs.push(measure(stack, 0, tenants).await?);
    }
    report(table, "with 100 tenants", &costs);
    Ok(())
}

/// What one webhook or one sent message costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    requests: f64,
    write: f64,
    read: f64,
    /// Milliseconds.
    cpu: f64,
}

impl Cost {
    fn work(&self) -> WebhookWork {
        WebhookWork { cpu: self.cpu, requests: self.requests }
    }
}

/// What is measured, in this order.
const NAMES: [&str; 3] = ["inbound message", "status callback", "sent message"];

/// Measures with this number of stored items, and of tenants.
async fn measure(stack: &Stack, stored: usize, tenants: usize) -> Result<[Cost; 3]> {
    let accounts: Vec<_> = (0..tenants).map(|number| format!("AC{:032x}", 0xb000 + number)).collect();
    let bench = Bench::start(stack, &accounts).await?;
    let people: Vec<_> = people(PEOPLE).collect();
    let mut messages = people.iter().cycle().zip(accounts.iter().cycle());
    let mut message = || {
        let (person, account) = messages.next()?;
        Some(WrittenMessage::of(person, "Where is my order?").sent_to(account).event())
    };
    let mut inbound = bench.function("inbound", "InboundFunction").await?;
    // As many as there are pairs of a person and an account.
    bench.webhooks(&mut inbound, PEOPLE, &mut message).await?;
    let mut callbacks = accounts.iter().cycle();
    let mut callback = || callbacks.next().map(|account| status_event_of(account));
    let mut status = bench.function("status", "StatusFunction").await?;
    bench.webhooks(&mut status, WARMING, &mut callback).await?;
    let mut send = bench.function("send", "SendFunction").await?;
    bench.send(&mut send, WARMING).await?;
    if stored > 0 {
        for variable in ["MESSAGES_TABLE", "CONTACTS_TABLE", "NOTIFICATIONS_TABLE"] {
            bench.tables.fill(variable, stored).await?;
        }
    }
    Ok([
        bench.webhooks(&mut inbound, WEBHOOKS, &mut message).await?,
        bench.webhooks(&mut status, WEBHOOKS, &mut callback).await?,
        bench.send(&mut send, BATCHES).await?,
    ])
}

/// What all measurements of one scale have in common.
struct Bench<'a> {
    stack: &'a Stack,
    tables: BenchTables,
    requests: Counter,
    twilio: BenchSandbox,
    /// The name of the secret with the accounts.
    secret: String,
}

impl<'a> Bench<'a> {
    async fn start(stack: &'a Stack, accounts: &[String]) -> Result<Self> {
        let tables = BenchTables::create(stack).await?;
        let tenants = TenantsTable::new(tables.client.clone(), tables.name("TENANTS_TABLE")?.to_owned());
        let named: Map<_, _> =
            accounts.iter().map(|account| (account.clone(), json!({"name": format!("Shop {account}")}))).collect();
        let document = json!({"format": 1, "accounts": named}).to_string();
        let applied = tenants.apply(None, &document, Some("the benchmark"), Timestamp::now()).await?;
        ensure!(matches!(applied, ApplyOutcome::Applied(_)), "the document was not applied: {applied:?}");
        Ok(Self {
            stack,
            tables,
            requests: Counter::of_dynamodb(&stack.aws_endpoint).await?,
            twilio: BenchSandbox::start().await?,
            secret: create_secret(stack, accounts).await?,
        })
    }

    /// Starts a function's process.
    async fn function(&self, name: &str, logical_id: &str) -> Result<FunctionProcess> {
        let mut environment = if name == "send" {
            send::environment(self.stack, &self.requests.url, &self.twilio.url, 80)?
        } else {
            self.stack.function_environments().get(logical_id).cloned().context("no such function")?
        };
        self.tables.set(&mut environment)?;
        let variables = environment.as_object_mut().context("an environment is an object")?;
        variables.extend([
            ("AWS_ENDPOINT_URL".to_owned(), json!(self.requests.url)),
            ("TWILIO_SECRET_ID".to_owned(), json!(self.secret)),
        ]);
        FunctionProcess::start(&bootstrap(name), &[], &environment).await
    }

    /// What each of some webhooks costs.
    async fn webhooks(
        &self,
        function: &mut FunctionProcess,
        count: usize,
        event: &mut impl FnMut() -> Option<Bytes>,
    ) -> Result<Cost> {
        let before = self.meter().await?;
        let mut cpu = 0.0;
        for _ in 0..count {
            let measured = function.invoke_and_measure(&event().context("events do not end")?).await?;
            let status = measured.answer.get("statusCode").and_then(Json::as_u64);
            ensure!(status.is_some_and(|status| status < 300), "{}", measured.answer);
            cpu += milliseconds(measured.cpu);
        }
        self.since(&before, cpu, count).await
    }

    /// What each message of some batches costs, to people who have had no message before.
    async fn send(&self, function: &mut FunctionProcess, batches: usize) -> Result<Cost> {
        let before = self.meter().await?;
        let mut cpu = 0.0;
        for _ in 0..batches {
            let batch = notifications(BATCH);
            let measured = function.invoke_and_measure(&event(&batch, &self.stack.outputs.outbound_queue_url)).await?;
            ensure!(measured.answer.get("batchItemFailures").is_some(), "{}", measured.answer);
            ensure!(failures(&measured.answer).is_empty(), "{}", measured.answer);
            cpu += milliseconds(measured.cpu);
        }
        self.since(&before, cpu, batches * BATCH).await
    }

    async fn meter(&self) -> Result<(u64, Vec<Consumed>)> {
        Ok((self.requests.count(), self.tables.consumed(self.stack).await?))
    }

    async fn since(&self, before: &(u64, Vec<Consumed>), cpu: f64, count: usize) -> Result<Cost> {
        let (requests, consumed) = self.meter().await?;
        let (count, of_scale) = (f64::from(u32::try_from(count)?), difference(&before.1, &consumed));
        Ok(Cost {
            requests: f64::from(u32::try_from(requests - before.0)?) / count,
            write: of_scale.iter().map(|counter| counter.write).sum::<f64>() / count,
            read: of_scale.iter().map(|counter| counter.read).sum::<f64>() / count,
            cpu: cpu / count,
        })
    }
}

/// A secret with the keys of all accounts, and those of the default account, which sends.
async fn create_secret(stack: &Stack, accounts: &[String]) -> Result<String> {
    let keys = accounts.iter().map(|account| (account.clone(), json!({"auth_tokens": [AUTH_TOKEN]})));
    let mut keys: Map<_, _> = keys.collect();
    let of_default = json!({"auth_tokens": [AUTH_TOKEN], "api_key_sid": API_KEY_SID, "api_key_secret": API_KEY_SECRET});
    keys.insert(ACCOUNT_SID.to_owned(), of_default);
    let name = format!("bench-{}", uuid::Uuid::new_v4().simple());
    let create = aws_sdk_secretsmanager::Client::new(&stack.aws()).create_secret().name(&name);
    create.secret_string(json!({"accounts": keys}).to_string()).send().await?;
    Ok(name)
}

/// A number of a cost, by its name and its unit, and how much it may grow.
type Value<'a> = (&'a str, &'a str, Option<f64>, fn(&Cost) -> f64);

const VALUES: [Value<'_>; 4] = [
    ("requests to DynamoDB", "requests", Some(FLAT), |cost| cost.requests),
    ("write units", "units", Some(FLAT), |cost| cost.write),
    ("read units", "units", Some(FLAT), |cost| cost.read),
    ("CPU", "ms", None, |cost| cost.cpu),
];

/// Adds what each kind costs at the smallest scale.
fn report_first(table: &mut ReportTable, costs: &[[Cost; 3]]) {
    for (name, cost) in NAMES.iter().zip(costs.iter().next().into_iter().flatten()) {
        for (what, unit, _, value) in VALUES {
            table.add(&format!("{name}, {what} with 1,000 stored"), value(cost), unit, None);
        }
    }
}

/// Adds how much more each kind costs at the largest scale, as a multiple of what it costs at the smallest one.
fn report(table: &mut ReportTable, scale: &str, costs: &[[Cost; 3]]) {
    for (place, name) in NAMES.iter().enumerate() {
        let of_kind: Vec<_> = costs.iter().filter_map(|costs| costs.get(place)).collect();
        for (what, _, limit, value) in VALUES {
            let (first, last) = (of_kind.first().map(|cost| value(cost)), of_kind.last().map(|cost| value(cost)));
            if let (Some(first), Some(last)) = (first, last)
                && first > 0.0
            {
                table.add(&format!("{name}, {what} {scale}"), last / first, "times", limit.map(Limit::AtMost));
            }
        }
    }
}
