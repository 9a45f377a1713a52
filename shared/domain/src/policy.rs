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
//! 6. No option can be sent now. WhatsApp accepts text and media only in the 24 hours after the recipient's last
//!    message (the service window), but templates always, and SMS has no window: never send it.
//! 7. The recipient has quiet hours: decide again after them.
//! 8. Otherwise send the first option that has not failed and can be sent now.
//!
//! The facts may change after the decision. So the claim that precedes the call to Twilio checks the suppressions and
//! the cap again, as conditions of its transaction.

use jiff::{SignedDuration, Timestamp};

use crate::{
    limits::SERVICE_WINDOW,
    notification::{Category, Content, FallbackChannel, Notification},
    suppression::Scope,
};

mod settings;

pub use settings::{ConsentRule, InvalidPolicy, MarketingCap, OnUnknown, Policy, QuietRule, RecipientRules};

/// The facts that a decision depends on.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The suppression that covers this notification, if there is one.
    pub suppressed: Option<Scope>,
    /// When the recipient last wrote to the sender.
    pub last_inbound_at: Option<Timestamp>,
    /// When the current consent in this category was given; none if there is none or it was withdrawn.
    pub consent_given_at: Option<Timestamp>,
    /// When other marketing notifications were sent to the recipient.
    pub marketing_sent_at: Vec<Timestamp>,
    /// The end of the recipient's quiet hours, if the rules have quiet hours. Now, if it is not quiet.
    pub quiet_until: Option<Timestamp>,
    pub progress: NotificationProgress,
}

/// How far a notification has progressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotificationProgress {
    /// The first option that has not failed: 0 is the content, 1 the first fallback.
    pub route: usize,
    /// When the template was sent whose answer the content waits for.
    pub template_sent_at: Option<Timestamp>,
    /// The earliest time of the next attempt.
    pub not_before: Option<Timestamp>,
}

/// What to do with a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send it now.
    Send(SendPlan),
    /// Decide again at this time.
    Later { until: Timestamp, reason: WaitReason },
    /// Do not send it, or nothing more of it.
    Never(PolicyRefusal),
}

/// The option to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPlan {
    /// 0 is the content, 1 the first fallback.
    pub route: usize,
    /// Whether this is the template whose answer the content waits for.
    pub awaits_reply: bool,
}

/// Why a notification waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitReason {
    #[error("send_at has not come")]
    SendAt,
    #[error("Twilio could not take it, another try follows")]
    Retry,
    #[error("quiet hours where the recipient is")]
    QuietHours,
    #[error("the template was sent, the content follows the recipient's answer")]
    Reply,
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
    /// The marketing cap: at most so many messages in so many days.
    #[error("the recipient has had {messages} marketing messages in {days} days, which is the cap")]
    Cap { messages: u32, days: u32 },
    #[error(
        "content: free-form outside of the service window, and no template in fallback: expected a template, or a \
         recipient who wrote in the last 24 hours"
    )]
    OutsideWindow,
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
pub fn decide(notification: &Notification, rules: &RecipientRules, facts: &Facts, now: Timestamp) -> Decision {
    if let Some(refusal) = expired(notification, facts, now) {
        return Decision::Never(refusal);
    }
    if let Some(until) = notification.send_at.filter(|send_at| *send_at > now) {
        return Decision::Later { until, reason: WaitReason::SendAt };
    }
    if let Some(refusal) = unwanted(notification.category, rules, facts, now) {
        return Decision::Never(refusal);
    }
    if let Some(until) = facts.progress.not_before.filter(|not_before| *not_before > now) {
        return Decision::Later { until, reason: WaitReason::Retry };
    }
    let plan = match plan(notification, facts, now) {
        Ok(plan) => plan,
        Err(decision) => return decision,
    };
    match facts.quiet_until.filter(|until| *until > now && rules.is_quiet_for(notification.category)) {
        Some(until) => Decision::Later { until, reason: WaitReason::QuietHours },
        None => Decision::Send(plan),
    }
}

fn expired(notification: &Notification, facts: &Facts, now: Timestamp) -> Option<PolicyRefusal> {
    let reply_by = |sent_at: Timestamp| sent_at.saturating_add(REPLY_WITHIN).unwrap_or(Timestamp::MAX);
    let unanswered_at = facts.progress.template_sent_at.map(reply_by);
    let ends_at = notification.expires_at.or(unanswered_at)?;
    let refusal =
        if facts.progress.template_sent_at.is_some() { PolicyRefusal::Unanswered } else { PolicyRefusal::Expired };
    (ends_at <= now).then_some(refusal)
}

fn unwanted(category: Category, rules: &RecipientRules, facts: &Facts, now: Timestamp) -> Option<PolicyRefusal> {
    if let Some(scope) = &facts.suppressed {
        return Some(PolicyRefusal::OptedOut(scope.clone()));
    }
    if let Some(rule) = rules.consent(category)
        && !facts.consent_given_at.is_some_and(|given_at| rule.is_valid(given_at, now))
    {
        return Some(PolicyRefusal::NoConsent(category.as_str()));
    }
    let cap = rules.marketing_cap.filter(|_| category == Category::Marketing)?;
    let recent = facts.marketing_sent_at.iter().filter(|sent_at| cap.covers(**sent_at, now)).count();
    let reached = u32::try_from(recent).is_ok_and(|recent| recent >= cap.messages);
    reached.then_some(PolicyRefusal::Cap { messages: cap.messages, days: cap.days })
}

/// The first option that can be sent now, or the decision if there is none.
fn plan(notification: &Notification, facts: &Facts, now: Timestamp) -> Result<SendPlan, Decision> {
    let window_is_open =
        facts.last_inbound_at.is_some_and(|at| now.duration_since(at) < SERVICE_WINDOW - WINDOW_MARGIN);
    let is_open = |route: &usize| match notification.channel_option(*route) {
        Some((FallbackChannel::WhatsApp, Content::Text { .. } | Content::Media { .. })) => window_is_open,
        option => option.is_some(),
    };
    if let Some(sent_at) = facts.progress.template_sent_at {
        let answered = facts.last_inbound_at.is_some_and(|at| at >= sent_at);
        if answered && is_open(&0) {
            return Ok(SendPlan { route: 0, awaits_reply: false });
        }
        let reply_by = sent_at.saturating_add(REPLY_WITHIN).unwrap_or(Timestamp::MAX);
        return Err(Decision::Later { until: notification.expires_at.unwrap_or(reply_by), reason: WaitReason::Reply });
    }
    let route = (facts.progress.route..=notification.fallback.len()).find(is_open);
    let route = route.ok_or(Decision::Never(PolicyRefusal::OutsideWindow))?;
    let awaits_reply = notification.wait_for_reply && route > 0 && !is_open(&0);
    Ok(SendPlan { route, awaits_reply })
}

#[cfg(test)]
mod tests;
