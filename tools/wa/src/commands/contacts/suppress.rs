//! `wa contacts suppress` and `wa contacts unsuppress`

use clap_complete::engine::ArgValueCandidates;
use domain::{
    notification::Category,
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::{CHANNELS, Scope},
    suppression_request::{self, MAX_REASON_CHARS, SuppressionRequest},
};
use jiff::Timestamp;
use serde::Serialize;
use stores::contacts::{ContactOverview, PreferenceOutcome, Suppression};

use crate::{
    commands::consent::recorded_by,
    completion,
    error::CommandError,
    output::{Format, PropertyTable, readable},
    people::{PersonAddress, find_suppression, scope, summary},
    session::Session,
};

/// The command asks before it suppresses more people than this.
const MANY: usize = 20;

#[derive(clap::Args)]
#[command(after_help = "\
From the next message on nothing is sent, and the consents that it covers end, as after a STOP. A newer START lifts it. It is
in the person's history, and it is an event.

Example:
  wa contacts suppress whatsapp:+14155550123 --reason 'asked by letter, case 4711'")]
pub struct SuppressArguments {
    #[command(flatten)]
    target: SuppressionTarget,
}

#[derive(clap::Args)]
#[command(after_help = "\
It may lift a person's own STOP, so it asks: be sure that the person wants it. In a script --own-stop answers that question,
and --yes does not. A newer STOP suppresses again.

Example:
  wa contacts unsuppress whatsapp:+14155550123 --reason 'called on 20 November, wants the parcel updates'")]
pub struct UnsuppressArguments {
    #[command(flatten)]
    target: SuppressionTarget,
    /// Lift a STOP that the person sent, too; --yes does not include it
    #[arg(long)]
    own_stop: bool,
}

#[derive(clap::Args)]
struct SuppressionTarget {
    /// Numbers or WhatsApp user ids; sms:+14155550123 for SMS
    #[arg(required = true, value_name = "ADDRESS")]
    people: Vec<PersonAddress>,
    /// The messages: all, marketing, those of a sender as in whatsapp:+14155238886, or of a Messaging Service by its SID
    #[arg(long, default_value = "all", value_parser = scope, value_name = "SCOPE", add = ArgValueCandidates::new(completion::suppression_scopes))]
    scope: Scope,
    /// The reason, for people who look it up later
    #[arg(long, value_parser = reason, value_name = "TEXT")]
    reason: String,
}

/// The outcome for one person.
#[derive(Serialize)]
struct SuppressionRow {
    address: String,
    scope: String,
    state: &'static str,
    changed: bool,
    before: Option<RecordedPreference>,
    withdrawn: Vec<Category>,
    /// The same in words, for the table.
    #[serde(skip)]
    summary: String,
}

fn reason(text: &str) -> Result<String, String> {
    suppression_request::reason(text).ok_or_else(|| format!("expected 1 to {MAX_REASON_CHARS} characters"))
}

pub async fn run(arguments: &SuppressArguments, session: &Session) -> Result<(), CommandError> {
    let people = &arguments.target.people;
    session.announce_change().await?;
    if people.len() > MANY {
        session.terminal.confirm(&format!("Suppress {} people?", people.len()))?;
    }
    record(session, &arguments.target, Preference::OptedOut).await
}

