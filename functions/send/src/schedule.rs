//! When each message of a batch is sent: at a slot in the rate of its route.
//!
//! How slots are reserved (`stores::rate_limits` describes how several functions share the bucket of a route):
//!
//! 1. The rate of the recipient is checked first. A message that its recipient cannot receive now reserves no slot: a flood
//!    to one person would otherwise use up the slots of all others.
//! 2. All messages of the batch on one route reserve their slots with one write. Slots are one interval apart, so a batch
//!    is no burst.
//! 3. A slot is at most [`MARKETING_AHEAD`] or [`URGENT_AHEAD`] away, because the function waits for it. A message that finds
//!    none comes again when there is room.
//! 4. A slot is a moment and not a permission: a message that misses its slot reserves another one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use domain::{contact_key::ContactKey, person::Person, policy::Policy, route::Route};
use jiff::Timestamp;
use shared::report::Chain;
use stores::rate_limits::{BucketKey, RateLimits, ReservationOutcome};
use twilio_client::NewMessage;
use twilio_types::sid::AccountSid;

use crate::{
    job::Candidate,
    judge::Plan,
    next::{Next, Step},
};

/// Reserves slots.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) rate_limits: RateLimits,
    pub(crate) policy: Policy,
}

/// A message that is ready to be sent.
pub(crate) struct Draft<'a> {
    pub(crate) candidate: Candidate<'a>,
    pub(crate) plan: Plan,
    pub(crate) message: NewMessage,
    /// When its batch was decided about, just before its slot was reserved.
    pub(crate) decided_at: Timestamp,
}

/// A message with its slot.
pub(crate) struct Due<'a> {
    pub(crate) draft: Draft<'a>,
    pub(crate) slot: Timestamp,
}

/// How far ahead marketing reserves, in microseconds: ten functions with a batch of ten each have then their slots at 80
/// messages a second, so that none of the rate is left unused.
const MARKETING_AHEAD: i64 = 1_300_000;
/// Other notifications may reserve later slots, past all that marketing can have reserved.
const URGENT_AHEAD: i64 = 5_000_000;

/// Messages that found no slot do not come again all at the same moment.
const SPREAD: Duration = Duration::from_secs(2);

impl Draft<'_> {
    fn max_ahead(&self) -> i64 {
        if self.candidate.job.is_marketing() { MARKETING_AHEAD } else { URGENT_AHEAD }
    }

    fn bucket(&self) -> BucketKey {
        bucket(&self.candidate.job.account_sid, &self.plan.route)
    }
}

impl Scheduler {
    /// Gives each draft its slot, with one write for each route. What has none comes again.
    pub(crate) async fn schedule<'a>(&self, drafts: Vec<Draft<'a>>, now: Timestamp) -> Vec<Step<'a, Due<'a>>> {
        let mut steps = Vec::with_capacity(drafts.len());
        let mut recipients = Recipients::default();
        let mut by_route: BTreeMap<(BucketKey, i64), Vec<Draft<'a>>> = BTreeMap::new();
        for draft in drafts {
            match recipients.reserve(&draft, now) {
                Ok(()) => {
                    let route = (draft.bucket(), draft.max_ahead());
                    by_route.entry(route).or_default().push(draft);
                }
                Err(from) => steps.push(Err(draft.candidate.job.message.ended(Next::at(from, now)))),
            }
        }
        for drafts in by_route.into_values() {
            steps.extend(self.reserve(drafts, now).await);
        }
        steps
    }

    /// Another slot for a message that missed its slot.
    pub(crate) async fn reschedule<'a>(&self, draft: Draft<'a>) -> Result<Due<'a>, Next> {
        let reserved = self.reserve(vec![draft], Timestamp::now()).await.pop();
        reserved.map_or(Err(Next::SOON), |step| step.map_err(|ended| ended.next))
    }

    /// Reserves slots for drafts of one route.
    async fn reserve<'a>(&self, drafts: Vec<Draft<'a>>, now: Timestamp) -> Vec<Step<'a, Due<'a>>> {
        let Some(first) = drafts.first() else { return Vec::new() };
        let max_ahead = first.max_ahead();
        let limit = self.policy.rate_limit(&first.plan.route.rate_key());
        let reserved =
            self.rate_limits.reserve(&first.bucket(), limit, drafts.len(), max_ahead, Timestamp::now()).await;
        let (slots, pause) = match reserved {
            Ok(ReservationOutcome::Reserved(slots)) => (Some(slots), wait_for(slots.end() - max_ahead, now)),
            Ok(ReservationOutcome::NotBefore(at)) => (None, wait_for(at, now)),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "no slots were reserved, and the messages are tried again");
                (None, SPREAD)
            }
        };
        let slot = |index: usize| {
            let slots = slots.filter(|slots| index < slots.count)?;
            Timestamp::from_microsecond(slots.at(index)).ok()
        };
        let step = |(index, draft): (usize, Draft<'a>)| match slot(index) {
            Some(slot) => Ok(Due { draft, slot }),
            None => Err(draft.candidate.job.message.ended(Next::Again(pause + spread()))),
        };
        drafts.into_iter().enumerate().map(step).collect()
    }

    /// Halves the rate of a route that Twilio refused as too fast. A rate that was halved since the message was decided about
    /// is not halved again.
    pub(crate) async fn throttle(&self, account_sid: &AccountSid, route: &Route, decided_at: Timestamp) {
        let limit = self.policy.rate_limit(&route.rate_key());
        let bucket = bucket(account_sid, route);
        if let Err(error) = self.rate_limits.throttle(&bucket, limit, decided_at, Timestamp::now()).await {
            tracing::error!(error = %Chain(&error), "the rate of a sender was not halved");
        }
    }
}

fn bucket(account_sid: &AccountSid, route: &Route) -> BucketKey {
    BucketKey::of_sender(account_sid, &route.rate_key())
}

/// The people of a batch, with what the batch reserves of their rates. Only the claim writes it.
#[derive(Default)]
struct Recipients(HashMap<ContactKey, Person>);

impl Recipients {
    /// The error is the time from which the recipient can receive the message.
    fn reserve(&mut self, draft: &Draft<'_>, now: Timestamp) -> Result<(), Timestamp> {
        let person = &draft.candidate.person;
        let person = self
            .0
            .entry(person.home.clone())
            .or_insert_with(|| Person { buckets: person.person.buckets.clone(), ..Person::default() });
        person.reserve(&draft.plan.route.rate_key(), now)
    }
}

/// Waits for a slot.
pub(crate) async fn sleep_until(slot: Timestamp) {
    let wait = slot.duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
}

fn wait_for(microsecond: i64, now: Timestamp) -> Duration {
    let micros = microsecond.saturating_sub(now.as_microsecond());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default()).max(Duration::from_secs(1))
}

fn spread() -> Duration {
    Duration::from_millis(fastrand::u64(..u64::try_from(SPREAD.as_millis()).unwrap_or(1)))
}

#[cfg(test)]
mod tests;
