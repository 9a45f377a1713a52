//! Whether a notification may be sent, with which of its options, and when: one pure decision with its reason.
//!
//! [`decide`] makes these checks in this order, and the first that applies is the decision:
//!
//! 1. `expires_at` has passed, or the time for an answer to its template: never send it.
//! 2. `send_at` has not come: decide again then. No later check runs before, because opt-outs and consent may still
//!    change.
//! 3. The recipient opted out, has no valid consent, or has received as much marketing as the cap allows: never send
//!    it.
//! 4. The pause before a retry is not over: decide again after it.
//! 5. The template was sent and the recipient has not answered: decide again when the time for an answer is over.
//!    A message that was accepted and has no report of its delivery: decide again when the next option follows.
//! 6. No option can be sent now. WhatsApp accepts text and media only in the 24 hours after the recipient's last
//!    message (the service window), but approved templates always, and SMS has no window. A template must exist and be
//!    approved, and the notification must have a value for each of its variables ([`crate::templates`]): never send it.
//! 7. The recipient has quiet hours: decide again after them.
//! 8. A pause covers the option: decide again when it is over.
//! 9. Otherwise send the first option that has not failed and can be sent now.
//!
//! What it depends on may change after the decision. So the claim that precedes the call to Twilio writes both items, the
//! notification and the person, on the condition that neither has changed since it was read. If one has, the decision is
//! made again.

use jiff::{SignedDuration, Timestamp};

use twilio_types::sid::AccountSid;

use crate::{
    configured_senders::ConfiguredSenders,
    limits::SERVICE_WINDOW,
    notification::{Category, Content, FallbackChannel, Notification},
    pause::Pauses,
    person::Person,
    progress::{Phase, Progress, Purpose, Step},
    route::{NoSender, Route},
    suppression::Scope,
    template_settings::TemplateSettings,
    templates::{PassedOver, TemplateRegistry},
    waiting::WaitReason,
};

mod settings;
mod template_options;

pub use settings::{ConsentRule, InvalidPolicy, MarketingCap, OnUnknown, Policy, QuietRule, RecipientRules};

/// Everything that a decision depends on, except the time.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub notification: &'a Notification,
    /// The rules for the recipient's country.
    pub rules: &'a RecipientRules,
    pub person: &'a Person,
    pub progress: &'a Progress,
    /// The senders of notifications that name none.
    pub senders: &'a ConfiguredSenders,
    /// When the notification expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    /// The account that the notification names, or the configured one.
    pub account_sid: &'a AccountSid,
    /// What is paused.
    pub pauses: &'a Pauses,
    /// The account's templates.
    pub templates: &'a TemplateRegistry,
    pub template_settings: &'a TemplateSettings,
}

/// What to do with a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send it now.
    Send(Step),
    /// Decide again at this time.
    Later { until: Timestamp, reason: WaitReason },
    /// Decide again when the pause that covers this step is over, which is not known now.
    Paused(Step),
    /// Do not send it, or nothing more of it.
    Never(PolicyRefusal),
}

/// Why a notification is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    #[error("expires_at has passed")]
    Expired,
    /// Its template was sent, and the recipient did not answer in time.
    #[error("expires_at has passed, and the recipient has not answered the template")]
    Unanswered,
    #[error("the recipient has opted out{}", reach(.0))]
    OptedOut(Scope),
    /// The recipient never gave consent, withdrew it, or gave it too long ago.
    #[error("no living consent: {0} needs one where the recipient is")]
    NoConsent(&'static str),
    /// The marketing cap: the most messages in a number of days.
    #[error("the recipient has had {messages} marketing messages in {days} days, which is the cap")]
    Cap { messages: u32, days: u32 },
    #[error(
        "content: free-form outside of the service window, and no template in fallback: expected a template, or a \
         recipient who wrote in the last 24 hours"
    )]
    OutsideWindow,
    /// The template of each option that is left cannot be sent.
    #[error("{}", reasons(passed_over))]
    Template {
        passed_over: Vec<PassedOver>,
        /// Whether one of the templates may exist and not be known here yet.
        may_be_unknown: bool,
    },
}

fn reasons(passed_over: &[PassedOver]) -> String {
    passed_over.iter().map(|option| option.reason.as_str()).collect::<Vec<_>>().join("; ")
}

