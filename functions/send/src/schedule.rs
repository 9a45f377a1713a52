//! When each message of a batch goes out: at a time of its own, taken out of its sender's bucket.

use std::{collections::BTreeMap, time::Duration};

use domain::{notification::FallbackChannel, policy::SendPlan};
use jiff::Timestamp;
use shared::report::Chain;
use stores::{
    contacts::MarketingSent,
    eligibility::Eligibility,
    notifications::Precondition,
    rate_limits::{BucketKey, ReservationOutcome},
};
use twilio_client::NewMessage;
use twilio_types::sid::MessagingServiceSid;

use crate::{Next, Placed, SendFunction, Step, job::Job};

/// A message that is ready to go out.
pub(crate) struct Draft<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) plan: SendPlan,
    pub(crate) expected: Precondition,
    /// How many attempts came before.
    pub(crate) attempts: usize,
    /// When its batch was decided upon, just before its time was taken.
    pub(crate) decided_at: Timestamp,
    pub(crate) message: NewMessage,
    /// Where the bucket of its sender and its recipient was seen.
    pub(crate) pair_tat: Option<i64>,
    /// The marketing that its recipient was seen to have been sent.
    pub(crate) marketing_sent: Option<MarketingSent>,
}

/// A message and the time at which it is due.
pub(crate) struct Due<'a> {
    pub(crate) draft: Draft<'a>,
    at: Timestamp,
}

/// How far ahead times are taken, in microseconds. Marketing takes the next 1.3 seconds: ten functions with a batch of ten
/// each have then their times at 80 messages a second, so that none of the rate is left unused.
const BULK_HORIZON: i64 = 1_300_000;
/// What is urgent may look further, past all that marketing can have taken.
const URGENT_HORIZON: i64 = 5_000_000;

/// A message whose time is further away than the horizon comes again, and not all at the same moment.
const SPREAD: Duration = Duration::from_secs(2);

impl Draft<'_> {
    pub(crate) fn channel(&self) -> FallbackChannel {
        self.job.notification.channel_option(self.plan.route).map_or(FallbackChannel::WhatsApp, |(channel, _)| channel)
    }

    /// The name that the sender's pace is configured by.
    fn sender(&self, case: &Eligibility<'_>) -> String {
        match self.channel() {
            FallbackChannel::WhatsApp => case.sender(),
            FallbackChannel::Sms => {
                format!("sms:{}", case.service().map(MessagingServiceSid::as_str).unwrap_or_default())
            }
        }
    }

    fn horizon(&self) -> i64 {
        if self.job.is_bulk() { BULK_HORIZON } else { URGENT_HORIZON }
    }
}

impl SendFunction {
    /// The bucket of a draft's sender, and the name its pace is configured by.
    pub(crate) fn bucket(&self, draft: &Draft<'_>) -> (BucketKey, String) {
        let sender = draft.sender(&self.case(&draft.job));
        (BucketKey::of_sender(&draft.job.subject.account_sid, &sender), sender)
    }

    /// Gives each draft its time, with one write for each sender. What has none within the horizon comes again.
    pub(crate) async fn schedule<'a>(&self, drafts: Placed<Draft<'a>>, now: Timestamp) -> Placed<Step<Due<'a>>> {
        let mut by_sender: BTreeMap<(String, i64), Placed<Draft<'a>>> = BTreeMap::new();
        for (index, draft) in drafts {
            let key = (self.bucket(&draft).0.as_str().to_owned(), draft.horizon());
            by_sender.entry(key).or_default().push((index, draft));
        }
        let mut scheduled = Vec::new();
        for ((_, horizon), drafts) in by_sender {
            scheduled.extend(self.take_times(drafts, horizon, now).await);
        }
        scheduled
    }

    async fn take_times<'a>(&self, drafts: Placed<Draft<'a>>, horizon: i64, now: Timestamp) -> Placed<Step<Due<'a>>> {
        let Some((key, sender)) = drafts.first().map(|(_, draft)| self.bucket(draft)) else { return Vec::new() };
        let pace = self.policy.rate_limit(&sender);
        let taken = self.rate_limits.reserve(&key, pace, drafts.len(), horizon, Timestamp::now()).await;
        let time = |index: usize| match &taken {
            Ok(ReservationOutcome::Reserved(slots)) if index < slots.count => {
                Timestamp::from_microsecond(slots.at(index)).map_err(drop)
            }
            _ => Err(()),
        };
        let later = match &taken {
            Ok(ReservationOutcome::NotBefore(at)) => wait_for(*at, now),
            Ok(ReservationOutcome::Reserved(slots)) => wait_for(slots.end().saturating_sub(horizon), now),
            Err(error) => {
                tracing::error!(error = %Chain(error), "no times taken");
                SPREAD
            }
        };
        let step = |(place, (index, draft)): (usize, (usize, Draft<'a>))| {
            let step = match time(place) {
                Ok(at) => Ok(Due { draft, at }),
                Err(()) => Err(Next::Again(later + spread())),
            };
            (index, step)
        };
        drafts.into_iter().enumerate().map(step).collect()
    }

    /// Waits for a message's time, and sends it.
    pub(crate) async fn send(&self, due: Due<'_>) -> Next {
        let wait = due.at.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
        let incoming = due.draft.job.incoming;
        self.claim(due.draft).await.unwrap_or_else(|error| incoming.failed(&error))
    }
}

fn wait_for(microsecond: i64, now: Timestamp) -> Duration {
    let micros = microsecond.saturating_sub(now.as_microsecond());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default()).max(Duration::from_secs(1))
}

fn spread() -> Duration {
    Duration::from_millis(fastrand::u64(..u64::try_from(SPREAD.as_millis()).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_time_comes_again_when_there_is_one() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let micros = now.as_microsecond();
        assert_eq!(wait_for(micros + 3_000_000, now), Duration::from_secs(3));
        assert_eq!(wait_for(micros - 1, now), Duration::from_secs(1), "SQS counts in seconds");
        assert!(spread() < SPREAD);
    }
}
