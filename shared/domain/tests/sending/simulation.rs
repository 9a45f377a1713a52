//! The world in simulated time: what happens when, and how long it takes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
};

use domain::{
    lane::Lane,
    token_bucket::{RateLimit, SECOND},
    waiting::{Handover, WaitReason, hand_over},
};
use jiff::Timestamp;

use crate::{
    queue::{Message, Queue},
    release::Portion,
    send::{Draft, Invocation},
    table::{Memory, Route, Table},
};

/// When the simulation begins, in microseconds since 1970.
pub(crate) const START: i64 = 1_790_000_000 * SECOND;

pub(crate) const MILLISECOND: i64 = SECOND / 1_000;

/// The default of `SendConcurrency` in `template.yaml`: how many functions run at the same time for each lane.
pub(crate) const CONCURRENCY: usize = 10;

/// A notification, as its item and the index have it.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) lane: Lane,
    pub(crate) route: Route,
    pub(crate) person: usize,
    /// From when on it may be sent: when it is put on its queue, or is due for the first time.
    pub(crate) since: i64,
    pub(crate) due: Option<Due>,
    pub(crate) version: u32,
    pub(crate) is_claimed: bool,
    /// When Twilio was asked to create its message.
    pub(crate) sent_at: Option<i64>,
    pub(crate) receives: u32,
    pub(crate) plans: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: i64,
    pub(crate) reason: WaitReason,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// A message can be received.
    Visible(Message),
    /// A function of the lane receives a batch.
    Receive(Lane),
    /// An invocation has read what is stored.
    Schedule(usize),
    /// A request of an invocation for slots or plans reaches the table.
    Table(usize),
    /// The slot of a message has come.
    Slot(usize, Draft, i64),
    /// A claim reaches the table.
    Claim(usize, Draft, i64),
    /// A request reaches Twilio.
    Create(usize, Draft),
    /// A waiting notification is written.
    Wait(usize, Draft, Due),
    /// The work on a message has ended.
    Done(usize),
    ReleaseRun,
    Release(Portion),
}

struct Scheduled {
    at: (i64, u64),
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// Everything that there is.
pub(crate) struct Simulation {
    pub(crate) now: i64,
    events: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    pub(crate) random: fastrand::Rng,
    pub(crate) limits: Vec<RateLimit>,
    pub(crate) table: Table,
    /// What each environment of the send function remembers.
    pub(crate) environments: Vec<Memory>,
    pub(crate) idle: Vec<usize>,
    pub(crate) queues: BTreeMap<Lane, Queue>,
    pub(crate) invocations: HashMap<usize, Invocation>,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) by_due: BTreeSet<(i64, usize)>,
    /// The bucket of each person, and the planning clock of messages to them.
    pub(crate) people: HashMap<usize, i64>,
    pub(crate) recipient_clocks: HashMap<usize, i64>,
    unsent: usize,
    /// Twilio refuses the first message of this route after this time that is not urgent.
    pub(crate) refuses: Option<(Route, i64)>,
    pub(crate) throttled_at: Option<i64>,
    /// The slots that were used.
    pub(crate) slots: Vec<(Route, i64)>,
    /// Messages of notifications that needed none any more.
    pub(crate) duplicates: u64,
    /// Times for which a message waited, other than for its slot or as it was stored.
    pub(crate) retries: u64,
    /// Messages that came again because another function was faster.
    pub(crate) lost_races: u64,
}

impl Simulation {
    pub(crate) fn new(per_second: &[u32], seed: u64) -> Self {
        let environments = CONCURRENCY * Lane::ALL.len();
        let mut simulation = Self {
            now: START,
            events: BinaryHeap::new(),
            sequence: 0,
            random: fastrand::Rng::with_seed(seed),
            limits: per_second.iter().map(|rate| RateLimit::new(*rate, 1).unwrap()).collect(),
            table: Table::default(),
            environments: vec![Memory::default(); environments],
            idle: (0..environments).collect(),
            queues: Lane::ALL.into_iter().map(|lane| (lane, Queue::default())).collect(),
            invocations: HashMap::new(),
            notifications: Vec::new(),
            by_due: BTreeSet::new(),
            people: HashMap::new(),
            recipient_clocks: HashMap::new(),
            unsent: 0,
            refuses: None,
            throttled_at: None,
            slots: Vec::new(),
            duplicates: 0,
            retries: 0,
            lost_races: 0,
        };
        simulation.after(30 * SECOND, Event::ReleaseRun);
        simulation
    }

