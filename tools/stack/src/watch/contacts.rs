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

use super::{short, streams::ItemChange};

/// One change of an item, and how its person is addressed.
struct ContactSummary {
    summary: String,
    outcome: TimelineOutcome,
    person: String,
    message_sid: Option<String>,
}

impl ContactSummary {
    fn on_whatsapp(address: &str, summary: String, outcome: TimelineOutcome) -> Self {
        Self { summary, outcome, person: format!("whatsapp:{address}"), message_sid: None }
    }
}

pub(super) fn timeline_events(change: &ItemChange) -> Vec<TimelineEvent> {
    let (Some(contact), Some(facet)) = (change.text("contact"), change.text("facet")) else { return Vec::new() };
    let key = ContactKey::stored(contact);
    let summaries = match facet.split_once('#') {
        None if facet == "person" => person(change, &key),
        Some(("consent", _)) => evidence(change, key.address()).into_iter().collect(),
        Some(("history", _)) => history(change, key.address()).into_iter().collect(),
        _ => Vec::new(),
    };
    let event = |summary: ContactSummary| TimelineEvent {
        kind: "item".to_owned(),
        outcome: summary.outcome,
        summary: format!("Contacts: {}", summary.summary),
        person: Some(summary.person),
        message_sid: summary.message_sid,
        notification_id: None,
        details: change.details("Contacts", &format!("{contact} {facet}"), &["contact", "facet", "expires_at"]),
    };
    summaries.into_iter().map(event).collect()
}

/// What a write changed about a person. The item of another identity of the person only names the home.
fn person(change: &ItemChange, key: &ContactKey) -> Vec<ContactSummary> {
    let read = |item: &Item| Contacts::read_person(key, item.clone()).ok().flatten().map(|stored| stored.person);
    let Some(now) = read(&change.new) else { return Vec::new() };
    let before = change.old.as_ref().and_then(read).unwrap_or_default();
    let address = key.address();
    let preference = PreferenceChange::in_image(&change.new).ok().flatten();
    let mut summaries: Vec<_> = preference.iter().map(|changed| preference_summary(&before, changed)).collect();
    summaries.extend(windows(&before, &now, address));
    summaries.extend(consents(&before, &now, address));
    summaries.extend(now.aliases.difference(&before.aliases).map(|other| {
        ContactSummary::on_whatsapp(address, format!("{address} and {other} are one person"), TimelineOutcome::Neutral)
    }));
    if now.marketing_sent.keys().any(|id| !before.marketing_sent.contains_key(id)) {
        let summary = format!("a marketing message to {address} counted");
        summaries.push(ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral));
    }
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
        message_sid: change.message_sid.as_ref().map(ToString::to_string),
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
fn consents(before: &Person, now: &Person, address: &str) -> Vec<ContactSummary> {
    let recorded = Category::ALL.into_iter().filter(|category| now.consents.contains_key(category));
    let changed = recorded.filter(|category| before.consent(*category) != now.consent(*category));
    let summary = |category: Category| {
        let state = now.consent(category)?.state.as_str();
        let summary = format!("consent of {address} for {} is {state}", category.as_str());
        Some(ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral))
    };
    changed.filter_map(summary).collect()
}

fn evidence(change: &ItemChange, address: &str) -> Option<ContactSummary> {
    let ConsentEvidence { category, state, source, .. } = change.read()?;
    let (category, state) = (category.as_str(), state.as_str());
    let summary = format!("evidence stored that consent of {address} for {category} was {state} ({source})");
    Some(ContactSummary::on_whatsapp(address, summary, TimelineOutcome::Neutral))
}

fn history(change: &ItemChange, address: &str) -> Option<ContactSummary> {
    let PreferenceChange { preference, channel, message_sid, .. } = change.read()?;
    let what = match preference {
        Preference::OptedOut => "STOP",
        Preference::OptedIn => "START",
    };
    let by = message_sid.as_ref().map(|sid| format!(" {}", short(sid.as_str()))).unwrap_or_default();
    Some(ContactSummary {
        summary: format!("{what}{by} stored in the history of {address}"),
        outcome: TimelineOutcome::Neutral,
        person: on_channel(&channel, address),
        message_sid: message_sid.map(String::from),
    })
}

