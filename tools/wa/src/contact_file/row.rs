//! A row of the file, parsed into a person and a change.

use std::collections::BTreeMap;

use domain::{
    consent::{ConsentEvidence, ConsentRequest},
    preference::{Preference, RecordedPreference},
    suppression::Scope,
    suppression_request::MAX_REASON_CHARS,
};
use jiff::Timestamp;
use serde_json::Value;
use twilio_types::sid::InvalidSid;

use crate::{
    people::{PersonAddress, person_of_message, recorded_scope, scope_of_message},
    redaction::redacted_debug,
};

const ACTIONS: &str = "suppress, unsuppress, consent or withdraw";
const TIME: &str = "expected a time as in 2026-11-20T09:00:00Z, since 1970 and not in the future: it decides which of two \
                    preferences is newer";

/// What a row records of a person.
#[derive(Clone, PartialEq, Eq)]
pub enum ContactChange {
    Preference(Scope, RecordedPreference),
    Consent(ConsentEvidence),
}

redacted_debug!(ContactChange);

/// A column, and what is wrong with its value.
pub(super) type Problem = (String, String);

/// The columns of a row that are not empty.
pub(super) struct CsvRow<'a> {
    pub(super) fields: BTreeMap<&'a str, &'a str>,
}

impl CsvRow<'_> {
    pub(super) fn parse(
        &self,
        now: Timestamp,
        recorded_by: Option<&str>,
    ) -> Result<(PersonAddress, ContactChange), Problem> {
        let address = self.required("address")?;
        let person = if self.is_of_message() { person_of_message(address) } else { address.parse() };
        let person = person.map_err(|problem| at("address", problem))?;
        let change = match self.required("action")? {
            "suppress" => self.preference(Preference::OptedOut, now)?,
            "unsuppress" => self.preference(Preference::OptedIn, now)?,
            "consent" => self.consent("given", now, recorded_by)?,
            "withdraw" => self.consent("withdrawn", now, recorded_by)?,
            _ => return Err(at("action", format!("expected {ACTIONS}"))),
        };
        Ok((person, change))
    }

    /// Whether the row is about a message of the person. Then Twilio wrote the addresses, so that they have no typing error.
    fn is_of_message(&self) -> bool {
        self.fields.contains_key("message_sid")
    }

    fn required(&self, column: &'static str) -> Result<&str, Problem> {
        self.fields.get(column).copied().ok_or_else(|| at(column, "missing, and required"))
    }

    /// Refuses a value in a column that the row's action does not use: its meaning would be lost.
    fn none_of(&self, columns: &[&str]) -> Result<(), Problem> {
        let action = self.fields.get("action").copied().unwrap_or_default();
        match columns.iter().find(|column| self.fields.contains_key(**column)) {
            Some(column) => Err(at(column, format!("says nothing about {action}: expected it to be empty"))),
            None => Ok(()),
        }
    }

    fn preference(&self, preference: Preference, now: Timestamp) -> Result<ContactChange, Problem> {
        self.none_of(&["category", "text", "text_version", "locale", "ip", "user_agent"])?;
        let scope = self.fields.get("scope").map_or(Ok(Scope::All), |text| {
            if self.is_of_message() { scope_of_message(text) } else { recorded_scope(text) }
        });
        let scope = scope.map_err(|problem| at("scope", problem.to_string()))?;
        let changed_at = self.changed_at(now)?;
        let message_sid = self.fields.get("message_sid").map(|sid| sid.parse()).transpose();
        let message_sid = message_sid.map_err(|error: InvalidSid| at("message_sid", error.to_string()))?;
        let reason = self.fields.get("reason").or_else(|| self.fields.get("source")).map(|text| (*text).to_owned());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
            return Err(at("reason", format!("expected at most {MAX_REASON_CHARS} characters")));
        }
        let preference = RecordedPreference { preference, changed_at, message_sid, reason };
        Ok(ContactChange::Preference(scope, preference))
    }

    /// The time of a preference, to the millisecond, as the table stores it.
    fn changed_at(&self, now: Timestamp) -> Result<Timestamp, Problem> {
        let text = self.required("at").map_err(|(column, _)| (column, format!("missing, {TIME}")))?;
        let time = text.parse().ok().filter(|time| (Timestamp::UNIX_EPOCH..=now).contains(time));
        let time = time.and_then(|time| Timestamp::from_millisecond(time.as_millisecond()).ok());
        time.ok_or_else(|| at("at", TIME))
    }

    /// Parses by the rules of `PUT /contacts/{contact}/consent`, whose fields have the columns' names.
    fn consent(&self, state: &str, now: Timestamp, recorded_by: Option<&str>) -> Result<ContactChange, Problem> {
        self.none_of(&["scope", "reason", "message_sid"])?;
        self.required("at")?;
        let names = ["category", "at", "source", "text", "text_version", "locale", "ip", "user_agent"];
        let given = names.iter().filter_map(|name| Some(((*name).to_owned(), Value::from(*self.fields.get(name)?))));
        let body: Value = given.chain([("state".to_owned(), Value::from(state))]).collect();
        let request = ConsentRequest::parse(&body.to_string(), now, recorded_by.map(str::to_owned));
        request
            .map(|request| ContactChange::Consent(request.evidence))
            .map_err(|invalid| (invalid.field, invalid.problem))
    }
}

fn at(column: &str, problem: impl Into<String>) -> Problem {
    (column.to_owned(), problem.into())
}
