//! The `RateLimits` table in memory, and what `stores::rate_limits` does with it, request by request: between two requests
//! of a function any other function can change a bucket. The arithmetic is `domain`'s; the conditions are those of the
//! store's updates.

use std::collections::HashMap;

use domain::{
    lane::Lane,
    planning::Arrival,
    token_bucket::{Bucket, RateLimit, Reservation},
};

/// A route: the index of its rate limit.
pub(crate) type Route = usize;

/// The buckets as a function last saw them.
pub(crate) type Memory = HashMap<Route, Bucket>;

/// As in `stores::rate_limits`.
const MAX_UPDATES: usize = 6;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    Tat,
    Plan(Lane),
}

impl Clock {
    fn of(self, bucket: &mut Bucket) -> &mut i64 {
        match self {
            Self::Tat => &mut bucket.tat,
            Self::Plan(Lane::Urgent) => &mut bucket.plan_urgent,
            Self::Plan(Lane::Standard) => &mut bucket.plan_standard,
            Self::Plan(Lane::Marketing) => &mut bucket.plan_marketing,
        }
    }
}

/// A request to the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Read,
    /// Adds to a clock that is within these bounds.
    Add {
        clock: Clock,
        span: i64,
        from: i64,
        to: i64,
    },
    /// Sets a clock that is at most this.
    Set {
        clock: Clock,
        end: i64,
        to: i64,
    },
}

/// What a request brings: whether it was written, and the bucket then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    is_written: bool,
    bucket: Bucket,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    buckets: HashMap<Route, Bucket>,
    pub(crate) requests: u64,
}

impl Table {
    pub(crate) fn bucket(&mut self, route: Route) -> &mut Bucket {
        self.buckets.entry(route).or_default()
    }

    pub(crate) fn answer(&mut self, route: Route, request: Request) -> Answer {
        self.requests += 1;
        let bucket = self.bucket(route);
        let is_written = match request {
            Request::Read => false,
            Request::Add { clock, span, from, to } => {
                let clock = clock.of(bucket);
                let is_within = (from..=to).contains(clock);
                *clock += if is_within { span } else { 0 };
                is_within
            }
            Request::Set { clock, end, to } => {
                let clock = clock.of(bucket);
                let is_before = *clock <= to;
                *clock = if is_before { end } else { *clock };
                is_before
            }
        };
        Answer { is_written, bucket: *bucket }
    }
}

/// When a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendTime {
    Slot(i64),
    Planned(i64),
}

/// What `RateLimits::reserve_or_plan` is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) route: Route,
    pub(crate) limit: RateLimit,
    pub(crate) lane: Lane,
    pub(crate) arrival: Arrival,
    pub(crate) count: usize,
    pub(crate) now: i64,
}

/// A call of `RateLimits::reserve_or_plan` that is under way.
#[derive(Debug)]
pub(crate) struct Reserving {
    pub(crate) wanted: Wanted,
    bucket: Bucket,
    updates: usize,
    times: Vec<SendTime>,
    /// What the update on its way reserves; none for a read.
    asked: Option<Reservation>,
    is_planning: bool,
}

impl Reserving {
    pub(crate) fn new(wanted: Wanted, memory: &Memory) -> Self {
        let bucket = memory.get(&wanted.route).copied().unwrap_or_default();
        Self { wanted, bucket, updates: 0, times: Vec::new(), asked: None, is_planning: false }
    }

    /// The next request to the table.
    pub(crate) fn request(&mut self) -> Request {
        if self.is_planning { self.plan() } else { self.reserve() }
    }

    fn reserve(&mut self) -> Request {
        let Wanted { limit, lane, arrival, count, now, .. } = self.wanted;
        let bucket = self.bucket;
        let horizon = bucket.slot_horizon(lane, arrival, now);
        self.asked = limit.reserve(&bucket, now, count, horizon).ok();
        let Some(reservation) = self.asked else { return Request::Read };
        let (floor, span) = (limit.floor(reservation.interval, now), reservation.end() - reservation.first);
        if bucket.tat > floor {
            let to = now + horizon - (span - reservation.interval);
            Request::Add { clock: Clock::Tat, span, from: floor, to }
        } else {
            Request::Set { clock: Clock::Tat, end: floor + span, to: floor }
        }
    }

    fn plan(&mut self) -> Request {
        let Wanted { limit, lane, now, .. } = self.wanted;
        let (mut bucket, clock) = (self.bucket, Clock::Plan(lane));
        let planned = limit.plan(&bucket, lane, self.missing(), now);
        let floor = bucket.earliest_plan(lane, now);
        self.asked = Some(planned);
        if *clock.of(&mut bucket) > floor {
            Request::Add { clock, span: planned.end() - planned.first, from: floor + 1, to: i64::MAX }
        } else {
            Request::Set { clock, end: planned.end(), to: floor }
        }
    }

    fn missing(&self) -> usize {
        self.wanted.count - self.times.len()
    }

    /// Takes the answer to the request. The result is there when each message has a time.
    pub(crate) fn answered(&mut self, answer: Answer, memory: &mut Memory) -> Option<Vec<SendTime>> {
        let Answer { is_written, mut bucket } = answer;
        let seen = std::mem::replace(&mut self.bucket, bucket);
        self.updates += 1;
        if is_written || self.asked.is_none() {
            memory.insert(self.wanted.route, bucket);
        }
        if self.is_planning {
            assert!(self.updates < MAX_UPDATES, "a planning clock is contended");
            let planned = self.asked.filter(|_| is_written)?;
            let end = *Clock::Plan(self.wanted.lane).of(&mut bucket);
            self.times.extend(planned.ending_at(end).times().map(SendTime::Planned));
            return Some(std::mem::take(&mut self.times));
        }
        if let Some(reservation) = self.asked.filter(|_| is_written) {
            self.times.extend(reservation.ending_at(bucket.tat).times().map(SendTime::Slot));
            if self.missing() == 0 {
                return Some(std::mem::take(&mut self.times));
            }
        }
        let has_no_slot = self.asked.is_none() && seen == bucket;
        if is_written || has_no_slot || self.updates == MAX_UPDATES {
            (self.is_planning, self.updates) = (true, 0);
            self.bucket = memory.get(&self.wanted.route).copied().unwrap_or_default();
        }
        None
    }
}
