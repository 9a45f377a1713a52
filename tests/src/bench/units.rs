//! Measures the capacity units of a sent message and of an inbound message, through the deployed functions.
//!
//! A message counts until its events are on the events queue, so that everything that follows from it is included. What the
//! tables look like does not matter here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::Message;
use jiff::{SignedDuration, Timestamp};
use sandbox::ORDER_UPDATE_SID;
use serde_json::{Value, json};
use stack::{
    Stack,
    signed::{UnsignedRequest, signed},
};
use tokio::time::{Instant, sleep};

use super::{
    notifications::{capped_people, people},
    table::{Limit, ReportTable},
};
use crate::harness::capacity::{Consumed, consumed, difference};

const MESSAGES: u32 = 40;
const STATUSES: [&str; 4] = ["queued", "sent", "delivered", "read"];
const DEADLINE: Duration = Duration::from_mins(3);
/// Functions have nothing left to write when the counters have not changed for this long.
const QUIET: Duration = Duration::from_secs(3);
/// Run by the clock and not for a message.
const NOT_COUNTED: [&str; 3] = ["ReconcileFunction", "ReleaseFunction", "TemplateSyncFunction"];

/// The most units of a message.
#[derive(Clone, Copy)]
struct UnitLimits {
    write: f64,
    read: f64,
}

const SENT: UnitLimits = UnitLimits { write: 20.0, read: 12.0 };
const RECEIVED: UnitLimits = UnitLimits { write: 6.0, read: 2.0 };

/// Measures both directions, for people of whom nothing is stored and for people of whom much is.
pub async fn units(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let bench = Bench { stack, sqs: aws_sdk_sqs::Client::new(&stack.aws()), http: reqwest::Client::new() };
    // The functions' first requests are not those of a message.
    let warming: Vec<_> = people(1).collect();
    bench.send(&warming, short_notification).await?;
    bench.receive(&warming).await?;
    let people: Vec<_> = people(MESSAGES as usize).collect();
    let counters = bench.measure(bench.send(&people, short_notification)).await?;
    report(table, "sent message with four callbacks", &counters, Some(SENT));
    let counters = bench.measure(bench.receive(&people)).await?;
    report(table, "first inbound message of a person", &counters, None);
    let counters = bench.measure(bench.receive(&people)).await?;
    report(table, "inbound message of a known person", &counters, Some(RECEIVED));
    let requests = requests(&counters, "InboundFunction", "Messages");
    table.count("inbound messages of known people: requests", requests, MESSAGES.into());
    let counters = bench.measure(bench.send(&people, ordinary_notification)).await?;
    report(table, "sent message of 450 bytes with four callbacks, to a known person", &counters, Some(SENT));
    let counters = bench.measure(bench.send(&people, long_notification)).await?;
    report(table, "sent message of 650 bytes with four callbacks, to a known person", &counters, Some(SENT));
    marketing(&bench, table).await
}

/// Marketing to people who have consented, who have a user id beside their number, and for whom a cap counts.
async fn marketing(bench: &Bench<'_>, table: &mut ReportTable) -> Result<()> {
    let people: Vec<_> = capped_people(MESSAGES as usize).collect();
    bench.receive(&people).await?;
    for person in &people {
        bench.consent(person).await?;
    }
    let send = bench.send(&people, |to| notification(to, "marketing", &[]));
    let counters = bench.measure(send).await?;
    report(table, "sent marketing of 450 bytes with four callbacks, with consent and cap", &counters, Some(SENT));
    Ok(())
}

fn short_notification(to: &str) -> Value {
    json!({
        "id": format!("order-{}", uuid::Uuid::new_v4().simple()), "to": to, "category": "utility",
        "content": {"type": "template", "content_sid": ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}},
        "metadata": {"order": "18473"},
    })
}

/// A notification as long as those of a shop, with what its events are to have.
fn ordinary_notification(to: &str) -> Value {
    notification(to, "utility", &[])
}

/// A notification whose item is larger than one kilobyte.
fn long_notification(to: &str) -> Value {
    notification(to, "utility", &["trace", "session", "batch", "tenant"])
}

fn notification(to: &str, category: &str, more_metadata: &[&str]) -> Value {
    let number = uuid::Uuid::new_v4().as_u128() % 1_000_000_000;
    let metadata = [
        ("order", "2026-11-18473"),
        ("customer", "C-0048213"),
        ("source", "warehouse-north"),
        ("campaign", "shipping-updates"),
    ];
    let metadata = metadata.map(|(name, value)| (name, value.to_owned()));
    let more = more_metadata.iter().map(|name| (*name, uuid::Uuid::new_v4().to_string()));
    let metadata: BTreeMap<_, _> = metadata.into_iter().chain(more).collect();
    json!({
        "id": format!("order-2026-{number:09}-shipped"), "to": to, "category": category,
        "content": {
            "type": "template", "content_sid": ORDER_UPDATE_SID,
            "variables": {"1": "Ava Marie", "2": "2026-11-18473, which comes on Friday from 9 to 12"},
        },
        "expires_at": Timestamp::now() + SignedDuration::from_hours(24), "metadata": metadata,
    })
}

