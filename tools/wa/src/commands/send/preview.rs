//! The decision that the send function would make about a notification now, with the facts that it follows from.

use std::collections::BTreeMap;

use domain::{
    contact_key::ContactKey,
    limits::SERVICE_WINDOW,
    notification::{Content, Notification, NotificationId},
    pause::Pauses,
    policy::{self, Case, Decision, PolicyRefusal},
    progress::{Purpose, Step},
    region::{Region, region_of_recipient},
    route::Route,
    suppression::Scope,
    templates::TemplateRegistry,
    waiting::WaitReason,
};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    contacts::Contacts,
    notifications::{ClaimState, NotificationState, Notifications, StoredNotification, Subject},
};
use twilio_types::sid::AccountSid;

use super::{
    estimate::{CampaignEstimate, EstimateArguments, PlanFacts, PlannedMessages, ShownFees},
    request::{NotificationRequest, account_of},
};
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
    /// The fees of each of its messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<ShownFees>,
    facts: PreviewFacts,
    /// What it will send; none if it is refused.
    #[serde(skip)]
    planned: Option<PlannedMessages>,
}

/// The properties in the order of their importance to people.
const FIELDS: [&str; 9] = ["id", "to", "category", "decision", "reason", "until", "way", "cost", "facts"];

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
    /// The ids of the notifications that send the further files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further: Vec<NotificationId>,
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

/// Previews all of them, of which each has perhaps a problem that keeps this command from sending it. If one would never be
/// sent, the answer is no.
pub(super) async fn run(
    session: &Session,
    requests: &[NotificationRequest],
    problems: &[Option<String>],
    estimate: &EstimateArguments,
) -> Result<(), CommandError> {
    let prices = estimate.prices()?;
    let mut templates = BTreeMap::new();
    for request in requests {
        let account_sid = account_of(session, &request.notification).await?;
        if !templates.contains_key(&account_sid) {
            templates.insert(account_sid.clone(), session.templates(&account_sid).await?);
        }
    }
    let previewer = Previewer {
        templates,
        session,
        contacts: session.contacts().await?,
        notifications: session.notifications().await?,
        pauses: session.pauses().await?.get().await?,
    };
    let mut previews: Vec<_> = futures::stream::iter(requests)
        .map(|request| previewer.preview(&request.notification))
        .buffered(CONCURRENT_LOOKUPS)
        .try_collect()
        .await?;
    for (preview, problem) in previews.iter_mut().zip(problems) {
        preview.refuse_because(problem.as_deref());
        preview.cost = preview.planned.map(|planned| planned.fees(&prices));
    }
    let campaign = CampaignEstimate::of(previews.iter().filter_map(|preview| preview.planned), &prices)?;
    if estimate.estimate {
        session.output.table(&campaign.table()?)?;
    } else {
        show(session, &previews)?;
    }
    campaign.notes().iter().for_each(|note| session.terminal.note(note));
    let refused = previews.iter().filter(|preview| preview.decision == PreviewVerdict::Refuse).count();
    match (refused, previews.len()) {
        (0, _) => Ok(()),
        (_, 1) => Err(CommandError::answer_is_no("it would not be sent")),
        (refused, total) => Err(CommandError::answer_is_no(format!("{refused} of {total} would not be sent"))),
    }
}

impl Preview {
    /// Refuses what would be sent, because of this problem. A refusal of the policy stays: it comes first.
    fn refuse_because(&mut self, problem: Option<&str>) {
        if let Some(problem) = problem.filter(|_| self.decision != PreviewVerdict::Refuse) {
            (self.decision, self.reason, self.until) = (PreviewVerdict::Refuse, Some(problem.to_owned()), None);
            self.planned = None;
        }
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
    contacts: Contacts,
    notifications: Notifications,
    pauses: Pauses,
    /// By account.
    templates: BTreeMap<AccountSid, TemplateRegistry>,
}

impl Previewer<'_> {
    async fn preview(&self, notification: &Notification) -> Result<Preview, CommandError> {
        let now = Timestamp::now();
        let account_sid = account_of(self.session, notification).await?;
        let settings = self.session.tenants().await?.of(&account_sid);
        let stored = self.notifications.get(&account_sid, &notification.id).await?;
        let state = stored.as_ref().map(StoredNotification::state);
        let country = region_of_recipient(&notification.to);
        let rules = settings.policy.rules(country.as_ref());
        let (stored, finished) = match ClaimState::of(stored, &notification.digest(), now) {
            ClaimState::Claimable(found) | ClaimState::AwaitingDelivery(found) => (*found, None),
            ClaimState::New => (new(notification, &account_sid, now), None),
            other => (new(notification, &account_sid, now), Some(stored_finding(&other))),
        };
        let person = self.contacts.person(&ContactKey::of(&account_sid, &notification.to)).await?.person;
        let none = TemplateRegistry::default();
        let templates = self.templates.get(&account_sid).unwrap_or(&none);
        let case = Case {
            notification,
            rules: &rules,
            person: &person,
            progress: &stored.progress,
            senders: &settings.senders,
            expires_at: stored.ends_at(notification),
            account_sid: &account_sid,
            pauses: &self.pauses,
            templates,
            template_settings: &settings.templates,
        };
        let finding = finished.unwrap_or_else(|| policy_finding(&case, now));
        let facts = PreviewFacts::of(&case, country, state, now);
        Ok(Preview {
            id: notification.id.to_string(),
            to: notification.to.to_string(),
            category: notification.category.as_str(),
            decision: finding.verdict,
            planned: planned(&case, &finding, &facts, now),
            reason: finding.reason,
            until: finding.until,
            way: finding.way,
            cost: None,
            facts,
        })
    }
}

