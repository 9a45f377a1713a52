//! `wa contacts suppress` and `wa contacts unsuppress`

use domain::{
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::{CHANNELS, Scope},
};
use jiff::Timestamp;
use serde::Serialize;
use stores::contacts::{ContactOverview, Suppression};

use crate::{
    exit::CommandError,
    output::{Format, PropertyTable, readable},
    people::{PersonAddress, PreferenceChange, known, record_preference, scope, scope_text, summary},
    session::Session,
};

/// Above this many people somebody is asked.
const MANY: usize = 20;

/// Who is to be left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It holds from the next claim on, and takes back the consents that it covers, as a STOP does. A START that is newer lifts it.

Example:
  wa contacts suppress whatsapp:+14155550123 --reason 'asked by letter, case 4711'")]
pub struct SuppressArguments {
    #[command(flatten)]
    wanted: SuppressionTarget,
}

/// Who is to be written to again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It may lift a person's own STOP, so it asks: be sure that the person wants it. A STOP that is newer counts again.

Example:
  wa contacts unsuppress whatsapp:+14155550123 --reason 'called on 20 November, wants the parcel updates'")]
pub struct UnsuppressArguments {
    #[command(flatten)]
    wanted: SuppressionTarget,
}

/// Whom it is about, what of, and why.
#[derive(Debug, clap::Args)]
struct SuppressionTarget {
    /// Numbers or WhatsApp user ids; sms:+14155550123 for SMS
    #[arg(required = true, value_name = "ADDRESS")]
    people: Vec<PersonAddress>,
    /// What of: all, marketing, a sender as in whatsapp:+14155238886, or a Messaging Service's SID
    #[arg(long, default_value = "all", value_parser = scope, value_name = "SCOPE")]
    scope: Scope,
    /// Why, for whoever asks later
    #[arg(long, value_parser = reason, value_name = "TEXT")]
    reason: String,
}

/// What became of one person.
#[derive(Debug, Serialize)]
struct SuppressionRow {
    address: String,
    scope: String,
    state: &'static str,
    changed: bool,
    before: Option<RecordedPreference>,
    withdrawn: Vec<domain::notification::Category>,
    #[serde(skip)]
    told: String,
}

/// A reason that somebody can read later.
pub fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=500).contains(&text.chars().count());
    if fits { Ok(text.to_owned()) } else { Err("expected 1 to 500 characters".to_owned()) }
}

/// Suppresses.
pub async fn run(arguments: &SuppressArguments, session: &Session) -> Result<(), CommandError> {
    let SuppressionTarget { people, scope, reason } = &arguments.wanted;
    if people.len() > MANY {
        session.terminal.confirm(&format!("Suppress {} people?", people.len()))?;
    }
    record(session, people, scope, Preference::OptedOut, reason).await
}