/// What an opt-out covers, for the end of a sentence.
const fn reach(scope: &Scope) -> &'static str {
    match scope {
        Scope::All => "",
        Scope::Marketing => " of marketing",
        Scope::Sender(_) => " of this sender",
    }
}

/// A message that we send in the last moment of the window reaches WhatsApp after it.
const WINDOW_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// How long a notification without `expires_at` waits for the answer to its template.
pub const REPLY_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Decides what to do with a notification now. The module's documentation has the order of the checks: reasons to end
/// it come before reasons to delay it, except that nothing but its expiry is checked before `send_at`.
pub fn decide(case: &Case<'_>, now: Timestamp) -> Decision {
    let Case { notification, rules, progress, .. } = case;
    if let Some(refusal) = expired(case, now) {
        return Decision::Never(refusal);
    }
    if let Some(until) = notification.send_at.filter(|send_at| *send_at > now) {
        return Decision::Later { until, reason: WaitReason::SendAt };
    }
    if let Some(refusal) = unwanted(case, now) {
        return Decision::Never(refusal);
    }
    if let Phase::Ready { not_before: Some(until), .. } = progress.phase
        && until > now
    {
        return Decision::Later { until, reason: WaitReason::Retry };
    }
    let step = match case.next_step(now) {
        Ok(step) => step,
        Err(decision) => return decision,
    };
    match rules.quiet_hours_of(notification.category).map(|hours| hours.allowed_from(now, &notification.time_zones())) {
        Some(until) if until > now => Decision::Later { until, reason: WaitReason::QuietHours },
        _ if case.is_paused(step) => Decision::Paused(step),
        _ => Decision::Send(step),
    }
}

fn expired(case: &Case<'_>, now: Timestamp) -> Option<PolicyRefusal> {
    let asked_at = case.asked_at();
    let ends_at = case.expires_at.or_else(|| asked_at.map(reply_by))?;
    let refusal = if asked_at.is_some() { PolicyRefusal::Unanswered } else { PolicyRefusal::Expired };
    (ends_at <= now).then_some(refusal)
}

fn reply_by(asked_at: Timestamp) -> Timestamp {
    asked_at.saturating_add(REPLY_WITHIN).unwrap_or(Timestamp::MAX)
}

fn unwanted(case: &Case<'_>, now: Timestamp) -> Option<PolicyRefusal> {
    let category = case.notification.category;
    if let Ok(content) = case.route(0)
        && let Some(scope) = case.person.suppressed_by(&content.scopes(category))
    {
        return Some(PolicyRefusal::OptedOut(scope.clone()));
    }
    if let Some(rule) = case.rules.consent(category)
        && !case.person.consent_given_at(category).is_some_and(|given_at| rule.is_valid(given_at, now))
    {
        return Some(PolicyRefusal::NoConsent(category.as_str()));
    }
    let cap = case.rules.marketing_cap.filter(|_| category == Category::Marketing)?;
    let count = case.person.marketing_count(&case.notification.id, cap, now);
    let reached = u32::try_from(count).is_ok_and(|count| count >= cap.messages);
    reached.then_some(PolicyRefusal::Cap { messages: cap.messages, days: cap.days })
}

