//! How long to wait before the next try.

use std::time::Duration;

/// Twilio's limits are counted in seconds.
const FIRST: Duration = Duration::from_secs(2);
/// A longer wait would make a message late that could have gone out; an outage of hours needs no more than this.
const LONGEST: Duration = Duration::from_mins(15);
/// SQS counts in seconds, and at 0 the message would come back at once.
const SHORTEST: Duration = Duration::from_secs(1);

/// The most receives that lengthen the pause after a failure of DynamoDB or SQS: they reach some four minutes. What has failed
/// for hours goes on soon after the outage.
const COUNTED_RECEIVES: usize = 8;

/// The pause after DynamoDB or SQS did not answer, by how often SQS has delivered the message.
pub(crate) fn after_failure(receives: usize) -> Duration {
    full_jitter(receives.min(COUNTED_RECEIVES))
}

/// A pause after this many tries, from 1: anything up to a ceiling that doubles each time.
///
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter" ("full jitter").
pub(crate) fn full_jitter(tries: usize) -> Duration {
    Duration::from_millis(fastrand::u64(..=ceiling(tries))).max(SHORTEST)
}

fn ceiling(tries: usize) -> u64 {
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
    let ceiling = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<_> = [0, 1, 2, 3, 9, 10, 11, usize::MAX].map(|tries| ceiling(tries) / 1_000).to_vec();
        assert_eq!(seconds, [2, 2, 4, 8, 512, 900, 900, 900]);
    }

    #[test]
    fn a_pause_is_within_its_ceiling_and_never_nothing() {
        for tries in 1..100 {
            let pause = full_jitter(tries);
            assert!(pause >= SHORTEST && pause <= LONGEST.min(Duration::from_millis(ceiling(tries)).max(SHORTEST)));
        }
    }

    #[test]
    fn outage_of_hours_ends_with_a_retry_within_minutes() {
        for receives in [9, 500, usize::MAX] {
            assert!(after_failure(receives) <= Duration::from_secs(256), "{receives}");
        }
    }
}
