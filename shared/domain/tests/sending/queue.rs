//! A queue of SQS, with the functions that Lambda runs for it.

use std::collections::VecDeque;

/// A message: it names a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: usize,
    pub(crate) hops: u8,
}

/// `BatchSize` in `template.yaml`.
pub(crate) const BATCH: usize = 10;

/// SQS keeps the order of messages only roughly: it delivers any of as many of the oldest.
const DISORDER: usize = 100;

/// The queue of a lane. Delayed messages are events of the simulation, and are put here when their time has come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    visible: VecDeque<Message>,
    /// How many functions work on messages of this queue, or are about to receive some.
    pub(crate) running: usize,
    pub(crate) receives: u64,
    in_flight: usize,
    pub(crate) most_in_flight: usize,
}

impl Queue {
    pub(crate) fn put(&mut self, message: Message) {
        self.visible.push_back(message);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.visible.is_empty()
    }

    pub(crate) fn receive(&mut self, random: &mut fastrand::Rng) -> Vec<Message> {
        let count = self.visible.len().min(BATCH);
        let batch = (0..count).filter_map(|_| {
            let any = random.usize(..self.visible.len().min(DISORDER));
            self.visible.swap_remove_front(any)
        });
        let batch: Vec<_> = batch.collect();
        self.receives += batch.len() as u64;
        self.in_flight += batch.len();
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        batch
    }

    /// The messages of a batch are deleted, or come again.
    pub(crate) fn settle(&mut self, batch: usize) {
        self.in_flight -= batch;
        self.running -= 1;
    }
}
