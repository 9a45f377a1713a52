//! Measures the rate limiter alone, at rates that the emulator cannot sustain for whole functions: workers reserve slots as
//! the send function does, create a message in each slot, and let a message without a slot wait for its planned time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use domain::{
    lane::Lane,
    planning::Arrival,
    token_bucket::{RateLimit, SECOND},
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::json;
use stack::{Stack, run::ACCOUNT_SID};
use stores::rate_limits::{BucketKey, RateLimits, SendTime};

use super::{
    milliseconds,
    notifications::{BATCH, people},
    pace::{CONCURRENT, report},
    table::ReportTable,
    twilio::{BenchSandbox, CreateResponse},
};

/// Runs workers concurrently at this rate limit, which the sandbox has too.
pub async fn pace(stack: &Stack, table: &mut ReportTable, per_second: u32, messages: usize) -> Result<()> {
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": per_second})).await?;
    let sending = Sending::new(&twilio, per_second, messages)?;
    sending.run(stack).await?;
    let name = format!("{CONCURRENT} workers that only reserve slots, at {per_second} a second");
    report(table, &name, &twilio.rates().await?, per_second, messages)?;
    let latest = Duration::from_micros(u64::try_from(sending.state().latest).unwrap_or_default());
    table.add(&format!("{name}, latest answer after its slot"), milliseconds(latest), "ms", None);
    table.add(&format!("{name}, planned times"), f64::from(sending.state().plans), "plans", None);
    Ok(())
}

/// Twilio accepts half of the configured rate: the rate limiter slows down, and all messages are sent in the end.
pub async fn adaptation(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let (pace, limit, messages) = (80, 40, 1_000);
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": limit, "on_excess": "refuse"})).await?;
    let sending = Sending::new(&twilio, pace, messages)?;
    sending.run(stack).await?;
    let (rates, name) = (twilio.rates().await?, format!("rate of {pace}, of which Twilio accepts {limit}"));
    table.count(&format!("{name}: sent of {messages}"), rates.messages.into(), u64::try_from(messages)?);
    table.add(&format!("{name}: refused"), f64::from(sending.state().refused), "messages", None);
    table.add(&format!("{name}: average"), rates.average(), "messages a second", None);
    Ok(())
}

/// Messages that several workers send with one token bucket.
struct Sending<'a> {
    twilio: &'a BenchSandbox,
    key: BucketKey,
    pace: RateLimit,
    state: Mutex<SendingState>,
}

struct SendingState {
    waiting: Vec<Waiting>,
    /// Messages that a worker has received.
    in_flight: usize,
    refused: u32,
    plans: u32,
    /// Microseconds: the longest time from a message's slot to the response of its creation.
    latest: i64,
}

/// A message that is not sent yet.
struct Waiting {
    person: String,
    /// When it comes, in microseconds since 1970.
    from: i64,
    planned: Option<i64>,
}

impl<'a> Sending<'a> {
    fn new(twilio: &'a BenchSandbox, per_second: u32, messages: usize) -> Result<Self> {
        let waiting = people(messages).map(|person| Waiting { person, from: 0, planned: None }).collect();
        Ok(Self {
            twilio,
            key: BucketKey::of_sender(&ACCOUNT_SID.parse()?, &format!("bench at {}", twilio.url)),
            pace: RateLimit::new(per_second, 1)?,
            state: Mutex::new(SendingState { waiting, in_flight: 0, refused: 0, plans: 0, latest: 0 }),
        })
    }

    async fn run(&self, stack: &Stack) -> Result<()> {
        let workers = (0..CONCURRENT).map(async |_| {
            // Each worker has separate connections and a separate cache of the bucket, as a function has.
            let client = aws_sdk_dynamodb::Client::new(&stack.aws());
            self.work(&RateLimits::new(client, stack.outputs.rate_limits_table_name.clone())).await
        });
        try_join_all(workers).await?;
        Ok(())
    }

    /// Sends batches until no message is left.
    async fn work(&self, limits: &RateLimits) -> Result<()> {
        while let Some(batch) = self.receive() {
            if batch.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let count = batch.len();
            let now = Timestamp::now();
            let is_planned = |message: &Waiting| Arrival::at(message.planned, now.as_microsecond()) == Arrival::Planned;
            let (planned, unplanned): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_planned);
            self.send(limits, planned, Arrival::Planned).await?;
            self.send(limits, unplanned, Arrival::Unplanned).await?;
            self.state().in_flight -= count;
        }
        Ok(())
    }

    async fn send(&self, limits: &RateLimits, batch: Vec<Waiting>, arrival: Arrival) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let now = Timestamp::now();
        let lane = Lane::Standard;
        let times = limits.reserve_or_plan(&self.key, self.pace, lane, arrival, batch.len(), now).await?;
        let sent = batch.into_iter().zip(times).map(async |(Waiting { person, .. }, time)| match time {
            SendTime::Planned(at) => {
                self.state().plans += 1;
                self.wait(person, at);
                Ok(())
            }
            SendTime::Slot(slot) => {
                until(slot).await;
                let answer = self.twilio.create(&format!("whatsapp:{person}")).await?;
                self.note_answer_to(slot);
                if answer == CreateResponse::Refused {
                    self.state().refused += 1;
                    self.state().waiting.push(Waiting { person, from: 0, planned: None });
                    limits.throttle(&self.key, self.pace, now, Timestamp::now()).await?;
                }
                anyhow::Ok(())
            }
        });
        try_join_all(sent).await?;
        Ok(())
    }

    /// SQS delays by whole seconds.
    fn wait(&self, person: String, planned: i64) {
        let now = Timestamp::now().as_microsecond();
        let from = now + (planned - now).max(0) / SECOND * SECOND;
        self.state().waiting.push(Waiting { person, from, planned: Some(planned) });
    }

    fn note_answer_to(&self, at: i64) {
        let mut state = self.state();
        state.latest = state.latest.max(Timestamp::now().as_microsecond() - at);
    }

    /// A batch of the messages whose time has come, which may be empty; none if all are sent.
    fn receive(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        if state.waiting.is_empty() && state.in_flight == 0 {
            return None;
        }
        let now = Timestamp::now().as_microsecond();
        let batch: Vec<_> = state.waiting.extract_if(.., |message| message.from <= now).take(BATCH).collect();
        state.in_flight += batch.len();
        Some(batch)
    }

    fn state(&self) -> MutexGuard<'_, SendingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a time in microseconds since 1970.
async fn until(at: i64) {
    let ahead = at.saturating_sub(Timestamp::now().as_microsecond());
    tokio::time::sleep(Duration::from_micros(u64::try_from(ahead).unwrap_or_default())).await;
}
