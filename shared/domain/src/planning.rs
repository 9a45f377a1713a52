//! When a message is sent that finds no slot: at a planned time.
//!
//! A slot binds the rate, so it is reserved a second ahead at most ([`crate::token_bucket`]). A backlog is longer than that:
//! each of its messages gets a planned time from the planning clock of its route and lane, one interval after the one before,
//! and waits for it without being looked at. A plan is no slot: at its time the message asks for one, and is planned again if
//! it finds none, because the route was slowed down or a more urgent lane needed its slots.
//!
//! 1. The plans of a lane begin after everything that is reserved on the route, and after the plans of the more urgent
//!    lanes.
//! 2. A message that comes for the first time does not overtake planned ones: while its lane has plans, it gets a slot only
//!    where the route is idle, and else the next planned time.
//! 3. A plan is made at the rate that the route will have then, after a throttle. At the present one the plans would leave
//!    slots unused.
//!
//! All of it is arithmetic with times in microseconds since 1970. `stores::rate_limits` stores the clocks.

use crate::{
    lane::Lane,
    token_bucket::{Bucket, RateLimit, Reservation, SECOND},
};

/// Whether a message comes at the time that was planned for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrival {
    Planned,
    Unplanned,
}

impl Arrival {
    /// How a message comes for which this time was planned; none if none was. One that comes long after its time is like an
    /// unplanned one: its queue is too long, and gets shorter if the functions plan instead of waiting for slots.
    pub fn at(planned: Option<i64>, now: i64) -> Self {
        match planned {
            Some(planned) if now.saturating_sub(planned) <= LATE => Self::Planned,
            _ => Self::Unplanned,
        }
    }
}

/// A message that comes later than this after its planned time is late.
const LATE: i64 = 2 * SECOND;

/// While its lane has plans, an unplanned message gets a slot that is at most this far ahead: planned messages, which come
/// evenly, keep the bucket of a route fuller than that.
const OVERTAKING: i64 = SECOND / 10;

/// A planned time is at least this far ahead, because SQS delays by whole seconds.
const NEAREST_PLAN: i64 = SECOND;

impl Bucket {
    /// The planning clock of a lane: the time after its last plan.
    pub fn planning_clock(&self, lane: Lane) -> i64 {
        match lane {
            Lane::Urgent => self.plan_urgent,
            Lane::Standard => self.plan_standard,
            Lane::Marketing => self.plan_marketing,
        }
    }

    /// How far ahead a message may reserve a slot now, in microseconds.
    pub fn slot_horizon(&self, lane: Lane, arrival: Arrival, now: i64) -> i64 {
        let has_plans = self.planning_clock(lane) > now.saturating_add(lane.slot_horizon());
        match arrival {
            Arrival::Unplanned if has_plans => OVERTAKING,
            Arrival::Unplanned => lane.slot_horizon(),
            Arrival::Planned => lane.planned_slot_horizon(),
        }
    }

    /// The earliest time that can be planned for a lane, apart from its own plans.
    pub fn earliest_plan(&self, lane: Lane, now: i64) -> i64 {
        let more_urgent = Lane::ALL.into_iter().filter(|other| *other < lane).map(|other| self.planning_clock(other));
        more_urgent.fold(self.tat.max(now.saturating_add(NEAREST_PLAN)), i64::max)
    }
}

impl RateLimit {
    /// Plans the times of this many messages.
    pub fn plan(self, bucket: &Bucket, lane: Lane, count: usize, now: i64) -> Reservation {
        let first = bucket.earliest_plan(lane, now).max(bucket.planning_clock(lane));
        Reservation { first, interval: self.interval(bucket, first), count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000 * SECOND;

    fn limit(per_second: u32) -> RateLimit {
        RateLimit::new(per_second, 1).unwrap()
    }

    #[test]
    fn plans_follow_each_other_at_the_rate() {
        let limit = limit(80);
        let mut bucket = Bucket { tat: NOW + 3 * SECOND, ..Bucket::default() };
        let first = limit.plan(&bucket, Lane::Standard, 10, NOW);
        assert_eq!(first.first, NOW + 3 * SECOND, "after what is reserved");
        bucket.plan_standard = first.end();
        let second = limit.plan(&bucket, Lane::Standard, 10, NOW);
        assert_eq!(second.first, first.end());
        assert_eq!(second.interval, limit.interval(&bucket, NOW));
    }

    #[test]
    fn a_lower_lane_plans_after_a_more_urgent_one() {
        let bucket =
            Bucket { plan_standard: NOW + 600 * SECOND, plan_marketing: NOW + 60 * SECOND, ..Bucket::default() };
        let plan = |lane| limit(80).plan(&bucket, lane, 1, NOW).first - NOW;
        assert_eq!(plan(Lane::Marketing), 600 * SECOND);
        assert_eq!(plan(Lane::Standard), 600 * SECOND);
        assert_eq!(plan(Lane::Urgent), SECOND, "and not after a lower one");
    }

    #[test]
    fn an_unplanned_message_does_not_overtake_planned_ones() {
        let planned = Bucket { plan_standard: NOW + 60 * SECOND, ..Bucket::default() };
        let horizon = |bucket: &Bucket, arrival| bucket.slot_horizon(Lane::Standard, arrival, NOW);
        assert_eq!(horizon(&planned, Arrival::Unplanned), OVERTAKING);
        assert_eq!(horizon(&planned, Arrival::Planned), SECOND);
        assert_eq!(horizon(&Bucket::default(), Arrival::Unplanned), SECOND / 2);
        let past = Bucket { plan_standard: NOW - SECOND, ..Bucket::default() };
        assert_eq!(horizon(&past, Arrival::Unplanned), SECOND / 2, "plans that are over");
        assert_eq!(planned.slot_horizon(Lane::Urgent, Arrival::Unplanned, NOW), 5 * SECOND, "plans of another lane");
    }

    #[test]
    fn plans_after_a_throttle_are_further_apart() {
        let bucket = Bucket { throttled_at: Some(NOW), throttled_rate: Some(40_000), ..Bucket::default() };
        let halved = limit(80).plan(&bucket, Lane::Marketing, 2, NOW - SECOND).interval;
        let full = limit(80).plan(&Bucket::default(), Lane::Marketing, 2, NOW).interval;
        assert!((2 * full..=2 * full + 1).contains(&halved), "{halved} {full}");
    }

    #[test]
    fn plans_for_the_time_after_a_throttle_are_at_the_regained_rate() {
        let plan_marketing = NOW + 600 * SECOND;
        let bucket =
            Bucket { throttled_at: Some(NOW), throttled_rate: Some(40_000), plan_marketing, ..Bucket::default() };
        let planned = limit(80).plan(&bucket, Lane::Marketing, 2, NOW);
        assert_eq!(planned.interval, limit(80).interval(&Bucket::default(), NOW));
    }

    #[test]
    fn a_message_that_comes_late_is_like_an_unplanned_one() {
        for (planned, expected) in [
            (None, Arrival::Unplanned),
            (Some(NOW + SECOND), Arrival::Planned),
            (Some(NOW - LATE), Arrival::Planned),
            (Some(NOW - LATE - 1), Arrival::Unplanned),
        ] {
            assert_eq!(Arrival::at(planned, NOW), expected, "{planned:?}");
        }
    }
}
