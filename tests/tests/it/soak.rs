//! Processes of `inbound`, `status` and `send` work for a long time without a restart, while requests to DynamoDB and SQS fail at
//! random, and Twilio fails too: nothing is lost, no notification is sent twice, nothing is sent after a STOP, the events of a
//! person are in order, and no process grows.
//!
//! `make test` runs it for a minute, `make soak` for half an hour. `SOAK_MINUTES` is its length, and `SOAK_SEED` repeats the random
//! choices of an earlier run, as far as requests come in the same order.

mod memory;
mod receiving;
mod sending;

use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;
use futures::future::try_join_all;
use tests::harness::outages::RandomFaults;

use self::memory::Memory;
use crate::{
    support::{number_from_env, queue_of_the_test},
    world::World,
};

/// Of a hundred requests. The SDK tries a request three times, so few operations fail for good.
const FAULTS_OF_HUNDRED: u8 = 15;
/// Each with its own processes.
const SENDING: u64 = 2;
const RECEIVING: u64 = 2;

/// What all lanes share.
struct Soak {
    world: World,
    queue_url: String,
    begin: Instant,
    length: Duration,
}

/// What a lane did.
#[derive(Debug, Default)]
struct Done {
    /// Messages of people, statuses and notifications.
    handled: usize,
    /// Requests that failed.
    faults: usize,
    memories: Vec<Memory>,
}

impl Soak {
    fn is_over(&self) -> bool {
        self.begin.elapsed() > self.length
    }

    /// The share of the time that is over.
    fn share(&self) -> f64 {
        self.begin.elapsed().as_secs_f64() / self.length.as_secs_f64()
    }
}

fn faults(rng: &mut Rng) -> RandomFaults {
    RandomFaults::new(rng.u64(..), FAULTS_OF_HUNDRED)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_under_faults_lose_nothing_and_do_not_grow() {
    let minutes: u64 = number_from_env("SOAK_MINUTES", 1);
    let seed = number_from_env("SOAK_SEED", fastrand::u64(..));
    println!("SOAK_SEED={seed} SOAK_MINUTES={minutes}");
    let done = soak(minutes, seed).await.unwrap_or_else(|error| panic!("SOAK_SEED={seed}: {error:#}"));
    for (lane, Done { handled, faults, memories }) in done.iter().enumerate() {
        println!("lane {lane}: {handled} handled, {faults} requests failed");
        for memory in memories {
            println!("{memory}");
            memory.assert_is_flat(minutes);
        }
    }
    assert!(done.iter().all(|lane| lane.handled > 0 && lane.faults > 0), "a lane did nothing, or met no fault");
}

async fn soak(minutes: u64, seed: u64) -> Result<Vec<Done>> {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let soak = Soak { world, queue_url, begin: Instant::now(), length: Duration::from_mins(minutes) };
    let rng = |lane| Rng::with_seed(seed.wrapping_add(lane));
    let sending = (0..SENDING).map(|lane| sending::lane(&soak, rng(lane)));
    let receiving = (0..RECEIVING).map(|lane| receiving::lane(&soak, rng(SENDING + lane)));
    let (sent, received) = futures::future::try_join(try_join_all(sending), try_join_all(receiving)).await?;
    Ok(sent.into_iter().chain(received).collect())
}