/// A notification as the send function stores it first.
fn new(notification: &Notification, account_sid: &AccountSid, now: Timestamp) -> StoredNotification {
    let subject = Subject {
        account_sid: account_sid.clone(),
        id: notification.id.clone(),
        digest: notification.digest(),
        recipient: Some(notification.to.clone()),
        category: Some(notification.category),
        metadata: notification.metadata.clone(),
        request: None,
    };
    StoredNotification::new(subject, now)
}

/// The messages that follow from a finding. What waits counts with its content: its route is decided later.
fn planned(case: &Case<'_>, finding: &PreviewFinding, facts: &PreviewFacts, now: Timestamp) -> Option<PlannedMessages> {
    if finding.verdict == PreviewVerdict::Refuse {
        return None;
    }
    let option = finding.way.as_ref().map_or(0, |way| way.route);
    let facts = PlanFacts {
        templates: case.templates,
        country: facts.country,
        window_open_until: facts.window_open_until,
        at: finding.until.unwrap_or(now),
    };
    PlannedMessages::of(case.notification, option, &facts)
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
            PreviewFinding::wait("whether it was sent is not known: that is found out first", None)
        }
        ClaimState::Finished(state) => PreviewFinding::refuse(format!("id: it is finished, {}", state.as_str())),
        _ => PreviewFinding::refuse("id: used before for a notification with other content"),
    }
}

fn policy_finding(case: &Case<'_>, now: Timestamp) -> PreviewFinding {
    match policy::decide(case, now) {
        Decision::Send(step) => step_finding(case, step),
        Decision::Later { until, reason } => PreviewFinding::wait(reason.to_string(), Some(until)),
        // When a pause ends is not known.
        Decision::Paused(_) => PreviewFinding::wait(WaitReason::Pause.to_string(), None),
        Decision::Never(refusal @ PolicyRefusal::Template { may_be_unknown: true, .. })
            if !case.templates.has_all_created_before(now) =>
        {
            PreviewFinding::wait(format!("{refusal}: {}", WaitReason::Template), None)
        }
        Decision::Never(refusal) => PreviewFinding::refuse(refusal.to_string()),
    }
}

/// A step that would be sent, if it has a sender.
fn step_finding(case: &Case<'_>, step: Step) -> PreviewFinding {
    let Some((channel, content)) = case.notification.channel_option(step.option) else {
        return PreviewFinding::refuse("fallback: the notification does not have this fallback any more");
    };
    let route = case.route(step.option);
    let way = PlannedRoute {
        route: step.option,
        channel: channel.as_str(),
        content: kind(content),
        sender: route.as_ref().map(sender).unwrap_or_default(),
        awaits_reply: step.purpose == Purpose::AskForReply,
        further: case.notification.further_ids(),
    };
    let verdict = if route.is_ok() { PreviewVerdict::Send } else { PreviewVerdict::Refuse };
    let reason = route.err().map(|missing| missing.to_string());
    PreviewFinding { verdict, reason, until: None, way: Some(way) }
}

/// The address of the sender, or else the Messaging Service.
fn sender(route: &Route) -> String {
    let from = route.from().map(ToString::to_string);
    from.or_else(|| route.service().map(ToString::to_string)).unwrap_or_else(|| route.rate_key())
}

const fn kind(content: &Content) -> &'static str {
    match content {
        Content::Text { .. } => "text",
        Content::Media { .. } => "media",
        Content::Template { .. } => "template",
        Content::EmailTemplate { .. } => "email_template",
        Content::Studio { .. } => "studio",
    }
}

