//! What is to be done about a notification, and the message it becomes.

use domain::policy::{self, Decision, NotificationProgress, PolicyRefusal, SendPlan, WaitReason};
use jiff::Timestamp;
use stores::notifications::{ClaimState, NextAttempt, NotificationOutcome, Precondition};

use crate::{
    Next, SendError, SendFunction, Step,
    compose::ComposeError,
    doubt::Doubt,
    ends::{AFTER_LEASE, REPLY_CHECK, WINDOW_CHECK, until},
    facts::Known,
    job::Job,
    schedule::Draft,
};

impl SendFunction {
    /// Takes a notification on from where it stands.
    pub(crate) async fn decide<'a>(
        &self,
        job: Job<'a>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Step<Draft<'a>>, SendError> {
        let standing = ClaimState::of(known.stored(&job)?, &job.subject.digest, now);
        let expected = Precondition::of(&standing);
        let (progress, attempts) = match &standing {
            ClaimState::New => (NotificationProgress::default(), 0),
            ClaimState::Claimable(found) => (found.progress(), found.attempts.len()),
            ClaimState::OutcomeUnknown(found) => match self.resolve(&job, found, now).await? {
                // The attempt in doubt is written down by the claim that follows it.
                Doubt::NotSent => (found.progress(), found.attempts.len() + 1),
                Doubt::Ended(next) => return Ok(Err(next)),
            },
            ClaimState::LeasedUntil(end) => return Ok(Err(Next::Again(until(*end, now) + AFTER_LEASE))),
            ClaimState::Finished(state) => {
                tracing::info!(notification_id = %job.subject.id, state = state.as_str(), "notification came again");
                return Ok(Err(Next::Done));
            }
            ClaimState::IdReused => return self.refuse_reuse(&job, now).await.map(Err),
        };
        let facts = self.case(&job).facts(&known.contacts, progress, now)?;
        match policy::decide(&job.notification, &job.rules, &facts, now) {
            Decision::Send(plan) => self.draft(job, known, plan, expected, attempts, now).await,
            Decision::Later { until: at, reason } => self.wait(&job, &standing, at, reason, now).await.map(Err),
            // Refused for good only when the person's message, if there was one, must have arrived.
            Decision::Never(PolicyRefusal::OutsideWindow) if job.incoming.is_fresh() => {
                Ok(Err(Next::Again(WINDOW_CHECK)))
            }
            Decision::Never(refusal) => {
                let outcome = outcome_of(&refusal);
                if matches!(outcome, NotificationOutcome::Rejected { .. }) {
                    self.dead_letter(job.incoming, &refusal.to_string()).await?;
                }
                self.write_end(&job.subject, &expected, &outcome, now).await.map(Err)
            }
        }
    }

    /// Composes the message before the claim: between the claim, whose condition is the suppression, and the request
    /// nothing is waited for.
    async fn draft<'a>(
        &self,
        job: Job<'a>,
        known: &Known,
        plan: SendPlan,
        expected: Precondition,
        attempts: usize,
        now: Timestamp,
    ) -> Result<Step<Draft<'a>>, SendError> {
        if !self.twilio.has(&job.subject.account_sid) {
            return Ok(Err(self.await_account(&job).await));
        }
        match self.composer.compose(&job, plan.route, attempts, &self.twilio).await {
            Ok(message) => Ok(Ok(Draft {
                pair_tat: known.pair_tat(&self.pair(&job)),
                marketing_sent: known.marketing_sent(&job)?,
                job,
                plan,
                expected,
                attempts,
                decided_at: now,
                message,
            })),
            Err(ComposeError::Invalid(reason)) => {
                self.dead_letter(job.incoming, &reason).await?;
                let outcome = NotificationOutcome::Rejected { reason, code: None };
                self.write_end(&job.subject, &expected, &outcome, now).await.map(Err)
            }
            Err(error) => Ok(Err(Self::await_template(&job, &error))),
        }
    }

    /// Writes down why a notification waits, once for each reason: who asks for it reads it there.
    async fn wait(
        &self,
        job: &Job<'_>,
        standing: &ClaimState,
        at: Timestamp,
        reason: WaitReason,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let text = reason.to_string();
        let (is_noted, route) = match standing {
            ClaimState::Claimable(found) => {
                (reason == WaitReason::Reply || found.reason.as_ref() == Some(&text), found.route)
            }
            _ => (false, 0),
        };
        if !is_noted && reason != WaitReason::Retry {
            let waiting = NextAttempt { reason: Some(text), code: None, route, not_before: None };
            let expected = Precondition::of(standing);
            self.notifications
                .write_outcome(&job.subject, &expected, &NotificationOutcome::Waiting(waiting), now)
                .await?;
        }
        let delay = until(at, now);
        // An answer that came while its template was on the way is found soon.
        Ok(Next::Again(if reason == WaitReason::Reply { delay.min(REPLY_CHECK) } else { delay }))
    }
}

fn outcome_of(refusal: &PolicyRefusal) -> NotificationOutcome {
    let reason = refusal.to_string();
    match refusal {
        PolicyRefusal::Expired | PolicyRefusal::Unanswered => NotificationOutcome::Expired { reason },
        PolicyRefusal::OptedOut(_) | PolicyRefusal::NoConsent(_) | PolicyRefusal::Cap { .. } => {
            NotificationOutcome::Suppressed { reason, code: None }
        }
        PolicyRefusal::OutsideWindow => NotificationOutcome::Rejected { reason, code: None },
    }
}
