//! What a simulation showed.

use std::fmt;

use domain::{lane::Lane, token_bucket::SECOND};

use crate::{
    simulation::{Notification, Simulation},
    table::Route,
};

/// The counts and ratios of a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) routes: Vec<RouteReport>,
    /// How long urgent notifications waited until Twilio was asked, in milliseconds, sorted.
    pub(crate) urgent: Vec<i64>,
    pub(crate) notifications: usize,
    pub(crate) receives: u64,
    /// Times that were planned, and how many of them were planned again.
    pub(crate) plans: u64,
    pub(crate) renewed: u64,
    /// Messages that came at a planned or stored time other than for a slot.
    pub(crate) retries: u64,
    /// The most plans of one notification.
    pub(crate) most_plans: u32,
    /// Messages of notifications that were sent already, or whose next message was on its way.
    pub(crate) duplicates: u64,
    pub(crate) lost_races: u64,
    pub(crate) most_in_flight: usize,
    pub(crate) requests_to_table: u64,
}

/// What was sent by a route.
#[derive(Debug, Clone)]
pub(crate) struct RouteReport {
    pub(crate) sent: usize,
    /// Seconds from the first message to the last one.
    pub(crate) seconds: i64,
    /// How much of the rate was used until the last message, in hundredths of a percent.
    pub(crate) used: i64,
    /// The most slots, and the most requests to Twilio, of one second.
    pub(crate) busiest_slots: usize,
    pub(crate) busiest: usize,
    /// How many seconds had more requests than the rate limit.
    pub(crate) seconds_above: usize,
}

/// The most of these times within one second.
pub(crate) fn busiest_second(times: &[i64]) -> usize {
    let mut first = 0;
    let within = times.iter().enumerate().map(|(last, time)| {
        while times[first] <= time - SECOND {
            first += 1;
        }
        last - first + 1
    });
    within.max().unwrap_or_default()
}

fn seconds_above(times: &[i64], limit: u32) -> usize {
    let seconds = times.chunk_by(|time, other| time / SECOND == other / SECOND);
    seconds.filter(|times| times.len() > usize::try_from(limit).unwrap()).count()
}

impl Simulation {
    pub(crate) fn report(&mut self) -> Report {
        let routes = (0..self.limits.len()).map(|route| self.route_report(route)).collect();
        let urgent = self.notifications.iter().filter(|notification| notification.lane == Lane::Urgent);
        let mut urgent: Vec<_> = urgent.map(milliseconds).collect();
        urgent.sort_unstable();
        let plans = self.notifications.iter().map(|notification| u64::from(notification.plans));
        let renewed = self.notifications.iter().map(|notification| u64::from(notification.plans.saturating_sub(1)));
        Report {
            routes,
            urgent,
            notifications: self.notifications.len(),
            receives: self.queues.values().map(|queue| queue.receives).sum(),
            plans: plans.sum(),
            renewed: renewed.sum(),
            retries: self.retries,
            most_plans: self.notifications.iter().map(|notification| notification.plans).max().unwrap_or_default(),
            duplicates: self.duplicates,
            lost_races: self.lost_races,
            most_in_flight: self.queues.values().map(|queue| queue.most_in_flight).max().unwrap_or_default(),
            requests_to_table: self.table.requests,
        }
    }

    /// How long the urgent notifications that came within this time waited, in milliseconds.
    pub(crate) fn urgent_since(&self, from: i64, to: i64) -> Vec<i64> {
        let urgent = self.notifications.iter().filter(|notification| notification.lane == Lane::Urgent);
        urgent.filter(|notification| (from..to).contains(&notification.since)).map(milliseconds).collect()
    }

    fn route_report(&mut self, route: Route) -> RouteReport {
        let of_route = |notification: &&Notification| notification.route == route;
        let mut sent: Vec<_> =
            self.notifications.iter().filter(of_route).filter_map(|notification| notification.sent_at).collect();
        sent.sort_unstable();
        let mut slots: Vec<_> = self.slots.iter().filter(|(of, _)| *of == route).map(|(_, slot)| *slot).collect();
        slots.sort_unstable();
        let (Some(first), Some(last)) = (sent.first(), sent.last()) else { panic!("nothing was sent") };
        let (limit, bucket) = (self.limits[route], *self.table.bucket(route));
        // The rate of a second before the throttle is the full one.
        let rate = |at: i64| match bucket.throttled_at {
            Some(throttled_at) if at >= throttled_at => limit.rate(&bucket, at),
            _ => i64::from(limit.per_second()) * 1_000,
        };
        let possible: i64 = (*first..*last).step_by(usize::try_from(SECOND / 100).unwrap()).map(rate).sum();
        RouteReport {
            sent: sent.len(),
            seconds: (last - first) / SECOND,
            used: i64::try_from(sent.len() - 1).unwrap() * 10_000 * 100 * 1_000 / possible.max(1),
            busiest_slots: busiest_second(&slots),
            busiest: busiest_second(&sent),
            seconds_above: seconds_above(&sent, limit.per_second()),
        }
    }
}

/// How long a notification waited after the time from which on it could be sent.
pub(crate) fn milliseconds(notification: &Notification) -> i64 {
    (notification.sent_at.unwrap_or(i64::MAX) - notification.since) / (SECOND / 1_000)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for route in &self.routes {
            let RouteReport { sent, seconds, used, busiest_slots, busiest, seconds_above } = route;
            writeln!(
                f,
                "sent {sent} in {seconds} s, {}.{:02} % of the rate, busiest second {busiest_slots} slots and {busiest} requests, \
                 {seconds_above} seconds above the rate",
                used / 100,
                used % 100
            )?;
        }
        if let Some(latest) = self.urgent.last() {
            let median = self.urgent[self.urgent.len() / 2];
            writeln!(f, "{} urgent: after {median} ms (median), {latest} ms (latest)", self.urgent.len())?;
        }
        let Self { notifications, receives, plans, renewed, retries, most_plans, duplicates, .. } = self;
        writeln!(
            f,
            "{notifications} notifications, {receives} receives, {plans} plans, {renewed} of them renewed, at most {most_plans} \
             of one, {retries} other times, {duplicates} duplicates"
        )?;
        write!(
            f,
            "in flight at most {} in a queue, {} requests to the table",
            self.most_in_flight, self.requests_to_table
        )
    }
}
