//! The function `release`, as `functions/release` has it.

use domain::{
    token_bucket::SECOND,
    waiting::{Handover, RELEASE_AHEAD, release},
};

use crate::{
    queue::Message,
    simulation::{Due, Event, Simulation, timestamp},
};

/// Notifications that are put on their queues together, with their times as the index had them.
pub(crate) type Portion = Vec<(i64, usize)>;

const PORTION: usize = 50;

/// The function is invoked every minute, and begins nothing new after 45 seconds (`functions/release/src/lib.rs`).
const EVERY: i64 = 60 * SECOND;
const RUN: i64 = 45 * SECOND;

/// A fifth of what `docs/benchmarks.md` computes.
const PORTIONS_PER_SECOND: i64 = 60;

const SHARDS: usize = 32;

impl Simulation {
    /// Reads the index shard by shard. What does not fit into the run is due in the next one.
    pub(crate) fn release_run(&mut self) {
        self.after(EVERY, Event::ReleaseRun);
        let before = self.now + i64::try_from(RELEASE_AHEAD.as_micros()).unwrap();
        let mut shards = vec![Portion::new(); SHARDS];
        for (due_at, id) in self.by_due.range(..(before, 0)) {
            shards[id % SHARDS].push((*due_at, *id));
        }
        let mut portions: Vec<_> = shards.iter().flat_map(|due| due.chunks(PORTION).enumerate()).collect();
        portions.sort_by_key(|(page, _)| *page);
        let portions: Vec<_> = portions.into_iter().map(|(_, portion)| portion.to_vec()).collect();
        for (number, portion) in (0..RUN * PORTIONS_PER_SECOND / SECOND).zip(portions) {
            self.after(number * SECOND / PORTIONS_PER_SECOND, Event::Release(portion));
        }
    }

    pub(crate) fn release(&mut self, portion: &Portion) {
        for (due_at, id) in portion {
            let Handover { due_at: again, delay } = release(timestamp(*due_at), timestamp(self.now));
            let delay = i64::try_from(delay.unwrap().as_micros()).unwrap() + self.latency();
            self.after(delay, Event::Visible(Message { id: *id, hops: 0 }));
            if let Some(due) = self.notifications[*id].due.filter(|due| due.at == *due_at) {
                self.set_due(*id, Some(Due { at: again.as_microsecond(), ..due }));
            }
        }
    }
}
