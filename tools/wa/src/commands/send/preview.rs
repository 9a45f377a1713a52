//! The decision that the send function would make about a notification now, with the facts that it follows from.

use domain::{
    contact_key::ContactKey,
    limits::SERVICE_WINDOW,
    notification::{Content, Notification},
    policy::{self, Decision, Facts, NotificationProgress, RecipientRules},
    region::{Region, region_of},
    suppression::Scope,
};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    contacts::{ContactFacts, Contacts},
    dynamodb::batch_get,
    eligibility::Eligibility,
    notifications::{ClaimState, NotificationState, Notifications},
};

use super::request::{NotificationRequest, account_of};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

/// How many are looked up at the same time.
const CONCURRENT_LOOKUPS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum PreviewVerdict {
    /// It would be sent now.
    Send,
    /// It would be decided again later.
    Wait,
    /// It would never be sent.
    Refuse,
}

/// The preview of one notification. The fields are those of the JSON output.
#[derive(Serialize)]
struct Preview {
    id: String,
    to: String,
    category: &'static str,
    decision: PreviewVerdict,
    /// Why it would not be sent now.
    reason: Option<String>,
    /// When it would be decided again.
    until: Option<Timestamp>,
    /// How it would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<PlannedRoute>,
    facts: PreviewFacts,
}

/// The properties in the order of their importance to people.
const FIELDS: [&str; 8] = ["id", "to", "category", "decision", "reason", "until", "way", "facts"];

/// The content or one of the fallbacks, and how it would be sent.
#[derive(Serialize)]
struct PlannedRoute {
    /// 0 for the content, 1 for the first fallback.
    route: usize,
    channel: &'static str,
    content: &'static str,
    sender: String,
    /// A template is sent first, and the content follows when the person answers.
    awaits_reply: bool,
}

/// What the decision follows from.
#[derive(Serialize)]
struct PreviewFacts {
    country: Option<Region>,
    /// The stored state, if the notification is known.
    state: Option<NotificationState>,
    suppressed: Option<Scope>,
    needs_consent: bool,
    consent_given_at: Option<Timestamp>,
    last_inbound_at: Option<Timestamp>,
    window_open_until: Option<Timestamp>,
    quiet_until: Option<Timestamp>,
    marketing_cap: Option<String>,
    marketing_sent: usize,
}

/// Previews all of them. If one would never be sent, the answer is no.
pub(super) async fn run(session: &Session, requests: &[NotificationRequest]) -> Result<(), CommandError> {
    let previewer = Previewer {
        session,
        dynamodb: session.dynamodb().await?,
        contacts: session.contacts().await?,
        notifications: session.notifications().await?,
    };
    let previews: Vec<_> = futures::stream::iter(requests)
        .map(|request| previewer.preview(&request.notification))
        .buffered(CONCURRENT_LOOKUPS)
        .try_collect()
        .await?;
    show(session, &previews)?;
    let refused = previews.iter().filter(|preview| preview.decision == PreviewVerdict::Refuse).count();
    match (refused, previews.len()) {
        (0, _) => Ok(()),
        (_, 1) => Err(CommandError::answer_is_no("it would not be sent")),
        (refused, total) => Err(CommandError::answer_is_no(format!("{refused} of {total} would not be sent"))),
    }
}

fn show(session: &Session, previews: &[Preview]) -> Result<(), CommandError> {
    match (previews, session.output.format()) {
        ([preview], Format::Table) => session.output.fields(&FIELDS, preview),
        ([preview], Format::Json) => session.output.json(preview),
        _ => session
            .output
            .table(&PropertyTable::new(&["id", "to", "category", "decision", "reason", "until"], previews)?),
    }
}

struct Previewer<'a> {
    session: &'a Session,
    dynamodb: aws_sdk_dynamodb::Client,
    contacts: Contacts,
    notifications: Notifications,
}

impl Previewer<'_> {
    async fn preview(&self, notification: &Notification) -> Result<Preview, CommandError> {
        let now = Timestamp::now();
        let account_sid = account_of(self.session, notification).await?;
        let stack = self.session.stack().await?;
        let stored = self.notifications.get(&account_sid, &notification.id).await?;
        let state = stored.as_ref().map(|stored| stored.state);
        let contact = ContactKey::of_phone(&account_sid, &notification.to);
        let country = region_of(&notification.to);
        let rules = stack.policy.rules(country.as_ref());
        let case = Eligibility {
            notification,
            contact: &contact,
            rules: &rules,
            configured_service: stack.messaging_service_sid.as_ref(),
        };
        let (progress, finished) = match ClaimState::of(stored, &notification.digest(), now) {
            ClaimState::New => (NotificationProgress::default(), None),
            ClaimState::Claimable(found) => (found.progress(), None),
            standing => (NotificationProgress::default(), Some(stored_finding(&standing))),
        };
        let facts = self.facts(case, progress, now).await?;
        let finding = finished.unwrap_or_else(|| policy_finding(case, &facts, now));
        Ok(Preview {
            id: notification.id.to_string(),
            to: notification.to.to_string(),
            category: notification.category.as_str(),
            decision: finding.verdict,
            reason: finding.reason,
            until: finding.until,
            way: finding.way,
            facts: PreviewFacts::of(notification, &rules, &facts, country, state),
        })
    }

    async fn facts(
        &self,
        case: Eligibility<'_>,
        progress: NotificationProgress,
        now: Timestamp,
    ) -> Result<Facts, CommandError> {
        let wanted = self.contacts.batch_keys(case.facet_keys().into_iter().map(|wanted| (case.contact, wanted)))?;
        let table = wanted.0.clone();
        let mut found = batch_get(&self.dynamodb, "reading what is known of a recipient", [wanted].into()).await?;
        let found = ContactFacts::new(found.remove(&table).unwrap_or_default());
        Ok(case.facts(&found, progress, now)?)
    }
}