impl PreviewFacts {
    fn of(case: &Case<'_>, country: Option<Region>, state: Option<NotificationState>, now: Timestamp) -> Self {
        let Case { notification, rules, person, .. } = case;
        let category = notification.category;
        let content = case.route(0).ok();
        let scopes = content.as_ref().map(|content| content.scopes(category)).unwrap_or_default();
        let last_inbound_at = content.and_then(|content| person.last_inbound_at(&content.window()?));
        let open_until = |at: Timestamp| at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
        let quiet = rules.quiet_hours_of(category).map(|hours| hours.allowed_from(now, &notification.time_zones()));
        Self {
            country,
            state,
            suppressed: person.suppressed_by(&scopes).cloned(),
            needs_consent: rules.consent(category).is_some(),
            consent_given_at: person.consent_given_at(category),
            last_inbound_at,
            window_open_until: last_inbound_at.map(open_until),
            quiet_until: quiet.filter(|until| *until > now),
            marketing_cap: rules.marketing_cap.map(|cap| format!("{} in {} days", cap.messages, cap.days)),
            marketing_sent: rules.marketing_cap.map_or(0, |cap| person.marketing_count(&notification.id, cap, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        configured_senders::ConfiguredSenders,
        pause::Pause,
        person::{Person, WindowKey},
        policy::Policy,
        preference::{Preference, RecordedPreference},
        progress::Progress,
        template_settings::TemplateSettings,
    };
    use serde_json::json;
    use twilio_types::address::Channel;

    use super::*;

    const SERVICE: &str = "MG00000000000000000000000000000001";
    const NOW: &str = "2026-11-20T09:00:00Z";

    fn preview(person: &Person, service: Option<&str>) -> PreviewFinding {
        preview_with(person, service, &Pauses::default())
    }

    fn preview_with(person: &Person, service: Option<&str>, pauses: &Pauses) -> PreviewFinding {
        let text = json!({"id": "a", "to": "+14155550123", "category": "utility",
                          "content": {"type": "text", "body": "Hi"},
                          "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hi"}}]});
        let notification = Notification::parse(&text.to_string()).unwrap();
        let rules = Policy::default().rules(None);
        let senders = ConfiguredSenders::from(service.map(|service| service.parse().unwrap()));
        let case = Case {
            notification: &notification,
            rules: &rules,
            person,
            progress: &Progress::default(),
            senders: &senders,
            expires_at: None,
            account_sid: &"AC00000000000000000000000000000001".parse().unwrap(),
            pauses,
            templates: &TemplateRegistry::default(),
            template_settings: &TemplateSettings::default(),
        };
        policy_finding(&case, NOW.parse().unwrap())
    }

    #[test]
    fn a_preview_names_the_channel_and_content() {
        let mut person = Person::default();
        person.open_windows([WindowKey::of(SERVICE)], "2026-11-20T08:00:00Z".parse().unwrap());
        let finding = preview(&person, Some(SERVICE));
        assert_eq!((finding.verdict, finding.way.unwrap().channel), (PreviewVerdict::Send, "whatsapp"));
        let finding = preview(&Person::default(), Some(SERVICE));
        let way = finding.way.unwrap();
        assert_eq!((finding.verdict, way.route, way.channel), (PreviewVerdict::Send, 1, "sms"));
        assert_eq!(way.sender, SERVICE);
    }

    #[test]
    fn paused_notification_waits_for_no_known_time() {
        let pause = Pause {
            scope: "category#utility".parse().unwrap(),
            since: NOW.parse().unwrap(),
            by: None,
            reason: None,
            is_automatic: false,
        };
        let finding = preview_with(&Person::default(), Some(SERVICE), &[pause].into_iter().collect());
        assert_eq!((finding.verdict, finding.until), (PreviewVerdict::Wait, None));
        assert_eq!(finding.reason.as_deref(), Some("sending is paused: wa pause shows why"));
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let mut person = Person::default();
        let preference = Preference::OptedOut;
        let stop = RecordedPreference { preference, changed_at: NOW.parse().unwrap(), message_sid: None, reason: None };
        person.record_preference(&Channel::WhatsApp, &[Scope::All], &stop);
        let finding = preview(&person, Some(SERVICE));
        assert_eq!(
            (finding.verdict, finding.reason.as_deref()),
            (PreviewVerdict::Refuse, Some("the recipient has opted out"))
        );
        let finding = preview(&Person::default(), None);
        assert!(
            finding.verdict == PreviewVerdict::Refuse && finding.reason.unwrap().starts_with("messaging_service_sid: ")
        );
    }
}