/// Lifts suppressions, after asking. Warns of those that remain.
pub async fn lift(arguments: &UnsuppressArguments, session: &Session) -> Result<(), CommandError> {
    let SuppressionTarget { people, scope, .. } = &arguments.target;
    session.announce_change().await?;
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let mut own_stops = Vec::new();
    for person in people {
        let overview = contacts.overview(&person.key(&account_sid)).await?;
        own_stops.extend(own_stop(&overview, person, scope));
    }
    let own_stop = |question: &str| session.terminal.confirm_override(question, "--own-stop", arguments.own_stop);
    match own_stops.as_slice() {
        [] => session.terminal.confirm(&format!("Lift the suppression of {}?", counted(people)))?,
        [stop] => own_stop(&format!("{stop}. Lift the person's own STOP?"))?,
        stops => {
            own_stop(&format!("{} of {} said STOP themselves. Lift their own STOP?", stops.len(), counted(people)))?;
        }
    }
    record(session, &arguments.target, Preference::OptedIn).await?;
    for person in people {
        let overview = contacts.overview(&person.key(&account_sid)).await?;
        for warning in remaining(&overview, person) {
            session.terminal.warn(&warning);
        }
    }
    Ok(())
}

fn counted(people: &[PersonAddress]) -> String {
    match people {
        [person] => person.to_string(),
        people => format!("{} people", people.len()),
    }
}

/// Describes the STOP that the person sent, if the suppression is due to one and still in force.
fn own_stop(overview: &ContactOverview, person: &PersonAddress, scope: &Scope) -> Option<String> {
    let stop = find_suppression(overview, &person.channel, scope).filter(|found| found.is_own_stop())?;
    let sid = stop.preference.message_sid.as_ref()?;
    Some(format!("{person} said STOP at {} ({sid})", stop.preference.changed_at))
}

/// Describes what still suppresses messages to the person, and the command that lifts it. A STOP on either channel counts for
/// both.
fn remaining(overview: &ContactOverview, person: &PersonAddress) -> Vec<String> {
    let is_in_force = |suppression: &&Suppression| {
        suppression.is_in_force()
            && CHANNELS.iter().any(|channel| channel.name() == suppression.channel)
            // The functions look up no other scope.
            && scope(suppression.scope.as_text()).is_ok()
    };
    let describe = |suppression: &Suppression| {
        let Suppression { channel, scope, .. } = suppression;
        let (id, scope) = (person.identity.as_str(), scope.as_text());
        format!(
            "{id} is still suppressed on {channel} ({scope}), which counts for every channel: \
             `wa contacts unsuppress {channel}:{id} --scope {scope} --reason ...` lifts that"
        )
    };
    overview.suppressions.iter().filter(is_in_force).map(describe).collect()
}

async fn record(session: &Session, target: &SuppressionTarget, preference: Preference) -> Result<(), CommandError> {
    let SuppressionTarget { people, scope, reason } = target;
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let recorded_by = recorded_by(session).await;
    let mut rows = Vec::new();
    let mut failed = None;
    for person in people {
        let request = SuppressionRequest {
            scope: scope.clone(),
            channel: Some(person.channel.clone()),
            reason: reason.clone(),
            account_sid: Some(account_sid.clone()),
        };
        let contact = person.key(&account_sid);
        let now = Timestamp::now();
        match contacts.record_suppression(&contact, &request, preference, recorded_by.clone(), now).await {
            Ok(change) => rows.push(SuppressionRow::new(person, scope, preference, change)),
            Err(error) => {
                failed = Some(CommandError::from(error));
                break;
            }
        }
    }
    let done = format!("{} of {} were recorded", rows.len(), people.len());
    show(session, rows)?;
    failed.map_or(Ok(()), |error| Err(error.after(done)))
}

fn show(session: &Session, rows: Vec<SuppressionRow>) -> Result<(), CommandError> {
    if session.output.format() == Format::Table {
        return rows
            .iter()
            .try_for_each(|row| session.output.line(&readable(&format!("{}: {}", row.address, row.summary))));
    }
    let columns = ["address", "scope", "state", "changed", "before", "withdrawn"];
    session.output.table(&PropertyTable::new(&columns, rows)?)
}

