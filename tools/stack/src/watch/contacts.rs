//! Items of the Contacts table as timeline entries. One write of a person may change several things, and each has an entry.

use std::fmt::Display;

use domain::{
    consent::ConsentEvidence,
    contact_key::ContactKey,
    limits::SERVICE_WINDOW,
    notification::Category,
    person::Person,
    preference::Preference,
    suppression::{Scope, SuppressionKey, stored_channel},
};
use jiff::Timestamp;
use sandbox::{TimelineEvent, TimelineOutcome};
use stores::{
    contacts::{Contacts, PreferenceChange},
    dynamodb::Item,
};

use self::origin::ContactOrigin;
use super::{received::ReceivedMessages, short, streams::ItemChange};

mod origin;

/// One change of an item, how its person is addressed, and what it goes back to.
struct ContactSummary {
    summary: String,
    outcome: TimelineOutcome,
    person: String,
    origin: ContactOrigin,
}

impl ContactSummary {
    fn on_whatsapp(address: &str, summary: String, outcome: TimelineOutcome) -> Self {
        Self { summary, outcome, person: format!("whatsapp:{address}"), origin: ContactOrigin::default() }
    }

    fn with(self, origin: ContactOrigin) -> Self {
        Self { origin, ..self }
    }
}

pub(super) fn timeline_events(change: &ItemChange, received: &ReceivedMessages) -> Vec<TimelineEvent> {
    let (Some(contact), Some(facet)) = (change.text("contact"), change.text("facet")) else { return Vec::new() };
    let key = ContactKey::stored(contact);
    let summaries = match facet.split_once('#') {
        None if facet == "person" => person(change, &key, received),
        Some(("consent", _)) => evidence(change, key.address(), facet).into_iter().collect(),
        Some(("history", _)) => history(change, key.address(), received).into_iter().collect(),
        _ => Vec::new(),
    };
    let event = |ContactSummary { summary, outcome, person, origin }: ContactSummary| TimelineEvent {
        person: Some(person),
        message_sid: origin.message_sid,
        notification_id: origin.notification_id,
        details: change.details("Contacts", &format!("{contact} {facet}"), &["contact", "facet", "expires_at"]),
        at: origin.at,
        cause: origin.cause,
        ..TimelineEvent::new("item", outcome, format!("Contacts: {summary}"))
    };
    summaries.into_iter().map(event).collect()
}

/// What a write changed about a person. The item of another identity of the person only names the home.
fn person(change: &ItemChange, key: &ContactKey, received: &ReceivedMessages) -> Vec<ContactSummary> {
    let read = |item: &Item| Contacts::read_person(item.clone()).ok().flatten().map(|stored| stored.person);
    let Some(now) = read(&change.new) else { return Vec::new() };
    let before = change.old.as_ref().and_then(read).unwrap_or_default();
    let address = key.address();
    let preference = PreferenceChange::in_image(&change.new).ok().flatten();
    let origin = ContactOrigin::of_write(preference.as_ref(), &before, &now, address, received);
    let mut summaries: Vec<_> = preference.iter().map(|changed| preference_summary(&before, changed)).collect();
    summaries.extend(windows(&before, &now, address));
    summaries.extend(now.aliases.difference(&before.aliases).map(|other| {
        ContactSummary::on_whatsapp(address, format!("{address} and {other} are one person"), TimelineOutcome::Neutral)
    }));
    let mut summaries: Vec<_> = summaries.into_iter().map(|summary| summary.with(origin.clone())).collect();
    summaries.extend(consents(&before, &now, address, &origin));
    let counted = now.marketing_sent.iter().filter(|(id, _)| !before.marketing_sent.contains_key(id));
    summaries.extend(counted.map(|(id, at)| {
        let summary = format!("a marketing message to {address} counted");
        let counted = ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral);
        counted.with(ContactOrigin::notification(id, *at))
    }));
    summaries
}