/// Lifts a suppression.
pub async fn lift(arguments: &UnsuppressArguments, session: &Session) -> Result<(), CommandError> {
    let SuppressionTarget { people, scope, reason } = &arguments.wanted;
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let mut own = Vec::new();
    for person in people {
        let overview = contacts.overview(&person.key(&account_sid)).await?;
        own.extend(stop(&overview, person, scope));
    }
    let question = match own.as_slice() {
        [] => format!("Lift the suppression of {}?", counted(people)),
        [stop] => format!("{stop}. Lift the person's own STOP?"),
        stops => format!("{} of {} said STOP themselves. Lift their own STOP?", stops.len(), counted(people)),
    };
    session.terminal.confirm(&question)?;
    record(session, people, scope, Preference::OptedIn, reason).await?;
    for person in people {
        let overview = contacts.overview(&person.key(&account_sid)).await?;
        for left in remaining(&overview, person) {
            session.terminal.warn(&left);
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

/// The person's own STOP, if it is one that stands.
fn stop(overview: &ContactOverview, person: &PersonAddress, scope: &Scope) -> Option<String> {
    let known = &known(overview, &person.channel, scope)?.preference;
    let sid = known.message_sid.as_ref().filter(|_| known.preference == Preference::OptedOut)?;
    Some(format!("{person} said STOP at {} ({sid})", known.changed_at))
}

/// What still keeps messages from the person, and what lifts it. A STOP on either channel holds for both.
fn remaining(overview: &ContactOverview, person: &PersonAddress) -> Vec<String> {
    let stands = |known: &&Suppression| {
        known.preference.preference == Preference::OptedOut
            && CHANNELS.iter().any(|channel| channel.name() == known.channel)
            // Under any other name nothing is looked up.
            && scope(scope_text(&known.scope)).is_ok()
    };
    let told = |known: &Suppression| {
        let Suppression { channel, scope, .. } = known;
        let (id, scope) = (person.identity.as_str(), scope_text(scope));
        format!(
            "{id} is still suppressed on {channel} ({scope}), which holds for every channel: \
             `wa contacts unsuppress {channel}:{id} --scope {scope} --reason ...` lifts that"
        )
    };
    overview.suppressions.iter().filter(stands).map(told).collect()
}

async fn record(
    session: &Session,
    people: &[PersonAddress],
    scope: &Scope,
    preference: Preference,
    reason: &str,
) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let mut rows = Vec::new();
    let mut failed = None;
    for person in people {
        let wish = RecordedPreference {
            preference,
            changed_at: Timestamp::now(),
            message_sid: None,
            reason: Some(reason.to_owned()),
        };
        match record_preference(&contacts, &person.key(&account_sid), &person.channel, scope, &wish).await {
            Ok(expressed) => rows.push(SuppressionRow::of(person, scope, preference, expressed)),
            Err(error) => {
                failed = Some(CommandError::from(error));
                break;
            }
        }
    }
    let done = format!("{} of {} were recorded", rows.len(), people.len());
    show(session, rows)?;
    failed.map_or(Ok(()), |failure| Err(failure.after(&done)))
}

fn show(session: &Session, rows: Vec<SuppressionRow>) -> Result<(), CommandError> {
    if session.output.format() == Format::Table {
        return rows
            .iter()
            .try_for_each(|row| session.output.line(&readable(&format!("{}: {}", row.address, row.told))));
    }
    session.output.table(&PropertyTable::new(&["address", "scope", "state", "changed", "before", "withdrawn"], rows)?)
}

impl SuppressionRow {
    fn of(person: &PersonAddress, scope: &Scope, preference: Preference, expressed: PreferenceChange) -> Self {
        let told = summary(preference, &expressed);
        let PreferenceChange { before, effect, withdrawn } = expressed;
        let was_suppressed = before.as_ref().is_some_and(|before| before.preference == Preference::OptedOut);
        let is_suppressed =
            if effect == PreferenceEffect::Stale { was_suppressed } else { preference == Preference::OptedOut };
        Self {
            address: person.to_string(),
            scope: scope_text(scope).to_owned(),
            state: if is_suppressed { "suppressed" } else { "not_suppressed" },
            changed: was_suppressed != is_suppressed,
            before,
            withdrawn,
            told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preference(preference: Preference) -> RecordedPreference {
        let changed_at = "2026-11-20T09:00:00Z".parse().unwrap();
        let message_sid = "SM00000000000000000000000000000001".parse().ok();
        RecordedPreference { preference, changed_at, message_sid, reason: None }
    }

    #[test]
    fn what_was_there_before_is_said() {
        let person: PersonAddress = "+14155550123".parse().unwrap();
        for (before, effect, wish, changed, expected) in [
            (None, PreferenceEffect::Changed, Preference::OptedOut, true, "suppressed; nothing was known before"),
            (
                Some(Preference::OptedOut),
                PreferenceEffect::Repeated,
                Preference::OptedOut,
                false,
                "suppressed; before: suppressed since",
            ),
            (
                Some(Preference::OptedOut),
                PreferenceEffect::Changed,
                Preference::OptedIn,
                true,
                "not suppressed; before: suppressed since",
            ),
            (
                Some(Preference::OptedOut),
                PreferenceEffect::Stale,
                Preference::OptedIn,
                false,
                "unchanged, a newer wish stands",
            ),
        ] {
            let expressed = PreferenceChange { before: before.map(preference), effect, withdrawn: Vec::new() };
            let row = SuppressionRow::of(&person, &Scope::All, wish, expressed);
            assert_eq!(row.changed, changed, "{expected}");
            assert!(row.told.starts_with(expected), "{}", row.told);
        }
    }

    #[test]
    fn a_stop_of_the_persons_own_is_told_from_an_operators() {
        let person: PersonAddress = "+14155550123".parse().unwrap();
        let overview = |preference| ContactOverview {
            suppressions: vec![Suppression { channel: "whatsapp".to_owned(), scope: Scope::All, preference }],
            ..ContactOverview::default()
        };
        assert!(stop(&overview(preference(Preference::OptedOut)), &person, &Scope::All).is_some());
        assert!(stop(&overview(preference(Preference::OptedIn)), &person, &Scope::All).is_none());
        let by_operator = RecordedPreference { message_sid: None, ..preference(Preference::OptedOut) };
        assert!(stop(&overview(by_operator), &person, &Scope::All).is_none());
    }

    #[test]
    fn what_still_suppresses_on_either_channel_is_said_with_what_lifts_it() {
        let person: PersonAddress = "+14155550123".parse().unwrap();
        let known = |channel: &str, scope, wish| Suppression {
            channel: channel.to_owned(),
            scope,
            preference: preference(wish),
        };
        let overview = ContactOverview {
            suppressions: vec![
                known("whatsapp", Scope::All, Preference::OptedIn),
                known("whatsapp", Scope::Marketing, Preference::OptedOut),
                known("sms", Scope::All, Preference::OptedOut),
                known("sms", Scope::Sender("+14155238886".to_owned()), Preference::OptedOut),
            ],
            ..ContactOverview::default()
        };
        let left = remaining(&overview, &person);
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left[0].contains("unsuppress whatsapp:+14155550123 --scope marketing "), "{left:?}");
        assert!(left[1].contains("unsuppress sms:+14155550123 --scope all "), "{left:?}");
    }
}