/// An address with Twilio's prefix of its channel.
fn on_channel(channel: &str, address: impl Display) -> String {
    if channel == "sms" { address.to_string() } else { format!("{channel}:{address}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::tests::change;

    const SID: &str = "SM0000000000000000000000000000beef";
    const AT: &str = "2026-11-20T09:00:00.000Z";

    fn contact(address: &str, facet: &str, fields: &Value) -> Value {
        let mut item = json!({"contact": format!("AC00000000000000000000000000000001#{address}"), "facet": facet});
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    }

    fn person(fields: &Value) -> Value {
        contact("+14155550123", "person", fields)
    }

    fn said(preference: &str, channel: &str, scopes: &Value, message_sid: Option<&str>) -> Value {
        let change = json!({
            "event_id": "e", "preference": preference, "channel": channel, "identity": "+14155550123",
            "scopes": scopes, "message_sid": message_sid, "at": AT,
        });
        json!({"version": 1, "last_change": "preference", "preference_change": change})
    }

    fn check(cases: Vec<(&str, Value, TimelineOutcome, &str)>) {
        for (facet, fields, outcome, summary) in cases {
            let entries = timeline_events(&change(None, &contact("+14155550123", facet, &fields)));
            let [entry] = entries.try_into().unwrap_or_else(|entries| panic!("{summary}: {entries:?}"));
            assert_eq!(entry.summary, format!("Contacts: {summary}"));
            assert_eq!(entry.outcome, outcome, "{facet}");
            assert_eq!(entry.details["change"], "appeared");
            let sms = summary.ends_with("on sms");
            assert_eq!(entry.person.unwrap(), if sms { "+14155550123" } else { "whatsapp:+14155550123" }, "{facet}");
        }
    }

    #[test]
    fn changed_preference_has_a_summary() {
        let sender = json!([{"sender": "whatsapp:+14155238886"}]);
        let stop = said("opted_out", "whatsapp", &json!(["all"]), Some(SID));
        let history = stop["preference_change"].clone();
        check(vec![
            (
                "person",
                stop,
                TimelineOutcome::Refused,
                "+14155550123 opted out by SM...00beef: all messages on whatsapp",
            ),
            (
                "person",
                said("opted_in", "whatsapp", &json!(["all"]), None),
                TimelineOutcome::Good,
                "+14155550123 opted in: all messages on whatsapp",
            ),
            (
                "person",
                said("opted_in", "sms", &json!(["marketing"]), None),
                TimelineOutcome::Good,
                "+14155550123 opted in: marketing on sms",
            ),
            (
                "person",
                said("opted_out", "whatsapp", &sender, Some(SID)),
                TimelineOutcome::Refused,
                "+14155550123 opted out by SM...00beef: messages of whatsapp:+14155238886 on whatsapp",
            ),
            (
                "history#SM0000000000000000000000000000beef",
                history,
                TimelineOutcome::Neutral,
                "STOP SM...00beef stored in the history of +14155550123",
            ),
        ]);
    }

    #[test]
    fn window_consent_and_count_have_a_summary() {
        let given = json!({"category": "marketing", "state": "given", "at": AT, "evidence": "x"});
        let evidence =
            json!({"category": "marketing", "state": "given", "at": AT, "source": "form", "recorded_at": AT});
        check(vec![
            (
                "person",
                json!({"window#whatsapp:+14155238886": AT}),
                TimelineOutcome::Good,
                "service window of +14155550123 opened, until 2026-11-21 09:00 UTC",
            ),
            (
                "person",
                json!({"consent#marketing": given}),
                TimelineOutcome::Neutral,
                "consent of +14155550123 for marketing is given",
            ),
            (
                "consent#marketing#2026#a",
                evidence,
                TimelineOutcome::Neutral,
                "evidence stored that consent of +14155550123 for marketing was given (form)",
            ),
            (
                "person",
                json!({"marketing_sent": {"order-1": AT}}),
                TimelineOutcome::Neutral,
                "a marketing message to +14155550123 counted",
            ),
        ]);
    }

    fn summaries(before: Option<&Value>, now: &Value) -> Vec<String> {
        timeline_events(&change(before, now)).into_iter().map(|entry| entry.summary).collect()
    }

    #[test]
    fn unchanged_contact_state_is_shown_as_a_repetition() {
        let wrote = |at: &str| person(&json!({"version": 1, "window#whatsapp:+14155238886": at}));
        for (before, verb) in [("2026-11-20T08:00:00Z", "extended"), ("2026-11-18T08:00:00Z", "opened")] {
            let expected = format!("Contacts: service window of +14155550123 {verb}, until 2026-11-21 09:00 UTC");
            assert_eq!(summaries(Some(&wrote(before)), &wrote(AT)), [expected]);
        }
        let mut stopped = said("opted_out", "whatsapp", &json!(["all"]), None);
        stopped["stop#whatsapp"] = json!({"preference": "opted_out", "changed_at": AT});
        let stopped = person(&stopped);
        let expected = "Contacts: +14155550123 opted out again: all messages on whatsapp";
        assert_eq!(summaries(Some(&stopped), &stopped), [expected]);
    }

    #[test]
    fn each_change_of_one_write_has_an_entry() {
        let given = json!({"category": "marketing", "state": "given", "at": "2026-11-20T08:00:00Z", "evidence": "x"});
        let before = person(&json!({"version": 1, "consent#marketing": given}));
        let mut now = said("opted_out", "whatsapp", &json!(["all"]), Some(SID));
        now["stop#whatsapp"] = json!({"preference": "opted_out", "changed_at": AT, "message_sid": SID});
        now["last_stop_at"] = json!(AT);
        now["consent#marketing"] = given;
        now["window#whatsapp:+14155238886"] = json!(AT);
        now["window#whatsapp:MG00000000000000000000000000000001"] = json!(AT);
        let expected = [
            "Contacts: +14155550123 opted out by SM...00beef: all messages on whatsapp",
            "Contacts: service window of +14155550123 opened, until 2026-11-21 09:00 UTC",
            "Contacts: consent of +14155550123 for marketing is withdrawn",
        ];
        assert_eq!(summaries(Some(&before), &person(&now)), expected);
    }

    #[test]
    fn only_a_new_link_of_the_home_has_an_entry() {
        // A set of strings is a list in the JSON of the tests.
        let linked = |aliases: &[&str]| {
            let mut change = change(None, &person(&json!({"version": 1})));
            let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
            change.new.insert("aliases".to_owned(), aws_sdk_dynamodb::types::AttributeValue::Ss(aliases));
            change.new
        };
        let mut both = ItemChange { old: None, new: linked(&["US.1"]), sequence_number: String::new() };
        let entries = timeline_events(&both);
        let summaries: Vec<_> = entries.iter().map(|entry| entry.summary.as_str()).collect();
        assert_eq!(summaries, ["Contacts: +14155550123 and US.1 are one person"]);
        both.old = Some(linked(&["US.1"]));
        assert_eq!(timeline_events(&both), []);
        let alias = contact("US.1", "person", &json!({"home": "+14155550123", "version": 1, "linked_at": AT}));
        assert_eq!(timeline_events(&change(None, &alias)), []);
        assert_eq!(timeline_events(&change(None, &contact("US.1", "something#new", &json!({})))), []);
    }
}