fn preference_summary(before: &Person, change: &PreferenceChange) -> ContactSummary {
    let PreferenceChange { preference, channel, identity, scopes, .. } = change;
    let stored = stored_channel(channel);
    let is_repeated = scopes.iter().all(|scope| {
        let known = before.preferences.get(&SuppressionKey::of(&stored, scope.clone()));
        known.is_some_and(|known| known.preference == *preference)
    });
    let again = if is_repeated { " again" } else { "" };
    let by = change.message_sid.as_ref().map(|sid| format!(" by {}", short(sid.as_str()))).unwrap_or_default();
    let (did, outcome) = match preference {
        Preference::OptedOut => ("opted out", TimelineOutcome::Refused),
        Preference::OptedIn => ("opted in", TimelineOutcome::Good),
    };
    let covered: Vec<_> = scopes.iter().map(covered).collect();
    ContactSummary {
        summary: format!("{identity} {did}{again}{by}: {} on {channel}", covered.join(" and ")),
        outcome,
        person: on_channel(channel, identity),
        origin: ContactOrigin::default(),
    }
}

fn covered(scope: &Scope) -> String {
    match scope {
        Scope::All => "all messages".to_owned(),
        Scope::Marketing => "marketing".to_owned(),
        Scope::Sender(sender) => format!("messages of {sender}"),
    }
}

/// The window of a Messaging Service repeats that of its sender, and has no entry.
fn windows(before: &Person, now: &Person, address: &str) -> Vec<ContactSummary> {
    let of_senders = now.windows.iter().filter(|(window, _)| !window.sender().starts_with("MG"));
    let changed = of_senders.filter(|(window, at)| before.windows.get(window) != Some(at));
    let summary = |(window, at): (_, &Timestamp)| {
        let last = before.last_inbound_at(window);
        let was_open = last.is_some_and(|last| at.duration_since(last) < SERVICE_WINDOW);
        let verb = if was_open { "extended" } else { "opened" };
        let until = at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d %H:%M UTC");
        let summary = format!("service window of {address} {verb}, until {until}");
        ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Good)
    };
    changed.map(summary).collect()
}

/// The consents that count differently now: a new one was recorded, or a STOP ended one.
fn consents(before: &Person, now: &Person, address: &str, origin: &ContactOrigin) -> Vec<ContactSummary> {
    let recorded = Category::ALL.into_iter().filter(|category| now.consents.contains_key(category));
    let changed = recorded.filter(|category| before.consent(*category) != now.consent(*category));
    let summary = |category: Category| {
        let state = now.consent(category)?.state.as_str();
        let summary = format!("consent of {address} for {} is {state}", category.as_str());
        let recorded = now.consents.get(&category).filter(|consent| before.consents.get(&category) != Some(consent));
        // A consent that was recorded belongs to its evidence, and one that a STOP ended to the STOP.
        let origin = recorded.map_or_else(|| origin.clone(), |consent| ContactOrigin::consent(&consent.evidence, None));
        Some(ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral).with(origin))
    };
    changed.filter_map(summary).collect()
}

fn evidence(change: &ItemChange, address: &str, facet: &str) -> Option<ContactSummary> {
    let ConsentEvidence { category, state, source, recorded_at, .. } = change.read()?;
    let (category, state) = (category.as_str(), state.as_str());
    let summary = format!("evidence stored that consent of {address} for {category} was {state} ({source})");
    let origin = ContactOrigin::consent(facet, Some(recorded_at));
    Some(ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral).with(origin))
}

fn history(change: &ItemChange, address: &str, received: &ReceivedMessages) -> Option<ContactSummary> {
    let written: PreferenceChange = change.read()?;
    let what = match written.preference {
        Preference::OptedOut => "STOP",
        Preference::OptedIn => "START",
    };
    let by = written.message_sid.as_ref().map(|sid| format!(" {}", short(sid.as_str()))).unwrap_or_default();
    Some(ContactSummary {
        summary: format!("{what}{by} stored in the history of {address}"),
        outcome: TimelineOutcome::Neutral,
        person: on_channel(&written.channel, address),
        origin: ContactOrigin::preference(&written, received),
    })
}

/// An address with Twilio's prefix of its channel.
fn on_channel(channel: &str, address: impl Display) -> String {
    if channel == "sms" { address.to_string() } else { format!("{channel}:{address}") }
}

#[cfg(test)]
mod tests;
