//! `wa contacts show`

use domain::{consent::ConsentState, preference::Preference};
use serde::Serialize;
use stores::contacts::{ConsentHistory, ContactOverview, Suppression};

use crate::{
    exit::CommandError,
    output::{Format, PropertyTable},
    people::{ContactView, PersonAddress, scope_text},
    session::Session,
};

/// Who.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa contacts show +14155550123")]
pub struct ShowContactArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
}

/// Something that is known, as a row.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ContactRow {
    what: &'static str,
    of: String,
    state: String,
    since: String,
    by: String,
}

/// Prints all that is known: in JSON as `GET /contacts/{e164}` shows it.
pub async fn run(arguments: &ShowContactArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let overview = session.contacts().await?.overview(&arguments.person.key(&account_sid)).await?;
    let contact = arguments.person.identity.as_str().to_owned();
    if session.output.format() == Format::Json {
        return session.output.json(&ContactView { account_sid, contact, overview });
    }
    let rows = rows(&overview);
    if rows.is_empty() && session.output.format() == Format::Table {
        return session.output.line(&format!("Nothing is known of {contact}."));
    }
    session.output.table(&PropertyTable::new(&["what", "of", "state", "since", "by"], rows)?)
}

fn rows(overview: &ContactOverview) -> Vec<ContactRow> {
    let suppressions = overview.suppressions.iter().map(of_suppression);
    let consents = overview.consents.iter().flat_map(of_consent);
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
    suppressions.chain(consents).chain(windows).chain(linked).collect()
}

fn of_suppression(known: &Suppression) -> ContactRow {
    let preference = &known.preference;
    let state = match preference.preference {
        Preference::OptedOut => "suppressed",
        Preference::OptedIn => "lifted",
    };
    let by = preference.message_sid.as_ref().map(ToString::to_string).or_else(|| preference.reason.clone());
    ContactRow {
        what: "suppression",
        of: format!("{} {}", known.channel, scope_text(&known.scope)),
        state: state.to_owned(),
        since: preference.changed_at.to_string(),
        by: by.unwrap_or_default(),
    }
}

/// What holds, and the proofs of it.
fn of_consent(history: &ConsentHistory) -> Vec<ContactRow> {
    let proof = |(index, evidence): (usize, &domain::consent::ConsentEvidence)| {
        let holds = if index == 0 && evidence.at == history.current.at { "" } else { " (before)" };
        let state = match evidence.state {
            ConsentState::Given => "given",
            ConsentState::Withdrawn => "withdrawn",
        };
        ContactRow {
            what: "consent",
            of: evidence.category.as_str().to_owned(),
            state: format!("{state}{holds}"),
            since: evidence.at.to_string(),
            by: evidence.source.clone(),
        }
    };
    history.evidence.iter().enumerate().map(proof).collect()
}

#[cfg(test)]
mod tests {
    use domain::{preference::RecordedPreference, suppression::Scope};

    use super::*;

    #[test]
    fn a_suppression_says_who_made_it() {
        let preference = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: "2026-11-20T09:00:00Z".parse().unwrap(),
            message_sid: None,
            reason: Some("asked by letter".to_owned()),
        };
        let known = Suppression { channel: "whatsapp".to_owned(), scope: Scope::All, preference };
        let overview = ContactOverview { suppressions: vec![known], ..ContactOverview::default() };
        let expected = ContactRow {
            what: "suppression",
            of: "whatsapp all".to_owned(),
            state: "suppressed".to_owned(),
            since: "2026-11-20T09:00:00Z".to_owned(),
            by: "asked by letter".to_owned(),
        };
        assert_eq!(rows(&overview), [expected]);
    }
}
