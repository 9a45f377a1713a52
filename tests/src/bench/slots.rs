//! The pacing alone, at rates that the emulator cannot carry whole functions at: times are taken as the send function
//! takes them, and messages are created at these times with nothing else done about them.

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

/// How far ahead the send function takes times for what is urgent, in microseconds.
const HORIZON: i64 = 5_000_000;

/// Takers side by side at a pace, with Twilio's limit the same.
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

/// Twilio takes half of what the pace says: less is asked for, and everything goes out in the end.
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

/// Messages that several takers send out of one bucket.
struct Sending<'a> {
    twilio: &'a BenchSandbox,
    key: BucketKey,
    pace: RateLimit,
    state: Mutex<SendingState>,
}

struct SendingState {
    waiting: Vec<String>,
    refused: u32,
    /// The longest from a message's time to its creation's answer, in microseconds.
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
        let takers = (0..CONCURRENT).map(async |_| {
            // Each has what a function has of its own: its connections, and what it remembers of the bucket.
            let client = aws_sdk_dynamodb::Client::new(&stack.aws());
            self.take(&RateLimits::new(client, stack.outputs.rate_limits_table_name.clone())).await
        });
        try_join_all(takers).await?;
        Ok(())
    }

    /// Sends batches until nothing is left. What is refused is this taker's to send, so that none ends too early.
    async fn take(&self, limits: &RateLimits) -> Result<()> {
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
        taken: Timestamp,
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
                limits.throttle(&self.key, self.pace, taken, Timestamp::now()).await?;
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