struct PreviewFinding {
    verdict: PreviewVerdict,
    reason: Option<String>,
    until: Option<Timestamp>,
    way: Option<PlannedRoute>,
}

impl PreviewFinding {
    fn wait(reason: impl Into<String>, until: Option<Timestamp>) -> Self {
        Self { verdict: PreviewVerdict::Wait, reason: Some(reason.into()), until, way: None }
    }

    fn refuse(reason: impl Into<String>) -> Self {
        Self { verdict: PreviewVerdict::Refuse, reason: Some(reason.into()), until: None, way: None }
    }
}

/// A notification that would not be decided now: it is finished, or it is being sent.
fn stored_finding(state: &ClaimState) -> PreviewFinding {
    match state {
        ClaimState::LeasedUntil(end) => PreviewFinding::wait("it is being sent", Some(*end)),
        ClaimState::OutcomeUnknown(_) => {
            PreviewFinding::wait("whether it was sent is not known: Twilio's list is searched first", None)
        }
        ClaimState::Finished(state) => PreviewFinding::refuse(format!("id: it is finished, {}", state.as_str())),
        _ => PreviewFinding::refuse("id: used before for a notification with other content"),
    }
}

fn policy_finding(case: Eligibility<'_>, facts: &Facts, now: Timestamp) -> PreviewFinding {
    match policy::decide(case.notification, case.rules, facts, now) {
        Decision::Send(plan) => {
            let Some((channel, content)) = case.notification.channel_option(plan.route) else {
                return PreviewFinding::refuse("fallback: the notification does not have this fallback any more");
            };
            let sender = case.require_sender(channel);
            let way = PlannedRoute {
                route: plan.route,
                channel: channel.as_str(),
                content: kind(content),
                sender: case.sender(),
                awaits_reply: plan.awaits_reply,
            };
            let verdict = if sender.is_ok() { PreviewVerdict::Send } else { PreviewVerdict::Refuse };
            let reason = sender.err().map(|missing| missing.to_string());
            PreviewFinding { verdict, reason, until: None, way: Some(way) }
        }
        Decision::Later { until, reason } => PreviewFinding::wait(reason.to_string(), Some(until)),
        Decision::Never(refusal) => PreviewFinding::refuse(refusal.to_string()),
    }
}

const fn kind(content: &Content) -> &'static str {
    match content {
        Content::Text { .. } => "text",
        Content::Media { .. } => "media",
        Content::Template { .. } => "template",
    }
}

impl PreviewFacts {
    fn of(
        notification: &Notification,
        rules: &RecipientRules,
        facts: &Facts,
        country: Option<Region>,
        state: Option<NotificationState>,
    ) -> Self {
        let open_until = |at: Timestamp| at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
        let cap = rules.marketing_cap.map(|cap| format!("{} in {} days", cap.messages, cap.days));
        Self {
            country,
            state,
            suppressed: facts.suppressed.clone(),
            needs_consent: rules.consent(notification.category).is_some(),
            consent_given_at: facts.consent_given_at,
            last_inbound_at: facts.last_inbound_at,
            window_open_until: facts.last_inbound_at.map(open_until),
            quiet_until: facts.quiet_until,
            marketing_cap: cap,
            marketing_sent: facts.marketing_sent_at.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::policy::Policy;
    use serde_json::json;

    use super::*;

    fn preview(facts: &Facts, service: Option<&str>) -> PreviewFinding {
        let text = json!({"id": "a", "to": "+14155550123", "category": "utility",
                          "content": {"type": "text", "body": "Hi"},
                          "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hi"}}]});
        let notification = Notification::parse(&text.to_string()).unwrap();
        let account = "AC00000000000000000000000000000001".parse().unwrap();
        let contact = ContactKey::of_phone(&account, &notification.to);
        let rules = Policy::default().rules(None);
        let service = service.map(|service| service.parse().unwrap());
        let case = Eligibility {
            notification: &notification,
            contact: &contact,
            rules: &rules,
            configured_service: service.as_ref(),
        };
        policy_finding(case, facts, "2026-11-20T09:00:00Z".parse().unwrap())
    }

    const SERVICE: Option<&str> = Some("MG00000000000000000000000000000001");

    #[test]
    fn a_preview_names_the_channel_and_content() {
        let open = Facts { last_inbound_at: "2026-11-20T08:00:00Z".parse().ok(), ..Facts::default() };
        let finding = preview(&open, SERVICE);
        assert_eq!((finding.verdict, finding.way.unwrap().channel), (PreviewVerdict::Send, "whatsapp"));
        let finding = preview(&Facts::default(), SERVICE);
        let way = finding.way.unwrap();
        assert_eq!((finding.verdict, way.route, way.channel), (PreviewVerdict::Send, 1, "sms"));
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let opted_out = Facts { suppressed: Some(Scope::All), ..Facts::default() };
        let finding = preview(&opted_out, SERVICE);
        assert_eq!(
            (finding.verdict, finding.reason.as_deref()),
            (PreviewVerdict::Refuse, Some("the recipient has opted out"))
        );
        let finding = preview(&Facts::default(), None);
        assert!(
            finding.verdict == PreviewVerdict::Refuse && finding.reason.unwrap().starts_with("messaging_service_sid: ")
        );
    }
}
