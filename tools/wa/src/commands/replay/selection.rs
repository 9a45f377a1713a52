//! Which events of the archive are replayed.

use clap::builder::PossibleValuesParser;
use domain::contact_key::ContactKey;
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{
    archived_event::ArchivedEvent,
    commands::events::tail::TYPES,
    error::CommandError,
    people::{PersonAddress, person_of_message},
    redaction::redacted_debug,
    session::Session,
    since::Since,
};

#[derive(clap::Args)]
pub(super) struct SelectionArguments {
    /// Events that happened since then: how long ago, as in 30m, 1h or 2d, or a time
    #[arg(long, value_name = "AGO")]
    since: Since,
    /// Events that happened before then [default: now]
    #[arg(long, value_name = "AGO")]
    until: Option<Since>,
    /// Only events of these types, separated by commas, as in `twilio_inbound,twilio_status`
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = PossibleValuesParser::new(TYPES))]
    types: Vec<String>,
    /// Only events about this person: a phone number or a user id
    #[arg(long, value_name = "ADDRESS", value_parser = person_of_message)]
    contact: Option<PersonAddress>,
    /// Only events about these messages, separated by commas
    #[arg(long = "message", value_name = "SIDS", value_delimiter = ',')]
    messages: Vec<MessageSid>,
}

/// Which events a run is about. Without an account: those of every account.
pub(super) struct Selection {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    types: Vec<String>,
    contact: Option<PersonAddress>,
    messages: Vec<MessageSid>,
    account_sid: Option<AccountSid>,
}

redacted_debug!(Selection);

impl SelectionArguments {
    pub(super) fn parse(&self, session: &Session, now: Timestamp) -> Result<Selection, CommandError> {
        let since = self.since.at(now);
        let until = self.until.map_or(now, |until| until.at(now));
        if since >= until {
            return Err(CommandError::usage("--since has to be before --until"));
        }
        Ok(Selection {
            since,
            until,
            types: self.types.clone(),
            contact: self.contact.clone(),
            messages: self.messages.clone(),
            account_sid: session.named_account().cloned(),
        })
    }
}

impl Selection {
    pub(super) fn wants(&self, event: &ArchivedEvent) -> bool {
        let is_of_message = || {
            let sid = event.message_sid();
            self.messages.iter().any(|wanted| sid == Some(wanted.as_str()))
        };
        let is_of_contact =
            |contact: &PersonAddress| event.contact() == Some(ContactKey::new(&event.account_sid, &contact.identity));
        (self.since..self.until).contains(&event.occurred_at)
            && self.account_sid.as_ref().is_none_or(|account_sid| *account_sid == event.account_sid)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.contact.as_ref().is_none_or(is_of_contact)
            && (self.messages.is_empty() || is_of_message())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MESSAGE: &str = "SM00000000000000000000000000000001";

    fn event(at: &str) -> ArchivedEvent {
        ArchivedEvent::read(json!({
            "event_type": "twilio_status", "schema": "twilio.status.v1", "event_id": "1", "occurred_at": at,
            "account_sid": "AC00000000000000000000000000000001", "to": "whatsapp:+14155550123", "message_sid": MESSAGE,
        }))
        .unwrap()
    }

    fn selection() -> Selection {
        Selection {
            since: "2026-11-20T09:00:00Z".parse().unwrap(),
            until: "2026-11-20T10:00:00Z".parse().unwrap(),
            types: Vec::new(),
            contact: None,
            messages: Vec::new(),
            account_sid: None,
        }
    }

    #[test]
    fn events_are_selected_by_each_option() {
        let nine = "2026-11-20T09:00:00Z";
        let account = |number: u32| format!("AC{number:032}").parse().ok();
        let contact = |text: &str| person_of_message(text).ok();
        for (selection, at, expected) in [
            (selection(), nine, true),
            (selection(), "2026-11-20T08:59:59.9Z", false),
            (selection(), "2026-11-20T10:00:00Z", false),
            (Selection { types: vec!["twilio_status".to_owned()], ..selection() }, nine, true),
            (Selection { types: vec!["twilio_inbound".to_owned()], ..selection() }, nine, false),
            (Selection { contact: contact("+14155550123"), ..selection() }, nine, true),
            (Selection { contact: contact("+14155550124"), ..selection() }, nine, false),
            (Selection { messages: vec![MESSAGE.parse().unwrap()], ..selection() }, nine, true),
            (
                Selection { messages: vec!["SM00000000000000000000000000000002".parse().unwrap()], ..selection() },
                nine,
                false,
            ),
            (Selection { account_sid: account(1), ..selection() }, nine, true),
            (Selection { account_sid: account(2), ..selection() }, nine, false),
        ] {
            assert_eq!(selection.wants(&event(at)), expected, "{at}");
        }
    }
}
