//! When each message of a batch is sent: at a slot in the rate of its route, or at a planned time.
//!
//! How slots are reserved (`stores::rate_limits` describes how several functions share the bucket of a route):
//!
//! 1. The rate of the recipient is checked first. A message that its recipient cannot receive now reserves no slot: a flood
//!    to one person would otherwise use up the slots of all others. It waits for a planned time, so that it is not received
//!    again and again.
//! 2. Then the daily caps are checked ([`crate::daily_caps`]): a message that finds no room waits for the next day.
//! 3. All messages of the batch on one route reserve their slots with one write. Slots are one interval apart, so a batch
//!    is no burst.
//! 4. A slot is a second away at most, and five for an urgent message ([`Lane::planned_slot_horizon`]), because the function
//!    waits for it. A message that finds none waits for a planned time ([`domain::planning`]), and asks for a slot then.
//! 5. A slot is a moment and not a permission: a message that misses its slot reserves another one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use domain::{
    contact_key::ContactKey,
    daily_cap::{CappedCounter, next_day},
    lane::Lane,
    person::Person,
    planning::Arrival,
    route::Route,
    waiting::{WaitReason, expected_at},
};
use jiff::Timestamp;
use shared::report::Chain;
use stores::{
    dynamodb::StoreError,
    rate_limits::{BucketKey, RateLimits, SendTime},
};
use twilio_types::sid::AccountSid;

use crate::{
    daily_caps::{Admission, DailyCaps},
    job::{Candidate, Job},
    judge::Plan,
    next::{SendError, Step},
    outgoing::Outgoing,
    wait::Wait,
};

/// Reserves slots.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) rate_limits: RateLimits,
    pub(crate) caps: DailyCaps,
}

/// A message that is ready to be sent.
pub(crate) struct Draft<'a> {
    pub(crate) candidate: Candidate<'a>,
    pub(crate) plan: Plan,
    pub(crate) message: Outgoing,
    /// When its batch was decided about, just before its slot was reserved.
    pub(crate) decided_at: Timestamp,
    /// The counters of daily caps that have counted it.
    pub(crate) counted: Vec<CappedCounter>,
}

/// A message with its slot.
pub(crate) struct Due<'a> {
    pub(crate) draft: Draft<'a>,
    pub(crate) slot: Timestamp,
}

/// A message with its time.
pub(crate) enum Scheduled<'a> {
    Slot(Box<Due<'a>>),
    /// It waits until then.
    Planned(Box<Candidate<'a>>, Wait),
}

/// Messages that reserve their slots together: of one route and one lane, at a planned time or not.
type SlotGroup = (BucketKey, Lane, Arrival);

impl Draft<'_> {
    fn slot_group(&self) -> SlotGroup {
        let job = &self.candidate.job;
        let due = self.candidate.stored.due.as_ref().filter(|due| due.reason == WaitReason::Slot);
        let planned = due.map(|due| expected_at(due.at).as_microsecond());
        let arrival = Arrival::at(planned, self.decided_at.as_microsecond());
        (bucket(&job.account_sid, &self.plan.route), job.lane(), arrival)
    }

    /// The key of the planning clock of its sender and its recipient.
    fn recipient_clock(&self) -> BucketKey {
        BucketKey::of_recipient(&self.candidate.person.home, &self.plan.route.rate_key())
    }
}

impl<'a> Scheduled<'a> {
    pub(crate) fn job(&self) -> &Job<'a> {
        match self {
            Self::Slot(due) => &due.draft.candidate.job,
            Self::Planned(candidate, _) => &candidate.job,
        }
    }
}

impl<'a> Draft<'a> {
    /// It waits for a planned time.
    fn planned(self, at: Timestamp, reason: WaitReason) -> Scheduled<'a> {
        let wait = self.plan.wait(self.candidate.job.notification.category, at, reason);
        Scheduled::Planned(Box::new(self.candidate), wait)
    }
}

