//! From a message that is due to a claim, and from the claim to its end.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{
    failure_response::{asks_to_slow_down, next_option},
    limits::{CLAIM_LEASE, MAX_ATTEMPTS},
    policy::PolicyRefusal,
    suppression::Scope,
    token_bucket::reserve_sender_recipient,
};
use jiff::{SignedDuration, Timestamp};
use stores::{
    contacts::Contacts,
    dynamodb::FailedCondition,
    notifications::{ClaimOutcome, ClaimState, Lease, LeaseId, NextAttempt, NotificationOutcome, OutcomeWrite},
    rate_limits::tat_in,
};
use twilio_types::{address::Channel, limits::VALIDITY_PERIOD_SECONDS};

use crate::{
    Next, SendError, SendFunction, backoff,
    deliver::Delivery,
    ends::{AFTER_LEASE, REPLY_CHECK, log_end, until},
    schedule::Draft,
};

/// A claim is tried again each time somebody else sent to the same person meanwhile.
const ROUNDS: usize = 8;

/// What of the outside world a claim stands on, in the order of its transaction.
struct Conditions {
    actions: Vec<TransactWriteItem>,
    /// What the first of them are about.
    suppressions: Vec<(Channel, Scope)>,
}

/// What a refused claim leads to.
enum Refused {
    /// It is over for now.
    Next(Next),
    /// Somebody else sent to this person: once more, with what is known now.
    Changed,
}

impl SendFunction {
    /// Claims and sends. The suppression is a condition of the claim itself: a STOP that was answered before it always
    /// wins, and between the claim and the request to Twilio nothing is waited for.
    pub(crate) async fn claim(&self, mut draft: Draft<'_>) -> Result<Next, SendError> {
        let held = held(&draft);
        for _ in 0..ROUNDS {
            let now = Timestamp::now();
            if draft.job.notification.expires_at.is_some_and(|expires_at| expires_at <= now) {
                let outcome = NotificationOutcome::Expired { reason: PolicyRefusal::Expired.to_string() };
                return self.write_end(&draft.job.subject, &draft.expected, &outcome, now).await;
            }
            let pair_tat = match reserve_sender_recipient(draft.pair_tat, now.as_microsecond()) {
                Ok(tat) => tat,
                Err(at) => {
                    let at = Timestamp::from_microsecond(at).unwrap_or(now);
                    return Ok(Next::Again(until(at, now) + AFTER_LEASE));
                }
            };
            let conditions = self.conditions(&draft, pair_tat, now)?;
            let (subject, expected) = (&draft.job.subject, &draft.expected);
            let suppressions = conditions.suppressions;
            let claim = self.notifications.claim(subject, expected, &held, conditions.actions, now).await?;
            match claim {
                ClaimOutcome::Claimed => return self.attempt(draft, &held).await,
                ClaimOutcome::Changed(standing) => return self.overtaken(&draft, &standing, now).await,
                ClaimOutcome::Refused(refusals) => match self.refused(&mut draft, refusals, suppressions, now).await? {
                    Refused::Next(next) => return Ok(next),
                    Refused::Changed => {}
                },
            }
        }
        Ok(draft.job.incoming.after_failure())
    }

    fn conditions(&self, draft: &Draft<'_>, pair_tat: i64, now: Timestamp) -> Result<Conditions, SendError> {
        let job = &draft.job;
        let case = self.case(job);
        let suppressions = case.suppressions();
        let mut actions = self.contacts.require_not_suppressed(&job.contact, &suppressions)?;
        actions.push(self.rate_limits.sender_recipient_action(&self.pair(job), draft.pair_tat, pair_tat, now)?);
        if let Some(cap) = job.rules.marketing_cap.filter(|_| case.is_capped()) {
            let memory = SignedDuration::from_hours(24 * i64::from(cap.days));
            let seen = draft.marketing_sent.as_ref();
            actions.push(self.contacts.marketing_action(&job.contact, seen, &job.subject.id, memory, now)?);
        }
        Ok(Conditions { actions, suppressions })
    }

    /// The conditions that refused a claim: a suppression ends the notification, and what others changed is taken over.
    async fn refused(
        &self,
        draft: &mut Draft<'_>,
        refusals: Vec<Option<FailedCondition>>,
        suppressions: Vec<(Channel, Scope)>,
        now: Timestamp,
    ) -> Result<Refused, SendError> {
        let mut refusals = refusals.into_iter();
        for ((_, scope), refusal) in suppressions.into_iter().zip(refusals.by_ref()) {
            if refusal.is_some() {
                let reason = PolicyRefusal::OptedOut(scope).to_string();
                let outcome = NotificationOutcome::Suppressed { reason, code: None };
                return self.write_end(&draft.job.subject, &draft.expected, &outcome, now).await.map(Refused::Next);
            }
        }
        if let Some(pair) = refusals.next().flatten() {
            draft.pair_tat = tat_in(&pair.item);
        }
        if let Some(marketing) = refusals.next().flatten() {
            draft.marketing_sent = Contacts::read_marketing_sent(marketing.item)?;
            if is_over_cap(draft, now) {
                // Decided anew, with all that is known then.
                return Ok(Refused::Next(Next::Again(AFTER_LEASE)));
            }
        }
        Ok(Refused::Changed)
    }

