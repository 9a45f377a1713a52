//! `wa contacts show`

use domain::{
    consent::{ConsentEvidence, ConsentState},
    preference::Preference,
    suppression::Scope,
};
use serde::Serialize;
use stores::contacts::{ConsentHistory, ContactOverview, PreferenceChange, Suppression};

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    people::{ContactView, PersonAddress},
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa contacts show +14155550123")]
pub struct ShowContactArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
}

/// One thing that is stored of a person.
#[derive(PartialEq, Eq, Serialize)]
struct ContactRow {
    what: &'static str,
    of: String,
    state: String,
    since: String,
    by: String,
}

/// Prints everything that is stored of a person. The JSON is that of `GET /contacts/{contact}`, also of a person of whom nothing
/// is known, which is an error like that of every other command that finds nothing.
pub async fn run(arguments: &ShowContactArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let overview = session.contacts().await?.overview(&arguments.person.key(&account_sid)).await?;
    let contact = arguments.person.identity.as_str().to_owned();
    let rows = rows(&overview);
    let is_unknown = rows.is_empty();
    let nothing = CommandError::not_found(format!("nothing is known of {contact} in {account_sid}"));
    match session.output.format() {
        Format::Json => session.output.json(&ContactView { account_sid, contact, overview })?,
        Format::Table if is_unknown => {}
        _ => session.output.table(&PropertyTable::new(&["what", "of", "state", "since", "by"], rows)?)?,
    }
    if is_unknown { Err(nothing) } else { Ok(()) }
}

fn rows(overview: &ContactOverview) -> Vec<ContactRow> {
    let suppressions = overview.suppressions.iter().map(suppression_row);
    let consents = overview.consents.iter().flat_map(consent_rows);
    let windows = overview.windows.iter().map(|window| ContactRow {
        what: "window",
        of: window.sender.clone(),
        state: format!("until {}", window.open_until),
        since: window.last_inbound_at.to_string(),
        by: String::new(),
    });
    let linked = overview.linked.iter().map(|linked| ContactRow {
        what: "same person",
        of: linked.address.clone(),
        state: String::new(),
        since: linked.linked_at.to_string(),
        by: String::new(),
    });
    let history = overview.history.iter().map(history_row);
    suppressions.chain(consents).chain(windows).chain(linked).chain(history).collect()
}

/// A STOP or a START of the past, whether or not it counts now.
fn history_row(change: &PreferenceChange) -> ContactRow {
    let state = match change.preference {
        Preference::OptedOut => "STOP",
        Preference::OptedIn => "START",
    };
    let scopes: Vec<_> = change.scopes.iter().map(Scope::as_text).collect();
    let sid = change.message_sid.as_ref().map(ToString::to_string);
    let code = || change.code.map(|code| format!("Twilio's code {code}"));
    ContactRow {
        what: "history",
        of: format!("{} {}", change.channel, scopes.join(" ")),
        state: state.to_owned(),
        since: change.at.to_string(),
        by: sid.or_else(code).or_else(|| change.reason.clone()).unwrap_or_default(),
    }
}

fn suppression_row(suppression: &Suppression) -> ContactRow {
    let preference = &suppression.preference;
    let state = match preference.preference {
        Preference::OptedOut => "suppressed",
        Preference::OptedIn => "lifted",
    };
    let by = preference.message_sid.as_ref().map(ToString::to_string).or_else(|| preference.reason.clone());
    ContactRow {
        what: "suppression",
        of: format!("{} {}", suppression.channel, suppression.scope.as_text()),
        state: state.to_owned(),
        since: preference.changed_at.to_string(),
        by: by.unwrap_or_default(),
    }
}

/// The proofs of a category, the current one marked apart from those before it.
fn consent_rows(history: &ConsentHistory) -> Vec<ContactRow> {
    let row = |(index, evidence): (usize, &ConsentEvidence)| {
        let is_current = index == 0 && evidence.at == history.current.at;
        let state = match evidence.state {
            ConsentState::Given => "given",
            ConsentState::Withdrawn => "withdrawn",
        };
        ContactRow {
            what: "consent",
            of: evidence.category.as_str().to_owned(),
            state: format!("{state}{}", if is_current { "" } else { " (before)" }),
            since: evidence.at.to_string(),
            by: match &evidence.text_version {
                Some(version) => format!("{} (text {version})", evidence.source),
                None => evidence.source.clone(),
            },
        }
    };
    history.evidence.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use domain::preference::RecordedPreference;

    use super::*;

    #[test]
    fn each_stop_and_start_is_shown_with_its_cause() {
        let change = PreferenceChange {
            event_id: "SM1.contact_opted_out".to_owned(),
            preference: Preference::OptedOut,
            channel: "whatsapp".to_owned(),
            identity: "+14155550123".to_owned(),
            scope: None,
            scopes: vec![Scope::All, Scope::Marketing],
            message_sid: "SM00000000000000000000000000000001".parse().ok(),
            code: None,
            reason: None,
            recorded_by: None,
            at: "2026-11-20T09:00:00Z".parse().unwrap(),
        };
        let reported = PreferenceChange { message_sid: None, code: "63050".parse().ok(), ..change.clone() };
        let lifted = PreferenceChange {
            preference: Preference::OptedIn,
            message_sid: None,
            reason: Some("called us".to_owned()),
            ..change.clone()
        };
        let overview = ContactOverview { history: vec![lifted, reported, change], ..ContactOverview::default() };
        let rows = rows(&overview);
        let shown: Vec<_> = rows.iter().map(|row| (row.what, row.state.as_str(), row.by.as_str())).collect();
        let expected = [
            ("history", "START", "called us"),
            ("history", "STOP", "Twilio's code 63050"),
            ("history", "STOP", "SM00000000000000000000000000000001"),
        ];
        assert_eq!(shown, expected);
        assert_eq!((rows[0].of.as_str(), rows[0].since.as_str()), ("whatsapp all marketing", "2026-11-20T09:00:00Z"));
    }

    #[test]
    fn an_operators_suppression_is_shown_with_its_reason() {
        let preference = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: "2026-11-20T09:00:00Z".parse().unwrap(),
            message_sid: None,
            reason: Some("asked by letter".to_owned()),
        };
        let suppression = Suppression { channel: "whatsapp".to_owned(), scope: Scope::All, preference };
        let overview = ContactOverview { suppressions: vec![suppression], ..ContactOverview::default() };
        let [row] = rows(&overview).try_into().ok().unwrap();
        let ContactRow { what, of, state, since, by } = row;
        assert_eq!((what, of.as_str(), state.as_str()), ("suppression", "whatsapp all", "suppressed"));
        assert_eq!((since.as_str(), by.as_str()), ("2026-11-20T09:00:00Z", "asked by letter"));
    }
}
