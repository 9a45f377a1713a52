//! Items of the Contacts table as timeline entries.

use domain::{
    consent::{Consent, ConsentEvidence},
    limits::SERVICE_WINDOW,
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use jiff::Timestamp;
use sandbox::{TimelineEvent, TimelineOutcome};

use super::{short, streams::ItemChange};

/// The summary of an item, and how its person is addressed.
struct ContactSummary {
    summary: String,
    outcome: TimelineOutcome,
    /// The channel, as in `whatsapp`.
    channel: String,
    message_sid: Option<String>,
}

impl ContactSummary {
    fn on_whatsapp(summary: String, outcome: TimelineOutcome) -> Self {
        Self { summary, outcome, channel: "whatsapp".to_owned(), message_sid: None }
    }
}

pub(super) fn timeline_event(change: &ItemChange) -> Option<TimelineEvent> {
    let contact = change.text("contact")?;
    let facet = change.text("facet")?;
    let (_, address) = contact.split_once('#')?;
    let contact_summary = contact_summary(change, address, facet)?;
    Some(TimelineEvent {
        kind: "item".to_owned(),
        outcome: contact_summary.outcome,
        summary: format!("Contacts: {}", contact_summary.summary),
        person: Some(on_channel(&contact_summary.channel, address)),
        message_sid: contact_summary.message_sid,
        notification_id: None,
        details: change.details("Contacts", &format!("{contact} {facet}"), &["contact", "facet", "expires_at"]),
    })
}

fn contact_summary(change: &ItemChange, address: &str, facet: &str) -> Option<ContactSummary> {
    if let Some((channel, scope)) = Scope::in_facet(facet) {
        return preference(change, address, channel, &scope);
    }
    match facet.split_once('#')? {
        // The item without a sender is the window of any sender, which repeats the sender's window; it has no entry.
        ("window", sender) => window(change, address, sender),
        ("consent", category) if category.contains('#') => consent_evidence(change, address),
        ("consent", _) => consent(change, address),
        ("identity", other) => identity(change, address, other),
        ("sent", category) => Some(ContactSummary::on_whatsapp(
            format!("a {category} message to {address} counted"),
            TimelineOutcome::Neutral,
        )),
        _ => None,
    }
}

fn preference(change: &ItemChange, address: &str, channel: &str, scope: &Scope) -> Option<ContactSummary> {
    let now: RecordedPreference = change.read()?;
    let before: Option<RecordedPreference> = change.read_old();
    let again = if before.is_some_and(|before| before.preference == now.preference) { " again" } else { "" };
    let what = match scope {
        Scope::All => "all messages".to_owned(),
        Scope::Marketing => "marketing".to_owned(),
        Scope::Sender(sender) => format!("messages of {sender}"),
    };
    let message_sid = now.message_sid.map(String::from);
    let by = message_sid.as_deref().map(|sid| format!(" by {}", short(sid))).unwrap_or_default();
    let (did, outcome) = match now.preference {
        Preference::OptedOut => ("opted out", TimelineOutcome::Refused),
        Preference::OptedIn => ("opted in", TimelineOutcome::Good),
    };
    let summary = format!("{address} {did}{again}{by}: {what} on {channel}");
    Some(ContactSummary { summary, outcome, channel: channel.to_owned(), message_sid })
}

fn window(change: &ItemChange, address: &str, sender: &str) -> Option<ContactSummary> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let at = change.text("last_inbound_at").and_then(time)?;
    let before = change.old_text("last_inbound_at").and_then(time);
    let was_open = before.is_some_and(|before| at.duration_since(before) < SERVICE_WINDOW);
    let verb = if was_open { "extended" } else { "opened" };
    let until = at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
    let summary = format!("service window of {address} {verb}, until {}", until.strftime("%Y-%m-%d %H:%M UTC"));
    let channel = sender.split_once(':').map_or("sms", |(channel, _)| channel).to_owned();
    Some(ContactSummary { summary, outcome: TimelineOutcome::Good, channel, message_sid: None })
}

fn consent(change: &ItemChange, address: &str) -> Option<ContactSummary> {
    let Consent { category, state, .. } = change.read()?;
    let summary = format!("consent of {address} for {} is {}", category.as_str(), state.as_str());
    Some(ContactSummary::on_whatsapp(summary, TimelineOutcome::Neutral))
}

fn consent_evidence(change: &ItemChange, address: &str) -> Option<ContactSummary> {
    let ConsentEvidence { category, state, source, .. } = change.read()?;
    let (category, state) = (category.as_str(), state.as_str());
    let summary = format!("evidence stored that consent of {address} for {category} was {state} ({source})");
    Some(ContactSummary::on_whatsapp(summary, TimelineOutcome::Neutral))
}