impl Case<'_> {
    /// The route of an option: 0 is the content, 1 the first fallback.
    pub fn route(&self, option: usize) -> Result<Route, NoSender> {
        let (channel, _) = self.notification.channel_option(option).ok_or(NoSender::WhatsApp)?;
        Route::of(self.notification, channel, self.senders)
    }

    fn is_paused(&self, step: Step) -> bool {
        let scopes = self.route(step.option).map(|route| route.pause_scopes(self.notification.category));
        self.pauses.covering(self.account_sid, &scopes.unwrap_or_default()).is_some()
    }

    /// When the template was claimed whose answer the content waits for.
    fn asked_at(&self) -> Option<Timestamp> {
        let is_awaiting = self.progress.phase == Phase::AwaitingReply;
        self.progress.last().filter(|_| is_awaiting).map(|attempt| attempt.claimed_at)
    }

    /// When the person last wrote to the sender of an option.
    fn last_inbound_at(&self, option: usize) -> Option<Timestamp> {
        self.person.last_inbound_at(&self.route(option).ok()?.window()?)
    }

    /// Whether an option may be sent now, as far as WhatsApp's service window is concerned. That of a template is checked
    /// with its approval.
    fn is_open(&self, option: usize, now: Timestamp) -> bool {
        match self.notification.channel_option(option) {
            Some((FallbackChannel::WhatsApp, Content::Text { .. } | Content::Media { .. })) => {
                self.is_window_open(option, now)
            }
            option => option.is_some(),
        }
    }

    fn is_window_open(&self, option: usize, now: Timestamp) -> bool {
        self.last_inbound_at(option).is_some_and(|at| now.duration_since(at) < SERVICE_WINDOW - WINDOW_MARGIN)
    }

    /// Whether the person opted out of what the route of an option covers. An option without a sender is not suppressed:
    /// it is refused with the missing field when its message is composed.
    fn is_suppressed(&self, option: usize) -> Option<Scope> {
        let scopes = self.route(option).ok()?.scopes(self.notification.category);
        self.person.suppressed_by(&scopes).cloned()
    }

    /// The step that can be sent now, or the decision if there is none.
    fn next_step(&self, now: Timestamp) -> Result<Step, Decision> {
        const CONTENT: Step = Step { option: 0, purpose: Purpose::Deliver };
        if let Some(asked_at) = self.asked_at() {
            let is_answered = self.last_inbound_at(0).is_some_and(|at| at >= asked_at);
            if is_answered && self.is_open(0, now) {
                return Ok(CONTENT);
            }
            let reply_by = self.expires_at.unwrap_or_else(|| reply_by(asked_at));
            return match self.step_after_silence(now) {
                Err(Decision::Later { until, reason }) if until < reply_by => Err(Decision::Later { until, reason }),
                Err(_) => Err(Decision::Later { until: reply_by, reason: WaitReason::Reply }),
                Ok(step) => Ok(step),
            };
        }
        if self.progress.phase == Phase::Accepted {
            return self.step_after_silence(now);
        }
        let ready = self.progress.ready_step().unwrap_or(CONTENT);
        let waits_for_reply = self.notification.wait_for_reply && !self.progress.was_delivery_tried();
        if waits_for_reply && self.is_open(0, now) {
            return Ok(CONTENT);
        }
        let mut suppressed = None;
        let mut problems = Vec::new();
        for option in ready.option..=self.notification.fallback.len() {
            if !self.is_open(option, now) || self.progress.is_spent(option) {
                continue;
            }
            if let Some(scope) = self.is_suppressed(option) {
                suppressed = suppressed.or(Some(scope));
            } else if let Err(problem) = self.template(option, now) {
                problems.push((option, problem));
            } else {
                return Ok(Step { option, purpose: self.purpose(option, waits_for_reply) });
            }
        }
        Err(Decision::Never(match suppressed {
            Some(scope) => PolicyRefusal::OptedOut(scope),
            None => template_options::refusal(&problems),
        }))
    }

    /// The option that follows the message that was accepted, because its delivery was not reported in time.
    fn step_after_silence(&self, now: Timestamp) -> Result<Step, Decision> {
        let waits_for_reply = self.notification.wait_for_reply && !self.progress.was_delivery_tried();
        let (mut next_due_at, mut suppressed, mut problems) = (None::<Timestamp>, None, Vec::new());
        for (option, due_at) in self.progress.options_after_silence(self.notification) {
            if !self.is_open(option, now) {
                continue;
            }
            if let Some(scope) = self.is_suppressed(option) {
                suppressed = suppressed.or(Some(scope));
            } else if due_at > now {
                // What is wrong with its template now may be right by then.
                next_due_at = Some(next_due_at.map_or(due_at, |known| known.min(due_at)));
            } else if let Err(problem) = self.template(option, now) {
                problems.push((option, problem));
            } else {
                return Ok(Step { option, purpose: self.purpose(option, waits_for_reply) });
            }
        }
        Err(match (next_due_at, suppressed) {
            (Some(until), _) => Decision::Later { until, reason: WaitReason::Delivery },
            (None, Some(scope)) => Decision::Never(PolicyRefusal::OptedOut(scope)),
            (None, None) => Decision::Never(template_options::refusal(&problems)),
        })
    }

    /// A template on WhatsApp that goes out instead of the content, while the content may still follow.
    fn purpose(&self, option: usize, waits_for_reply: bool) -> Purpose {
        let by_whatsapp =
            self.notification.channel_option(option).is_some_and(|(channel, _)| channel == FallbackChannel::WhatsApp);
        if waits_for_reply && option > 0 && by_whatsapp { Purpose::AskForReply } else { Purpose::Deliver }
    }
}

#[cfg(test)]
mod tests;
