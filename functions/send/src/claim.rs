//! The claim: the right to send one message, acquired in the moment when it is sent.
//!
//! `stores::notifications` describes what a claim is. This stage makes one when a message's slot has come:
//!
//! 1. After the deadline nothing is claimed, and a message that missed its slot goes back for another one.
//! 2. The notification is judged again: it may have expired, and the person may have opted out, withdrawn a consent, or
//!    reached a cap. Only if the judgement is still the plan that the message was composed by does it go on. If it follows a
//!    message that was not delivered, the callbacks of that message are read once more ([`crate::delivery_check`]).
//! 3. One transaction writes the notification with a new attempt and a lease, and the person with what the attempt counts
//!    for, each on the condition that its item has not changed since it was read.
//! 4. If the person has changed, step 1 follows with the person as stored now. If the notification has changed, another
//!    function works on it.
//!
//! So whatever a person asked for counts if it was stored before the claim, and between the claim and the request to Twilio
//! nothing is waited for.

use std::time::Duration;

use domain::{
    limits::{CLAIM_LEASE, RESOLVE_MARGIN, validity},
    notification::Notification,
    person::Person,
    progress::Purpose,
};
use jiff::{SignedDuration, Timestamp};
use stores::{
    contacts::{Contacts, MAX_ROUNDS, PersonWrite, StoredPerson},
    dynamodb::Item,
    notifications::{ClaimOutcome, ClaimState, Lease, LeaseId, Notifications, StoredNotification, next_version},
};

use crate::{
    delivery_check::DeliveryCheck,
    job::{Candidate, Job},
    judge::{Judgement, Plan, judge},
    next::{Next, Stop},
    outgoing::Outgoing,
    schedule::{Draft, Due},
};

/// Claims notifications.
#[derive(Debug)]
pub(crate) struct Claimer {
    pub(crate) notifications: Notifications,
    pub(crate) contacts: Contacts,
    pub(crate) delivery_check: DeliveryCheck,
}

/// What became of a message whose slot has come.
pub(crate) enum ClaimResult<'a> {
    Claimed(Box<Claimed<'a>>),
    /// Its slot has passed, or other messages to the recipient were faster. It needs another time.
    Late(Draft<'a>),
    /// It is not sent as planned.
    Judged(Candidate<'a>, Judgement),
}

/// A notification that this function alone sends now.
pub(crate) struct Claimed<'a> {
    pub(crate) job: Job<'a>,
    /// As the claim wrote it.
    pub(crate) stored: StoredNotification,
    pub(crate) person: StoredPerson,
    pub(crate) plan: Plan,
    pub(crate) message: Outgoing,
    pub(crate) slot: Timestamp,
    pub(crate) decided_at: Timestamp,
}

impl Claimed<'_> {
    /// The number of the attempt: it is the last one.
    pub(crate) fn attempt(&self) -> usize {
        self.stored.progress.attempts.len().saturating_sub(1)
    }
}

/// A message that is claimed later than this after its slot would follow the next ones too closely.
const MAX_LATENESS: SignedDuration = SignedDuration::from_millis(250);

/// What a claim and a request to Twilio take at most: 4.5 s (`shared::aws`) and 10 s (`twilio_client`). After less time the
/// request would be given up, and it would not be known for minutes whether it created a message.
const TIME_TO_SEND: Duration = Duration::from_secs(15);

