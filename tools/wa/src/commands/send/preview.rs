//! What would be decided about a notification if it came now, with the facts that the decision stands on.

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

use super::{NotificationRequest, account};
use crate::{
    exit::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

/// So many are looked at side by side.
const AT_ONCE: usize = 8;

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum PreviewVerdict {
    /// Send it now.
    Send,
    /// Send it, or decide anew, at another time.
    Wait,
    /// Not send it.
    Refuse,
}

#[derive(Debug, Serialize)]
struct Preview {
    id: String,
    to: String,
    category: &'static str,
    decision: PreviewVerdict,
    /// Why, where it is not sent now.
    reason: Option<String>,
    /// When it is decided anew.
    until: Option<Timestamp>,
    /// The way it would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<PlannedRoute>,
    facts: PreviewFacts,
}

/// In the order in which people ask.
const FIELDS: [&str; 8] = ["id", "to", "category", "decision", "reason", "until", "way", "facts"];

/// One of a notification's ways.
#[derive(Debug, Serialize)]
struct PlannedRoute {
    /// 0 is the content, 1 the first fallback.
    route: usize,
    channel: &'static str,
    content: &'static str,
    sender: String,
    /// The content follows when the person answers.
    awaits_reply: bool,
}

/// What the decision stands on.
#[derive(Debug, Serialize)]
struct PreviewFacts {
    country: Option<Region>,
    /// Where the notification stands already.
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

/// Says it of all of them. Where one would not be sent, the answer is no.
pub(super) async fn run(session: &Session, requests: &[NotificationRequest]) -> Result<(), CommandError> {
    let judge = Previewer {
        session,
        dynamodb: session.dynamodb().await?,
        contacts: session.contacts().await?,
        notifications: session.notifications().await?,
    };
    let previews: Vec<_> = futures::stream::iter(requests)
        .map(|request| judge.preview(&request.notification))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    show(session, &previews)?;
    let refused = previews.iter().filter(|preview| preview.decision == PreviewVerdict::Refuse).count();
    match (refused, previews.len()) {
        (0, _) => Ok(()),
        (_, 1) => Err(CommandError::No("it would not be sent".to_owned())),
        (refused, total) => Err(CommandError::No(format!("{refused} of {total} would not be sent"))),
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
        let account_sid = account(self.session, notification).await?;
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
        let (progress, stands) = match ClaimState::of(stored, &notification.digest(), now) {
            ClaimState::New => (NotificationProgress::default(), None),
            ClaimState::Claimable(found) => (found.progress(), None),
            standing => (NotificationProgress::default(), Some(of_standing(&standing))),
        };
        let facts = self.facts(case, progress, now).await?;
        let finding = stands.unwrap_or_else(|| of_policy(case, &facts, now));
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

/// A notification that is not decided upon now: it is done with, or somebody is at work on it.
fn of_standing(standing: &ClaimState) -> PreviewFinding {
    let (verdict, reason, until) = match standing {
        ClaimState::LeasedUntil(end) => (PreviewVerdict::Wait, "it is being sent".to_owned(), Some(*end)),
        ClaimState::OutcomeUnknown(_) => (
            PreviewVerdict::Wait,
            "whether it was sent is not known: Twilio's list is looked at first".to_owned(),
            None,
        ),
        ClaimState::Finished(state) => {
            (PreviewVerdict::Refuse, format!("id: it came to its end before, {}", state.as_str()), None)
        }
        _ => (PreviewVerdict::Refuse, "id: used before for a notification with other content".to_owned(), None),
    };
    PreviewFinding { verdict, reason: Some(reason), until, way: None }
}

fn of_policy(case: Eligibility<'_>, facts: &Facts, now: Timestamp) -> PreviewFinding {
    match policy::decide(case.notification, case.rules, facts, now) {
        Decision::Send(plan) => {
            let Some((channel, content)) = case.notification.channel_option(plan.route) else {
                let reason = "fallback: the notification has no such way any more".to_owned();
                return PreviewFinding {
                    verdict: PreviewVerdict::Refuse,
                    reason: Some(reason),
                    until: None,
                    way: None,
                };
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
        Decision::Later { until, reason } => PreviewFinding {
            verdict: PreviewVerdict::Wait,
            reason: Some(reason.to_string()),
            until: Some(until),
            way: None,
        },
        Decision::Never(refusal) => PreviewFinding {
            verdict: PreviewVerdict::Refuse,
            reason: Some(refusal.to_string()),
            until: None,
            way: None,
        },
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

    fn found(facts: &Facts, service: Option<&str>) -> PreviewFinding {
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
        of_policy(case, facts, "2026-11-20T09:00:00Z".parse().unwrap())
    }

    const SERVICE: Option<&str> = Some("MG00000000000000000000000000000001");

    #[test]
    fn the_way_it_would_go_is_named() {
        let open = Facts { last_inbound_at: "2026-11-20T08:00:00Z".parse().ok(), ..Facts::default() };
        let finding = found(&open, SERVICE);
        assert_eq!((finding.verdict, finding.way.unwrap().channel), (PreviewVerdict::Send, "whatsapp"));
        let finding = found(&Facts::default(), SERVICE);
        let way = finding.way.unwrap();
        assert_eq!((finding.verdict, way.route, way.channel), (PreviewVerdict::Send, 1, "sms"));
    }

    #[test]
    fn what_would_not_be_sent_has_its_reason() {
        let opted_out = Facts { suppressed: Some(Scope::All), ..Facts::default() };
        let finding = found(&opted_out, SERVICE);
        assert_eq!(
            (finding.verdict, finding.reason.as_deref()),
            (PreviewVerdict::Refuse, Some("the recipient has opted out"))
        );
        let finding = found(&Facts::default(), None);
        assert!(
            finding.verdict == PreviewVerdict::Refuse && finding.reason.unwrap().starts_with("messaging_service_sid: ")
        );
    }
}