    fn notification(&mut self, lane: Lane, route: Route, since: i64) -> usize {
        let id = self.notifications.len();
        self.notifications.push(Notification {
            lane,
            route,
            person: id,
            since,
            due: None,
            version: 0,
            is_claimed: false,
            sent_at: None,
            receives: 0,
            plans: 0,
        });
        self.unsent += 1;
        id
    }

    /// Another system puts a notification on the queue of its lane.
    pub(crate) fn put(&mut self, lane: Lane, route: Route, at: i64) -> usize {
        let id = self.notification(lane, route, at);
        self.at(at, Event::Visible(Message { id, hops: 0 }));
        id
    }

    /// A notification waits until `send_at` already.
    pub(crate) fn store(&mut self, lane: Lane, route: Route, send_at: i64) -> usize {
        let id = self.notification(lane, route, send_at);
        self.set_due(id, Some(Due { at: send_at, reason: WaitReason::SendAt }));
        id
    }

    /// Runs until every notification is sent.
    pub(crate) fn run(&mut self) {
        while self.unsent > 0 {
            let Reverse(next) = self.events.pop().unwrap();
            self.now = next.at.0;
            self.happen(next.event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Visible(message) => {
                let lane = self.notifications[message.id].lane;
                self.queue(lane).put(message);
                self.poll(lane);
            }
            Event::Receive(lane) => self.receive(lane),
            Event::Schedule(invocation) => self.schedule(invocation),
            Event::Table(invocation) => self.ask_table(invocation),
            Event::Slot(invocation, draft, slot) => self.begin_claim(invocation, draft, slot),
            Event::Claim(invocation, draft, slot) => self.claim(invocation, draft, slot),
            Event::Create(invocation, draft) => self.create(invocation, draft),
            Event::Wait(invocation, draft, due) => self.wait(invocation, draft, due),
            Event::Done(invocation) => self.done(invocation),
            Event::ReleaseRun => self.release_run(),
            Event::Release(portion) => self.release(&portion),
        }
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse(Scheduled { at: (at.max(self.now), self.sequence), event }));
    }

    pub(crate) fn after(&mut self, delay: i64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// How long a request takes, or the part of it until it has reached its server: some milliseconds, one in a hundred up to
    /// 200.
    pub(crate) fn latency(&mut self) -> i64 {
        let milliseconds = match self.random.u32(..100) {
            0 => 30..200,
            1..10 => 10..30,
            _ => 2..10,
        };
        self.random.i64(milliseconds.start * MILLISECOND..milliseconds.end * MILLISECOND)
    }

    pub(crate) fn queue(&mut self, lane: Lane) -> &mut Queue {
        self.queues.get_mut(&lane).unwrap()
    }

    /// Lambda receives a batch if there is a message, and fewer functions run than may.
    pub(crate) fn poll(&mut self, lane: Lane) {
        let queue = self.queue(lane);
        if queue.running < CONCURRENCY && !queue.is_empty() {
            queue.running += 1;
            let latency = self.latency();
            self.after(latency, Event::Receive(lane));
        }
    }

    pub(crate) fn sent(&mut self, id: usize) {
        self.notifications[id].sent_at = Some(self.now);
        self.unsent -= 1;
    }

    pub(crate) fn set_due(&mut self, id: usize, due: Option<Due>) {
        let before = std::mem::replace(&mut self.notifications[id].due, due);
        if let Some(before) = before {
            self.by_due.remove(&(before.at, id));
        }
        if let Some(due) = due {
            self.by_due.insert((due.at, id));
        }
    }

    /// Writes a notification that waits, and puts its next message on the queue.
    pub(crate) fn hand_over(&mut self, message: Message, due: Due) {
        let Handover { due_at, delay } = hand_over(timestamp(due.at), due.reason, message.hops, timestamp(self.now));
        self.set_due(message.id, Some(Due { at: due_at.as_microsecond(), ..due }));
        self.notifications[message.id].version += 1;
        if let Some(delay) = delay {
            let next = Message { hops: message.hops + 1, ..message };
            let delay = i64::try_from(delay.as_micros()).unwrap() + self.latency();
            self.after(delay, Event::Visible(next));
        }
    }
}

pub(crate) fn timestamp(microsecond: i64) -> Timestamp {
    Timestamp::from_microsecond(microsecond).unwrap()
}