impl Claimer {
    pub(crate) async fn claim<'a>(&self, due: Due<'a>) -> Result<ClaimResult<'a>, Stop> {
        let Due { mut draft, slot } = due;
        for _ in 0..MAX_ROUNDS {
            let now = Timestamp::now();
            if draft.candidate.job.message.deadline.remaining() < TIME_TO_SEND {
                return Err(Next::SOON.into());
            }
            if now.duration_since(slot) > MAX_LATENESS {
                return Ok(ClaimResult::Late(draft));
            }
            match judge(&draft.candidate, now) {
                Judgement::Send(plan) if plan == draft.plan => {}
                // Another message has to be composed.
                Judgement::Send(_) => return Err(Next::SOON.into()),
                other => return Ok(ClaimResult::Judged(draft.candidate, other)),
            }
            // It was delivered, or failed, while this message waited for its slot: that is recorded when it comes again.
            if self.delivery_check.reported(&draft.candidate, now).await?.is_some() {
                return Err(Next::SOON.into());
            }
            match self.try_claim(&draft, now).await? {
                Attempted::Claimed(stored) => {
                    let Draft { candidate: Candidate { job, person, .. }, plan, message, decided_at, .. } = draft;
                    plan.template.log(&job);
                    let claimed = Claimed { job, stored: *stored, person, plan, message, slot, decided_at };
                    return Ok(ClaimResult::Claimed(Box::new(claimed)));
                }
                Attempted::PersonChanged(item) => {
                    draft.candidate.person = self.person_now(&draft.candidate, item).await?;
                }
                Attempted::RecipientIsFull => return Ok(ClaimResult::Late(draft)),
            }
        }
        Err(draft.candidate.job.message.after_failure().into())
    }

    async fn try_claim(&self, draft: &Draft<'_>, now: Timestamp) -> Result<Attempted, Stop> {
        let candidate = &draft.candidate;
        let Ok(person) = person_after(candidate, &draft.plan, now) else { return Ok(Attempted::RecipientIsFull) };
        let mut stored = notification_after(candidate, &draft.plan, &draft.message, now);
        let person = self.contacts.write_person_actions(&candidate.person, &person, &PersonWrite::Claim, now)?;
        match self.notifications.claim(candidate.seen, &stored, person, now).await? {
            ClaimOutcome::Claimed => {
                stored.version = next_version(candidate.seen, now);
                Ok(Attempted::Claimed(Box::new(stored)))
            }
            ClaimOutcome::PersonChanged(item) => Ok(Attempted::PersonChanged(item)),
            ClaimOutcome::NotificationChanged(found) => {
                let state = ClaimState::of(found.map(|found| *found), &candidate.job.digest, now);
                Err(after_other_writer(&state, now).into())
            }
        }
    }

    /// The person as stored now, from the item that refused a claim.
    async fn person_now(&self, candidate: &Candidate<'_>, item: Item) -> Result<StoredPerson, Stop> {
        match Contacts::read_person(item)? {
            Some(person) => Ok(person),
            // The home has become an alias, because the person was found to be the same as another one; or they were erased.
            None => Ok(self.contacts.person(&candidate.job.contact).await?),
        }
    }
}

enum Attempted {
    Claimed(Box<StoredNotification>),
    PersonChanged(Item),
    /// The recipient has had as many messages as WhatsApp allows.
    RecipientIsFull,
}

/// The notification with a new attempt and a lease.
fn notification_after(
    candidate: &Candidate<'_>,
    plan: &Plan,
    message: &Outgoing,
    now: Timestamp,
) -> StoredNotification {
    let mut stored = candidate.stored.clone();
    stored.progress.claim(plan.step, plan.route.channel, now);
    let chosen = plan.template.chosen_for(&candidate.job.notification, plan.step);
    stored.progress.choose_template(chosen, plan.template.passed_over.clone());
    stored.lease = Some(lease(&candidate.job.notification, message, now));
    stored.open_until = None;
    stored.due = None;
    stored
}

/// A message may be valid for a shorter time than its notification asks for.
fn lease(notification: &Notification, message: &Outgoing, claimed_at: Timestamp) -> Lease {
    let after = |duration| claimed_at.saturating_add(duration).unwrap_or(Timestamp::MAX);
    let of_message = message.validity_period().map(|seconds| SignedDuration::from_secs(seconds.into()));
    let validity = of_message.unwrap_or_else(|| validity(notification));
    Lease { id: LeaseId::random(), until: after(CLAIM_LEASE), resolvable_at: after(validity + RESOLVE_MARGIN) }
}

/// The person with what the attempt counts for. The error is the time from which the person can receive it.
fn person_after(candidate: &Candidate<'_>, plan: &Plan, now: Timestamp) -> Result<Person, Timestamp> {
    let mut person = candidate.person.person.clone();
    let id = &candidate.job.notification.id;
    person.reserve(&plan.route.rate_key(), now)?;
    if let Some(cap) = candidate.job.rules.marketing_cap.filter(|_| candidate.job.is_marketing()) {
        person.count_marketing(id.clone(), cap, now);
    }
    match plan.step.purpose {
        // From now on a message of the person wakes the notification.
        Purpose::AskForReply => person.awaiting.insert(id.clone()),
        Purpose::Deliver => person.awaiting.remove(id),
    };
    Ok(person)
}

/// When the message comes again, because another function was faster.
fn after_other_writer(state: &ClaimState, now: Timestamp) -> Next {
    match state {
        ClaimState::LeasedUntil(until) => Next::after_lease(*until, now),
        ClaimState::Finished(_) => Next::Done,
        ClaimState::New
        | ClaimState::Claimable(_)
        | ClaimState::AwaitingDelivery(_)
        | ClaimState::OutcomeUnknown(_)
        | ClaimState::IdReused => Next::SOON,
    }
}

#[cfg(test)]
mod tests;