impl SuppressionRow {
    fn new(person: &PersonAddress, scope: &Scope, preference: Preference, change: PreferenceOutcome) -> Self {
        let summary = summary(preference, &change);
        let PreferenceOutcome { before, effect, changed, ended_consents, .. } = change;
        let before = before.into_iter().next();
        let was_suppressed = before.as_ref().is_some_and(Suppression::is_in_force);
        let is_suppressed =
            if effect == PreferenceEffect::Stale { was_suppressed } else { preference == Preference::OptedOut };
        Self {
            address: person.to_string(),
            scope: scope.as_text().to_owned(),
            state: if is_suppressed { "suppressed" } else { "not_suppressed" },
            changed,
            before: before.map(|before| before.preference),
            withdrawn: ended_consents,
            summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(preference: Preference) -> RecordedPreference {
        let changed_at = "2026-11-20T09:00:00Z".parse().unwrap();
        let message_sid = "SM00000000000000000000000000000001".parse().ok();
        RecordedPreference { preference, changed_at, message_sid, reason: None }
    }

    #[test]
    fn a_change_is_shown_with_the_preference_before_it() {
        use Preference::{OptedIn, OptedOut};
        let person: PersonAddress = "+14155550123".parse().unwrap();
        for (before, effect, preference, changed, expected) in [
            (None, PreferenceEffect::Changed, OptedOut, true, "suppressed; nothing was known before"),
            (Some(OptedOut), PreferenceEffect::Repeated, OptedOut, false, "suppressed; before: suppressed since"),
            (Some(OptedOut), PreferenceEffect::Changed, OptedIn, true, "not suppressed; before: suppressed since"),
            (
                Some(OptedOut),
                PreferenceEffect::Stale,
                OptedIn,
                false,
                "unchanged, because a newer preference is stored",
            ),
        ] {
            let before = before.map(|preference| Suppression {
                channel: "whatsapp".to_owned(),
                scope: Scope::All,
                preference: recorded(preference),
            });
            let change = PreferenceOutcome {
                effect,
                changed,
                before: before.into_iter().collect(),
                suppressions: Vec::new(),
                lifted_own_stop: false,
                ended_consents: Vec::new(),
            };
            let row = SuppressionRow::new(&person, &Scope::All, preference, change);
            assert_eq!(row.changed, changed, "{expected}");
            assert!(row.summary.starts_with(expected), "{}", row.summary);
        }
    }

    #[test]
    fn a_persons_own_stop_is_distinguished_from_an_operators() {
        let person: PersonAddress = "+14155550123".parse().unwrap();
        let overview = |preference| ContactOverview {
            suppressions: vec![Suppression { channel: "whatsapp".to_owned(), scope: Scope::All, preference }],
            ..ContactOverview::default()
        };
        assert!(own_stop(&overview(recorded(Preference::OptedOut)), &person, &Scope::All).is_some());
        assert!(own_stop(&overview(recorded(Preference::OptedIn)), &person, &Scope::All).is_none());
        let by_operator = RecordedPreference { message_sid: None, ..recorded(Preference::OptedOut) };
        assert!(own_stop(&overview(by_operator), &person, &Scope::All).is_none());
    }

    #[test]
    fn a_remaining_suppression_is_named_with_its_remedy() {
        let person: PersonAddress = "+14155550123".parse().unwrap();
        let suppression = |channel: &str, scope, preference| Suppression {
            channel: channel.to_owned(),
            scope,
            preference: recorded(preference),
        };
        let overview = ContactOverview {
            suppressions: vec![
                suppression("whatsapp", Scope::All, Preference::OptedIn),
                suppression("whatsapp", Scope::Marketing, Preference::OptedOut),
                suppression("sms", Scope::All, Preference::OptedOut),
                suppression("sms", Scope::Sender("+14155238886".to_owned()), Preference::OptedOut),
            ],
            ..ContactOverview::default()
        };
        let left = remaining(&overview, &person);
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left[0].contains("unsuppress whatsapp:+14155550123 --scope marketing "), "{left:?}");
        assert!(left[1].contains("unsuppress sms:+14155550123 --scope all "), "{left:?}");
    }
}
