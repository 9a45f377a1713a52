//! Measures the rate limiter alone, at rates that the emulator cannot sustain for whole functions: workers reserve slots as
//! the send function does and create a message in each slot.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use domain::token_bucket::{RateLimit, Reservation};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::json;
use stack::{Stack, run::ACCOUNT_SID};
use stores::rate_limits::{BucketKey, RateLimits, ReservationOutcome};

use super::{
    milliseconds,
    notifications::{BATCH, people},
    pace::{CONCURRENT, report},
    table::ReportTable,
    twilio::{BenchSandbox, CreateResponse},
};

/// Microseconds: how far ahead the send function reserves slots for urgent notifications.
const HORIZON: i64 = 5_000_000;

/// Runs workers concurrently at this rate limit, which the sandbox has too.
pub async fn pace(stack: &Stack, table: &mut ReportTable, per_second: u32, messages: usize) -> Result<()> {
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": per_second})).await?;
    let sending = Sending::new(&twilio, per_second, messages)?;
    sending.run(stack).await?;
    let name = format!("{CONCURRENT} takers of times at {per_second} a second");
    report(table, &name, &twilio.rates().await?, per_second, messages)?;
    let latest = Duration::from_micros(u64::try_from(sending.state().latest).unwrap_or_default());
    table.add(&format!("{name}, latest answer after its time"), milliseconds(latest), "ms", None);
    Ok(())
}

/// Twilio accepts half of the configured rate: the rate limiter slows down, and all messages are sent in the end.
pub async fn adaptation(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let (pace, limit, messages) = (80, 40, 1_000);
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": limit, "on_excess": "refuse"})).await?;
    let sending = Sending::new(&twilio, pace, messages)?;
    sending.run(stack).await?;
    let (rates, name) = (twilio.rates().await?, format!("pace of {pace}, of which Twilio takes {limit}"));
    table.count(&format!("{name}: went out of {messages}"), rates.messages.into(), u64::try_from(messages)?);
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
    waiting: Vec<String>,
    refused: u32,
    /// Microseconds: the longest time from a message's slot to the response of its creation.
    latest: i64,
}

impl<'a> Sending<'a> {
    fn new(twilio: &'a BenchSandbox, per_second: u32, messages: usize) -> Result<Self> {
        Ok(Self {
            twilio,
            key: BucketKey::of_sender(&ACCOUNT_SID.parse()?, &format!("bench at {}", twilio.url)),
            pace: RateLimit::new(per_second, 1)?,
            state: Mutex::new(SendingState { waiting: people(messages).collect(), refused: 0, latest: 0 }),
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

    /// Sends batches until no message is left. The worker that got a refusal sends the message again, so that no worker ends
    /// too early.
    async fn work(&self, limits: &RateLimits) -> Result<()> {
        loop {
            let batch = self.receive();
            if batch.is_empty() {
                return Ok(());
            }
            let now = Timestamp::now();
            match limits.reserve(&self.key, self.pace, batch.len(), HORIZON, now).await? {
                ReservationOutcome::NotBefore(at) => {
                    self.give_back(batch);
                    until(at).await;
                }
                ReservationOutcome::Reserved(slots) => self.send(limits, batch, slots, now).await?,
            }
        }
    }

    async fn send(
        &self,
        limits: &RateLimits,
        mut batch: Vec<String>,
        slots: Reservation,
        reserved_at: Timestamp,
    ) -> Result<()> {
        self.give_back(batch.split_off(slots.count.min(batch.len())));
        let sent = batch.into_iter().enumerate().map(async |(index, person)| {
            let at = slots.at(index);
            until(at).await;
            let answer = self.twilio.create(&format!("whatsapp:{person}")).await?;
            self.note_answer_to(at);
            if answer == CreateResponse::Refused {
                self.state().refused += 1;
                self.give_back(vec![person]);
                limits.throttle(&self.key, self.pace, reserved_at, Timestamp::now()).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(sent).await?;
        Ok(())
    }

    fn note_answer_to(&self, at: i64) {
        let mut state = self.state();
        state.latest = state.latest.max(Timestamp::now().as_microsecond() - at);
    }

    fn receive(&self) -> Vec<String> {
        let mut state = self.state();
        let rest = state.waiting.len().saturating_sub(BATCH);
        state.waiting.split_off(rest)
    }

    fn give_back(&self, people: Vec<String>) {
        self.state().waiting.extend(people);
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