/// Each of the two contacts has an item about the other, and the item is written again when the shared state was copied.
/// Only the first write of one of the two items has an entry.
fn identity(change: &ItemChange, address: &str, other: &str) -> Option<ContactSummary> {
    let is_first = change.old.is_none() && address < other;
    is_first
        .then(|| ContactSummary::on_whatsapp(format!("{address} and {other} are one person"), TimelineOutcome::Neutral))
}

/// An address with Twilio's prefix of its channel.
fn on_channel(channel: &str, address: &str) -> String {
    if channel == "sms" { address.to_owned() } else { format!("{channel}:{address}") }
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

    #[test]
    fn contact_item_of_each_facet_has_a_summary() {
        let out = json!({"preference": "opted_out", "changed_at": AT, "message_sid": SID});
        let lifted = json!({"preference": "opted_in", "changed_at": AT});
        let wrote = json!({"last_inbound_at": AT});
        let given = json!({"category": "marketing", "state": "given", "at": AT, "evidence": "x"});
        let evidence =
            json!({"category": "marketing", "state": "given", "at": AT, "source": "form", "recorded_at": AT});
        let cases = [
            (
                "opt#whatsapp",
                &out,
                TimelineOutcome::Refused,
                "+14155550123 opted out by SM...00beef: all messages on whatsapp",
            ),
            ("opt#whatsapp", &lifted, TimelineOutcome::Good, "+14155550123 opted in: all messages on whatsapp"),
            ("opt#sms#marketing", &lifted, TimelineOutcome::Good, "+14155550123 opted in: marketing on sms"),
            (
                "opt#whatsapp#whatsapp:+14155238886",
                &out,
                TimelineOutcome::Refused,
                "+14155550123 opted out by SM...00beef: messages of whatsapp:+14155238886 on whatsapp",
            ),
            (
                "window#whatsapp:+14155238886",
                &wrote,
                TimelineOutcome::Good,
                "service window of +14155550123 opened, until 2026-11-21 09:00 UTC",
            ),
            ("consent#marketing", &given, TimelineOutcome::Neutral, "consent of +14155550123 for marketing is given"),
            (
                "consent#marketing#2026#a",
                &evidence,
                TimelineOutcome::Neutral,
                "evidence stored that consent of +14155550123 for marketing was given (form)",
            ),
            ("identity#US.1", &json!({}), TimelineOutcome::Neutral, "+14155550123 and US.1 are one person"),
            ("sent#marketing", &json!({}), TimelineOutcome::Neutral, "a marketing message to +14155550123 counted"),
        ];
        for (facet, fields, outcome, summary) in cases {
            let entry = timeline_event(&change(None, &contact("+14155550123", facet, fields))).unwrap();
            assert_eq!(entry.summary, format!("Contacts: {summary}"));
            assert_eq!(entry.outcome, outcome, "{facet}");
            assert_eq!(entry.details["change"], "appeared");
            let sms = facet.starts_with("opt#sms");
            assert_eq!(entry.person.unwrap(), if sms { "+14155550123" } else { "whatsapp:+14155550123" }, "{facet}");
        }
    }

    #[test]
    fn unchanged_contact_state_is_shown_as_a_repetition() {
        let facet = "window#whatsapp:+14155238886";
        let wrote = |at: &str| contact("US.1", facet, &json!({"last_inbound_at": at}));
        for (before, verb) in [("2026-11-20T08:00:00Z", "extended"), ("2026-11-18T08:00:00Z", "opened")] {
            let entry = timeline_event(&change(Some(&wrote(before)), &wrote(AT))).unwrap();
            assert_eq!(entry.summary, format!("Contacts: service window of US.1 {verb}, until 2026-11-21 09:00 UTC"));
            assert_eq!(entry.person.as_deref(), Some("whatsapp:US.1"));
        }
        let out = contact("US.1", "opt#whatsapp", &json!({"preference": "opted_out", "changed_at": AT}));
        let entry = timeline_event(&change(Some(&out), &out)).unwrap();
        assert_eq!(entry.summary, "Contacts: US.1 opted out again: all messages on whatsapp");
    }

    #[test]
    fn repeated_link_and_unknown_facets_have_no_entry() {
        let link = contact("+14155550123", "identity#US.1", &json!({"linked_at": AT}));
        assert_eq!(timeline_event(&change(Some(&link), &link)), None);
        assert_eq!(timeline_event(&change(None, &contact("US.1", "identity#+14155550123", &json!({})))), None);
        assert_eq!(timeline_event(&change(None, &contact("US.1", "window", &json!({"last_inbound_at": AT})))), None);
        assert_eq!(timeline_event(&change(None, &contact("US.1", "something#new", &json!({})))), None);
    }
}
