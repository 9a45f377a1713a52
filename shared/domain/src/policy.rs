//! Whether a notification may go out, by which of its ways, and when: one pure decision with its reason.

use jiff::{SignedDuration, Timestamp};

use crate::{
    limits::SERVICE_WINDOW,
    notification::{Category, Content, FallbackChannel, Notification},
    suppression::Scope,
};

mod settings;

pub use settings::{ConsentRule, InvalidPolicy, MarketingCap, OnUnknown, Policy, QuietRule, RecipientRules};

/// What is known when a notification is decided upon.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What the person has opted out of, where it covers this notification.
    pub suppressed: Option<Scope>,
    /// When the person last wrote to the sender.
    pub last_inbound_at: Option<Timestamp>,
    /// When a consent in this category was given that has not been withdrawn.
    pub consent_given_at: Option<Timestamp>,
    /// When other marketing notifications went out to the person.
    pub marketing_sent_at: Vec<Timestamp>,
    /// When the quiet hours end that the person is in, where these rules have any.
    pub quiet_until: Option<Timestamp>,
    /// Where the notification stands.
    pub progress: NotificationProgress,
}

/// How far a notification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotificationProgress {
    /// The first of its ways that has not failed: 0 is the content, 1 the first fallback.
    pub route: usize,
    /// Its template is out, and the rest waits for the person's answer since then.
    pub template_sent_at: Option<Timestamp>,
    /// Not again before this time.
    pub not_before: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send it this way.
    Send(SendPlan),
    /// Look at it again at this time.
    Later {
        /// The time.
        until: Timestamp,
        /// Why.
        reason: WaitReason,
    },
    /// Never send it, or nothing more of it.
    Never(PolicyRefusal),
}

/// A way that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPlan {
    /// 0 is the content, 1 the first fallback.
    pub route: usize,
    /// Whether the content follows when the person answers.
    pub awaits_reply: bool,
}

/// Why a notification waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitReason {
    /// Its own time.
    #[error("send_at has not come")]
    SendAt,
    /// Twilio asked for patience.
    #[error("Twilio could not take it, another try follows")]
    Retry,
    /// The person's night.
    #[error("quiet hours where the recipient is")]
    QuietHours,
    /// The template is out.
    #[error("the template was sent, the content follows the recipient's answer")]
    Reply,
}

/// Why a notification is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// Its time is over.
    #[error("expires_at has passed")]
    Expired,
    /// Its template went out, and nobody answered.
    #[error("expires_at has passed, and the recipient has not answered the template")]
    Unanswered,
    /// The person does not want it.
    #[error("the recipient has opted out{}", reach(.0))]
    OptedOut(Scope),
    /// The person was not asked, or said yes too long ago, or took it back.
    #[error("no living consent: {0} needs one where the recipient is")]
    NoConsent(&'static str),
    /// The person has had enough.
    #[error("the recipient has had {messages} marketing messages in {days} days, which is the cap")]
    Cap {
        /// So many are allowed.
        messages: u32,
        /// In so many days.
        days: u32,
    },
    /// WhatsApp wants a template.
    #[error(
        "content: free-form outside of the service window, and no template in fallback: expected a template, or a \
         recipient who wrote in the last 24 hours"
    )]
    OutsideWindow,
}

/// What an opt-out covers, as the end of a sentence.
const fn reach(scope: &Scope) -> &'static str {
    match scope {
        Scope::All => "",
        Scope::Marketing => " of marketing",
        Scope::Sender(_) => " of this sender",
    }
}

/// A message that leaves us in the last moment reaches WhatsApp after it.
const WINDOW_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// How long a template's answer is waited for where the notification names no end.
pub const REPLY_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Decides. The order is that of what a person would want to read as the reason: what ends a notification goes before
/// what delays it, except that nothing is judged before its own time has come.
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
        && !facts.consent_given_at.is_some_and(|given_at| rule.is_living(given_at, now))
    {
        return Some(PolicyRefusal::NoConsent(category.as_str()));
    }
    let cap = rules.marketing_cap.filter(|_| category == Category::Marketing)?;
    let recent = facts.marketing_sent_at.iter().filter(|sent_at| cap.covers(**sent_at, now)).count();
    let reached = u32::try_from(recent).is_ok_and(|recent| recent >= cap.messages);
    reached.then_some(PolicyRefusal::Cap { messages: cap.messages, days: cap.days })
}

/// The first way that is open.
fn plan(notification: &Notification, facts: &Facts, now: Timestamp) -> Result<SendPlan, Decision> {
    let window_is_open =
        facts.last_inbound_at.is_some_and(|at| now.duration_since(at) < SERVICE_WINDOW - WINDOW_MARGIN);
    let is_open = |route: &usize| match notification.channel_option(*route) {
        Some((FallbackChannel::WhatsApp, Content::Text { .. } | Content::Media { .. })) => window_is_open,
        way => way.is_some(),
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