    /// Somebody else was quicker.
    async fn overtaken(&self, draft: &Draft<'_>, standing: &ClaimState, now: Timestamp) -> Result<Next, SendError> {
        match standing {
            ClaimState::LeasedUntil(end) => Ok(Next::Again(until(*end, now) + AFTER_LEASE)),
            ClaimState::Finished(_) => Ok(Next::Done),
            ClaimState::IdReused => self.refuse_reuse(&draft.job, now).await,
            ClaimState::New | ClaimState::Claimable(_) | ClaimState::OutcomeUnknown(_) => Ok(Next::Again(AFTER_LEASE)),
        }
    }

    async fn attempt(&self, draft: Draft<'_>, held: &Lease) -> Result<Next, SendError> {
        let subject = &draft.job.subject;
        let delivery = self.deliver(subject, &draft.message, draft.attempts).await;
        let now = Timestamp::now();
        match delivery {
            Delivery::Taken(message_sid) => {
                let (outcome, with, next) = self.taken(&draft, message_sid)?;
                let settled = self.notifications.settle_claim(subject, held, &outcome, with, now).await?;
                log_end(subject, &outcome, settled);
                Ok(next)
            }
            Delivery::Refused { reason, code, cure } => {
                let route = cure.and_then(|cure| next_option(&draft.job.notification, held.route, cure));
                let Some(route) = route else {
                    return self.end_refused(&draft, held, reason, code, now).await;
                };
                let waiting = NextAttempt { reason: Some(reason), code, route, not_before: None };
                self.settle_waiting(&draft, held, waiting, AFTER_LEASE, now).await
            }
            Delivery::NotDone { code, retry_after } => {
                if code.is_some_and(asks_to_slow_down) {
                    let (key, sender) = self.bucket(&draft);
                    self.rate_limits.throttle(&key, self.policy.rate_limit(&sender), draft.decided_at, now).await?;
                }
                let waiting = NextAttempt { reason: None, code, route: held.route, not_before: None };
                let pause = backoff::full_jitter(draft.attempts + 1).max(retry_after.unwrap_or_default());
                self.settle_waiting(&draft, held, waiting, pause, now).await
            }
            // The claim is left as a crash would leave it, and ends the same way: looked at when the lease is over.
            Delivery::Unknown => Ok(Next::Again(CLAIM_LEASE.unsigned_abs() + AFTER_LEASE)),
        }
    }

    /// What Twilio took: done, or only the template of what is to follow.
    fn taken(
        &self,
        draft: &Draft<'_>,
        message_sid: twilio_types::sid::MessageSid,
    ) -> Result<(NotificationOutcome, Vec<TransactWriteItem>, Next), SendError> {
        if !draft.plan.awaits_reply {
            return Ok((NotificationOutcome::Accepted(message_sid), Vec::new(), Next::Done));
        }
        let now = Timestamp::now();
        let waiting = self.contacts.await_reply(&draft.job.contact, &draft.job.subject.id, now)?;
        let ends = draft.job.notification.expires_at.map_or(REPLY_CHECK, |expires_at| until(expires_at, now));
        Ok((NotificationOutcome::AwaitingReply(message_sid), vec![waiting], Next::Again(ends.min(REPLY_CHECK))))
    }

    async fn settle_waiting(
        &self,
        draft: &Draft<'_>,
        held: &Lease,
        waiting: NextAttempt,
        pause: std::time::Duration,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let subject = &draft.job.subject;
        let (code, attempts) = (waiting.code, held.attempts + 1);
        match self
            .notifications
            .settle_claim(subject, held, &NotificationOutcome::Waiting(waiting), Vec::new(), now)
            .await?
        {
            OutcomeWrite::Written if attempts >= MAX_ATTEMPTS => {
                let outcome =
                    NotificationOutcome::Rejected { reason: format!("given up after {attempts} attempts"), code };
                self.dead_letter(draft.job.incoming, outcome.reason().unwrap_or_default()).await?;
                let expected = stores::notifications::Precondition::Unchanged(now);
                self.write_end(subject, &expected, &outcome, Timestamp::now()).await
            }
            OutcomeWrite::Written => Ok(Next::Again(pause)),
            OutcomeWrite::Overtaken => Ok(Next::Again(AFTER_LEASE)),
        }
    }
}

fn held(draft: &Draft<'_>) -> Lease {
    let validity = draft.job.notification.validity_period.unwrap_or(*VALIDITY_PERIOD_SECONDS.end());
    Lease {
        id: LeaseId::random(),
        attempts: draft.attempts,
        route: draft.plan.route,
        channel: draft.channel(),
        validity: SignedDuration::from_secs(validity.into()),
    }
}

fn is_over_cap(draft: &Draft<'_>, now: Timestamp) -> bool {
    let Some(cap) = draft.job.rules.marketing_cap else { return false };
    let others = draft
        .marketing_sent
        .iter()
        .flatten()
        .filter(|(id, at)| id.as_str() != draft.job.subject.id.as_str() && cap.covers(**at, now));
    u32::try_from(others.count()).is_ok_and(|count| count >= cap.messages)
}