impl Scheduler {
    /// Gives each draft its time, with one write for each route and lane, and another one for those without a slot.
    pub(crate) async fn schedule<'a>(&self, drafts: Vec<Draft<'a>>, now: Timestamp) -> Vec<Step<'a, Scheduled<'a>>> {
        let mut steps = Vec::with_capacity(drafts.len());
        let mut recipients = Recipients::default();
        let mut receivable = Vec::with_capacity(drafts.len());
        let mut by_recipient: BTreeMap<BucketKey, (Timestamp, Vec<Draft<'a>>)> = BTreeMap::new();
        for draft in drafts {
            match recipients.reserve(&draft, now) {
                Ok(()) => receivable.push(draft),
                Err(from) => {
                    let (first, drafts) = by_recipient.entry(draft.recipient_clock()).or_insert((from, Vec::new()));
                    *first = from.min(*first);
                    drafts.push(draft);
                }
            }
        }
        for (clock, (from, drafts)) in by_recipient {
            self.caps.give_back(&drafts).await;
            let planned = self.rate_limits.plan_recipient(&clock, from, drafts.len(), now).await;
            let at_time = |(draft, at): (Draft<'a>, Timestamp)| Ok(draft.planned(at, WaitReason::RecipientRate));
            match planned {
                Ok(times) => steps.extend(drafts.into_iter().zip(times).map(at_time)),
                Err(error) => steps.extend(failed(drafts, error)),
            }
        }
        let admission = self.caps.admit(receivable, now).await.unwrap_or_else(|(drafts, error)| {
            steps.extend(failed(drafts, error));
            Admission::default()
        });
        let tomorrow = |draft: Draft<'a>| Ok(draft.planned(next_day(now), WaitReason::DailyCap));
        steps.extend(admission.refused.into_iter().map(tomorrow));
        let mut by_slots: BTreeMap<SlotGroup, Vec<Draft<'a>>> = BTreeMap::new();
        for draft in admission.admitted {
            by_slots.entry(draft.slot_group()).or_default().push(draft);
        }
        for (group, drafts) in by_slots {
            steps.extend(self.reserve(&group, drafts).await);
        }
        steps
    }

    /// Another time for a message that missed its slot, or whose recipient cannot receive it now.
    pub(crate) async fn reschedule<'a>(&self, draft: Draft<'a>) -> Option<Step<'a, Scheduled<'a>>> {
        self.schedule(vec![draft], Timestamp::now()).await.pop()
    }

    /// Reserves slots for the drafts of one group.
    async fn reserve<'a>(&self, group: &SlotGroup, drafts: Vec<Draft<'a>>) -> Vec<Step<'a, Scheduled<'a>>> {
        let Some(first) = drafts.first() else { return Vec::new() };
        let (bucket, lane, arrival) = group;
        let limit = first.candidate.job.settings().policy.rate_limit(&first.plan.route.rate_key());
        let wanted = drafts.len();
        let now = Timestamp::now();
        let times = match self.rate_limits.reserve_or_plan(bucket, limit, *lane, *arrival, wanted, now).await {
            Ok(times) => times,
            Err(error) => {
                self.caps.give_back(&drafts).await;
                return failed(drafts, error).collect();
            }
        };
        let planned = drafts.iter().zip(&times).filter(|(_, time)| matches!(time, SendTime::Planned(_)));
        self.caps.give_back(planned.map(|(draft, _)| draft)).await;
        let at = |microsecond| Timestamp::from_microsecond(microsecond).unwrap_or(now);
        let scheduled = |(draft, time): (Draft<'a>, SendTime)| match time {
            SendTime::Slot(slot) => Ok(Scheduled::Slot(Box::new(Due { draft, slot: at(slot) }))),
            SendTime::Planned(planned) => Ok(draft.planned(at(planned), WaitReason::Slot)),
        };
        drafts.into_iter().zip(times).map(scheduled).collect()
    }

    /// Halves the rate of a route that Twilio refused as too fast. A rate that was halved since the message was decided about
    /// is not halved again.
    pub(crate) async fn throttle(&self, job: &Job<'_>, route: &Route, decided_at: Timestamp) {
        let limit = job.settings().policy.rate_limit(&route.rate_key());
        let bucket = bucket(&job.account_sid, route);
        if let Err(error) = self.rate_limits.throttle(&bucket, limit, decided_at, Timestamp::now()).await {
            tracing::error!(error = %Chain(&error), "the rate of a sender was not halved");
        }
    }
}

fn bucket(account_sid: &AccountSid, route: &Route) -> BucketKey {
    BucketKey::of_sender(account_sid, &route.rate_key())
}

fn failed(drafts: Vec<Draft<'_>>, error: StoreError) -> impl Iterator<Item = Step<'_, Scheduled<'_>>> {
    let error = SendError::from(error);
    drafts.into_iter().map(move |draft| Err(draft.candidate.job.failed(&error)))
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

#[cfg(test)]
mod tests;
