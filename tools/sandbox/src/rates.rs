//! Measures how fast messages were created, to compare with the limits of Twilio and WhatsApp.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::capacity;

/// One message per interval to one person. Source: Meta, "Cloud API: throughput, pair rate limits".
pub(crate) const PAIR_INTERVAL: Duration = Duration::from_secs(6);
/// The most messages at once, on account of the intervals that follow (same source).
pub(crate) const PAIR_BURST: u32 = 45;

#[derive(Debug, Clone)]
pub(crate) struct CreatedMessage {
    pub(crate) at: Instant,
    pub(crate) clock: Timestamp,
    /// The sender, also where the service selected it.
    pub(crate) sender: String,
    pub(crate) service: Option<String>,
    pub(crate) to: String,
}

/// Filters of the messages to measure.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateQuery {
    from: Option<String>,
    service: Option<String>,
    /// The prefix of people's addresses.
    to_prefix: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RateReport {
    messages: usize,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The most messages in any period of one second.
    busiest_second: usize,
    /// The messages over the pair limit.
    pairs_over_limit: usize,
}

/// The created messages, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct CreationLog(VecDeque<CreatedMessage>);

impl CreationLog {
    pub(crate) fn add(&mut self, arrival: CreatedMessage) {
        if self.0.len() == capacity::CREATION_TIMES {
            self.0.pop_front();
        }
        self.0.push_back(arrival);
    }

    pub(crate) fn rates(&self, query: &RateQuery) -> RateReport {
        let created: Vec<_> = self.0.iter().filter(|arrival| query.matches(arrival)).collect();
        let begin = created.first().map(|arrival| arrival.at);
        let since_begin =
            |arrival: &CreatedMessage| begin.map_or(Duration::ZERO, |begin| arrival.at.duration_since(begin));
        let times: Vec<_> = created.iter().map(|arrival| since_begin(arrival).as_micros()).collect();
        let pairs = created.iter().map(|arrival| ((&arrival.sender, &arrival.to), since_begin(arrival)));
        RateReport {
            messages: created.len(),
            first_at: created.first().map(|arrival| arrival.clock),
            last_at: created.last().map(|arrival| arrival.clock),
            busiest_second: busiest_second(&times),
            pairs_over_limit: over_pair_limit(pairs),
        }
    }
}

impl RateQuery {
    fn matches(&self, arrival: &CreatedMessage) -> bool {
        self.from.as_deref().is_none_or(|from| from == arrival.sender)
            && (self.service.is_none() || self.service == arrival.service)
            && self.to_prefix.as_deref().is_none_or(|prefix| arrival.to.starts_with(prefix))
    }
}

/// The largest number of these times within less than a second. The times are microseconds, in ascending order.
fn busiest_second(times: &[u128]) -> usize {
    let mut first = times.iter().peekable();
    let mut within = 0;
    let mut most = 0;
    for last in times {
        within += 1;
        while first.next_if(|first| *last - **first >= 1_000_000).is_some() {
            within -= 1;
        }
        most = most.max(within);
    }
    most
}

/// The number of messages over the pair limit, by a token bucket that holds the burst and gets one token per interval.
fn over_pair_limit<Pair: std::hash::Hash + Eq>(created: impl Iterator<Item = (Pair, Duration)>) -> usize {
    let borrowed = PAIR_INTERVAL * (PAIR_BURST - 1);
    let mut due: HashMap<Pair, Duration> = HashMap::new();
    let mut over = 0;
    for (pair, at) in created {
        let due = due.entry(pair).or_default();
        if at + borrowed < *due {
            over += 1;
        } else {
            *due = at.max(*due) + PAIR_INTERVAL;
        }
    }
    over
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn busiest_second_may_begin_at_any_time() {
        let cases: [(&[u128], usize); 6] = [
            (&[], 0),
            (&[5], 1),
            (&[0, 1_000_000, 2_000_000], 1),
            (&[0, 999_999, 1_000_000], 2),
            (&[0, 900_000, 1_100_000, 1_800_000, 1_899_999, 5_000_000], 4),
            (&[7, 7, 7], 3),
        ];
        for (times, most) in cases {
            assert_eq!(busiest_second(times), most, "{times:?}");
        }
    }

    proptest! {
        #[test]
        fn busiest_second_begins_with_one_of_the_times(mut times in prop::collection::vec(0_u128..5_000_000, 0..60)) {
            times.sort_unstable();
            let from = |begin: &u128| times.iter().filter(|at| (*begin..*begin + 1_000_000).contains(at)).count();
            prop_assert_eq!(busiest_second(&times), times.iter().map(from).max().unwrap_or(0));
        }
    }

    #[test]
    fn pair_limit_allows_a_burst_and_then_one_per_interval() {
        let seconds = Duration::from_secs;
        let to = |person: &'static str, at: u64, times: usize| std::iter::repeat_n((person, seconds(at)), times);
        assert_eq!(over_pair_limit(to("a", 0, 45).chain(to("b", 0, 45))), 0);
        assert_eq!(over_pair_limit(to("a", 0, 47)), 2);
        assert_eq!(over_pair_limit(to("a", 0, 45).chain(to("a", 5, 1)).chain(to("a", 6, 1))), 1);
        assert_eq!(over_pair_limit(to("a", 0, 45).chain(to("a", 270, 46))), 1);
        assert_eq!(over_pair_limit((0..100).map(|number| ("a", seconds(6 * number)))), 0);
    }

    #[test]
    fn rates_are_filtered_by_sender_service_and_prefix() {
        let (begin, clock) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut created = CreationLog::default();
        for (sender, service, to) in [("w", Some("MG1"), "+1"), ("w", None, "+2"), ("s", Some("MG1"), "+1")] {
            let service = service.map(str::to_owned);
            created.add(CreatedMessage { at: begin, clock, sender: sender.to_owned(), service, to: to.to_owned() });
        }
        let count = |query: &str| created.rates(&serde_json::from_str(query).unwrap()).messages;
        assert_eq!(count("{}"), 3);
        assert_eq!(count(r#"{"from": "w"}"#), 2);
        assert_eq!(count(r#"{"service": "MG1", "to_prefix": "+1"}"#), 2);
        assert_eq!(count(r#"{"from": "x"}"#), 0);
    }
}