fn report(table: &mut ReportTable, what: &str, counters: &[Consumed], limits: Option<UnitLimits>) {
    let mut groups = BTreeMap::<_, (f64, f64)>::new();
    for counter in counters {
        let function = counter.function().unwrap_or_default();
        let place = format!("{} of {}", counter.operation, short(counter.index.as_ref().unwrap_or(&counter.table)));
        for group in [String::new(), format!(", {function}"), format!(", {function}, {place}")] {
            let (write, read) = groups.entry(group).or_default();
            *write += counter.write;
            *read += counter.read;
        }
    }
    for (group, (write, read)) in groups {
        let limits = limits.filter(|_| group.is_empty());
        let (write_limit, read_limit) = limits.map(|limits| (limits.write, limits.read)).unzip();
        for (kind, units, limit) in [("write", write, write_limit), ("read", read, read_limit)] {
            if units > 0.0 {
                let name = format!("{what}{group}: {kind} units");
                table.add(&name, units / f64::from(MESSAGES), "units", limit.map(Limit::AtMost));
            }
        }
    }
}

/// How many requests a function made that wrote to this table.
fn requests(counters: &[Consumed], function: &str, table: &str) -> u64 {
    let to_table = |counter: &&Consumed| {
        counter.function() == Some(function) && counter.write > 0.0 && short(&counter.table).starts_with(table)
    };
    counters.iter().filter(to_table).map(|counter| counter.requests).sum()
}

/// A table's logical id, or an index's name.
fn short(name: &str) -> &str {
    name.split('-').find(|part| part.ends_with("Table")).unwrap_or(name)
}

struct Bench<'a> {
    stack: &'a Stack,
    sqs: aws_sdk_sqs::Client,
    http: reqwest::Client,
}

impl Bench<'_> {
    /// What the functions consumed for some work and for everything that followed from it.
    async fn measure(&self, work: impl Future<Output = Result<()>>) -> Result<Vec<Consumed>> {
        let before = self.quiet().await?;
        work.await?;
        Ok(difference(&before, &self.quiet().await?))
    }

    /// The functions' counters as soon as they do not change any more.
    async fn quiet(&self) -> Result<Vec<Consumed>> {
        let end = Instant::now() + DEADLINE;
        let mut last = self.of_functions().await?;
        loop {
            sleep(QUIET).await;
            let now = self.of_functions().await?;
            if now == last {
                return Ok(now);
            }
            ensure!(Instant::now() < end, "the functions do not stop to use the tables");
            last = now;
        }
    }

    async fn of_functions(&self) -> Result<Vec<Consumed>> {
        let mut counters = consumed(self.stack).await?;
        counters.retain(|counter| counter.function().is_some_and(|function| !NOT_COUNTED.contains(&function)));
        Ok(counters)
    }

    /// Sends a message to each person, and waits until all its statuses are published.
    async fn send(&self, people: &[String], notification: fn(&str) -> Value) -> Result<()> {
        let mut awaited = BTreeSet::new();
        for to in people {
            let notification = notification(to);
            let id = notification.get("id").and_then(Value::as_str).unwrap_or_default();
            awaited.extend(STATUSES.map(|status| format!("{id} {status}")));
            let queue = &self.stack.outputs.outbound_queue_url;
            self.sqs.send_message().queue_url(queue).message_body(notification.to_string()).send().await?;
        }
        self.published(awaited, |event| {
            Some(format!("{} {}", event.get("notification_id")?.as_str()?, event.get("status")?.as_str()?))
        })
        .await
    }

    /// A person consents to marketing.
    async fn consent(&self, person: &str) -> Result<()> {
        let url = format!("{}/contacts/{}/consent", self.stack.api_url, person.replace('+', "%2B"));
        let consent = json!({
            "category": "marketing", "at": Timestamp::now(), "source": "checkout-form",
            "text": "I agree to offers by WhatsApp.",
        });
        let body = consent.to_string();
        let request = UnsignedRequest { service: "execute-api", method: "PUT", url: &url, body: &body };
        let request = signed(&self.http, &self.stack.administrator.credentials(), request, self.stack.clock.now())?;
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Each person writes a message. Waits until all are published.
    async fn receive(&self, people: &[String]) -> Result<()> {
        let mut awaited = BTreeSet::new();
        for person in people {
            let message = json!({"from": format!("whatsapp:{person}"), "body": "Where is my order?"});
            let url = format!("{}/sandbox/inbound", self.stack.sandbox_url);
            let answer: Value = self.http.post(url).json(&message).send().await?.error_for_status()?.json().await?;
            let sid =
                answer.get("message_sid").and_then(Value::as_str).context("the sandbox's answer has no message_sid")?;
            awaited.insert(sid.to_owned());
        }
        self.published(awaited, |event| Some(event.get("message_sid")?.as_str()?.to_owned())).await
    }

    /// Waits until an event with each of these names is on the events queue.
    async fn published(&self, mut awaited: BTreeSet<String>, name: fn(&Value) -> Option<String>) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        while !awaited.is_empty() {
            let missing = awaited.len();
            ensure!(Instant::now() < end, "{missing} not published within {DEADLINE:?}: {:?}", awaited.first());
            let queue = &self.stack.outputs.events_queue_url;
            let receive = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(1);
            for message in receive.send().await?.messages() {
                let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
                if let Some(name) = name(&event) {
                    awaited.remove(&name);
                }
                self.delete(message).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, message: &Message) -> Result<()> {
        let delete = self.sqs.delete_message().queue_url(&self.stack.outputs.events_queue_url);
        delete.receipt_handle(message.receipt_handle().unwrap_or_default()).send().await?;
        Ok(())
    }
}
