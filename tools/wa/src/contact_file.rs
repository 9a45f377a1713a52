//! A file of suppressions and consents: CSV with a header, a line for each thing that a person has said.

use std::collections::{BTreeMap, HashSet};

use domain::{
    consent::{ConsentEvidence, ConsentRequest},
    preference::{Preference, RecordedPreference},
    suppression::{Scope, stored_channel},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use stores::contacts::{ContactRecord, RecordedFact};
use twilio_types::address::Identity;

use crate::people::{PersonAddress, consent_action, person_of_message, recorded_scope, scope_of_message, scope_text};

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 12] = [
    "address",
    "action",
    "scope",
    "category",
    "at",
    "source",
    "text",
    "locale",
    "ip",
    "user_agent",
    "reason",
    "message_sid",
];
const ACTIONS: &str = "suppress, unsuppress, consent or withdraw";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactEntry {
    /// The line, from 1, the header included.
    pub line: u64,
    /// Who it is about.
    pub person: PersonAddress,
    /// What the person has said.
    pub said: ContactChange,
}

/// What a person has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    /// Whether messages are wanted.
    Preference(Scope, RecordedPreference),
    /// A proof of consent.
    Consent(ConsentEvidence),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {problem}")]
pub struct InvalidLine {
    line: u64,
    column: String,
    problem: String,
}

/// Reads the whole file: all of it is right, or it says of each line what is wrong and what is right. A line that is there
/// twice counts once.
pub fn read(bytes: &[u8], now: Timestamp, recorded_by: Option<&str>) -> Result<Vec<ContactEntry>, Vec<InvalidLine>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers().cloned().map_err(|error| vec![malformed(1, &error)])?;
    // Some programs begin a file with a byte order mark.
    let headers: Vec<&str> = headers.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
    check_headers(&headers)?;
    let mut entries = Vec::new();
    let mut wrongs = Vec::new();
    let mut seen = HashSet::new();
    let mut lines = LineCounter { bytes, at: 0, line: 1 };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrongs.push(malformed(lines.of(error.position()), &error));
                continue;
            }
        };
        let line = lines.of(record.position());
        if record.len() != headers.len() {
            let problem = format!("expected {} columns, as the header has, found {}", headers.len(), record.len());
            wrongs.push(InvalidLine { line, column: "columns".to_owned(), problem });
            continue;
        }
        let fields = headers.iter().copied().zip(record.iter()).filter(|(_, value)| !value.is_empty());
        let row = CsvRow { fields: fields.collect() };
        match row.entry(now, recorded_by) {
            Ok((person, said)) => {
                if seen.insert(record.iter().map(str::to_owned).collect::<Vec<_>>()) {
                    entries.push(ContactEntry { line, person, said });
                }
            }
            Err((column, problem)) => wrongs.push(InvalidLine { line, column, problem }),
        }
    }
    if wrongs.is_empty() { Ok(entries) } else { Err(wrongs) }
}

/// Counts lines as editors do. A position that the reader gives may be before the line end that it has yet to skip.
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// Of positions that only go on.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let until = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
        while let Some(byte) = self.bytes.get(self.at) {
            if self.at >= until && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn malformed(line: u64, error: &csv::Error) -> InvalidLine {
    let problem = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "expected UTF-8".to_owned(),
        _ => "expected CSV: fields with commas between them, in quotes where a field has a comma or a quote".to_owned(),
    };
    InvalidLine { line, column: "columns".to_owned(), problem }
}

fn check_headers(headers: &[&str]) -> Result<(), Vec<InvalidLine>> {
    let wrong = |column: &str, problem: String| InvalidLine { line: 1, column: column.to_owned(), problem };
    let known = COLUMNS.join(", ");
    let unknown = headers.iter().filter(|name| !COLUMNS.contains(name));
    let mut wrongs: Vec<_> =
        unknown.map(|name| wrong(name, format!("there is no such column, expected some of {known}"))).collect();
    let missing = ["address", "action", "at"].into_iter().filter(|name| !headers.contains(name));
    wrongs.extend(missing.map(|name| wrong(name, "this column is missing, and required".to_owned())));
    if wrongs.is_empty() { Ok(()) } else { Err(wrongs) }
}

/// A column, and what is wrong with what stands there.
type Problem = (String, String);

struct CsvRow<'a> {
    /// What is filled.
    fields: BTreeMap<&'a str, &'a str>,
}

impl CsvRow<'_> {
    fn entry(&self, now: Timestamp, recorded_by: Option<&str>) -> Result<(PersonAddress, ContactChange), Problem> {
        let address = self.required("address")?;
        let person = if self.is_of_message() { person_of_message(address) } else { address.parse() };
        let person = person.map_err(|problem| at("address", problem))?;
        let said = match self.required("action")? {
            "suppress" => self.preference(Preference::OptedOut, now)?,
            "unsuppress" => self.preference(Preference::OptedIn, now)?,
            "consent" => self.consent("given", now, recorded_by)?,
            "withdraw" => self.consent("withdrawn", now, recorded_by)?,
            other => return Err(at("action", format!("{other:?}: expected {ACTIONS}"))),
        };
        Ok((person, said))
    }

    /// Whether the line is about a message of the person's. Then Twilio has written the addresses, and nobody has mistyped
    /// them.
    fn is_of_message(&self) -> bool {
        self.fields.contains_key("message_sid")
    }

    fn required(&self, column: &'static str) -> Result<&str, Problem> {
        self.fields.get(column).copied().ok_or_else(|| at(column, "missing, and required"))
    }

    /// Columns that say nothing about this action are a mistake: what they were meant to say would be lost.
    fn none_of(&self, columns: &[&str]) -> Result<(), Problem> {
        let action = self.fields.get("action").copied().unwrap_or_default();
        match columns.iter().find(|column| self.fields.contains_key(**column)) {
            Some(column) => Err(at(column, format!("says nothing about {action}: expected it to be empty"))),
            None => Ok(()),
        }
    }

    fn preference(&self, preference: Preference, now: Timestamp) -> Result<ContactChange, Problem> {
        self.none_of(&["category", "text", "locale", "ip", "user_agent"])?;
        let scope = self.fields.get("scope").map_or(Ok(Scope::All), |text| {
            if self.is_of_message() { scope_of_message(text) } else { recorded_scope(text) }
        });
        let scope = scope.map_err(|problem| at("scope", problem))?;
        let expected = "expected a time as in 2026-11-20T09:00:00Z, since 1970 and not in the future: it decides which of two wishes is newer";
        let changed_at = self.required("at").map_err(|(column, _)| (column, format!("missing, {expected}")))?;
        let changed_at: Option<Timestamp> = changed_at.parse().ok();
        let changed_at = changed_at.filter(|at| (Timestamp::UNIX_EPOCH..=now).contains(at));
        let changed_at = changed_at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
        let changed_at = changed_at.ok_or_else(|| at("at", expected))?;
        let message_sid = self.fields.get("message_sid").map(|sid| sid.parse()).transpose();
        let message_sid =
            message_sid.map_err(|error: twilio_types::sid::InvalidSid| at("message_sid", error.to_string()))?;
        let reason = self.fields.get("reason").or_else(|| self.fields.get("source")).map(|text| (*text).to_owned());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > 500) {
            return Err(at("reason", "expected at most 500 characters"));
        }
        Ok(ContactChange::Preference(scope, RecordedPreference { preference, changed_at, message_sid, reason }))
    }

    /// By the rules of `PUT /contacts/{e164}/consent`, whose fields have the columns' names.
    fn consent(&self, state: &str, now: Timestamp, recorded_by: Option<&str>) -> Result<ContactChange, Problem> {
        self.none_of(&["scope", "reason", "message_sid"])?;
        self.required("at")?;
        let names = ["category", "at", "source", "text", "locale", "ip", "user_agent"];
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

/// A line as it is written.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns, described in the help of import")]
pub struct CsvLine {
    pub address: String,
    pub action: &'static str,
    pub scope: Option<String>,
    pub category: Option<&'static str>,
    pub at: String,
    pub source: Option<String>,
    pub text: Option<String>,
    pub locale: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub reason: Option<String>,
    pub message_sid: Option<String>,
}

impl CsvLine {
    /// The line that [`read`] reads as the same.
    pub fn of(listed: ContactRecord) -> Self {
        let of_channel = |channel: &str, identity: &Identity| format!("{channel}:{}", identity.as_str());
        match listed.fact {
            RecordedFact::Preference { channel, scope, preference } => Self {
                address: of_channel(stored_channel(&channel).name(), &listed.identity),
                action: match preference.preference {
                    Preference::OptedOut => "suppress",
                    Preference::OptedIn => "unsuppress",
                },
                scope: Some(scope_text(&scope).to_owned()),
                at: preference.changed_at.to_string(),
                reason: preference.reason,
                message_sid: preference.message_sid.map(|sid| sid.to_string()),
                ..Self::default()
            },
            RecordedFact::Consent(evidence) => Self {
                address: of_channel("whatsapp", &listed.identity),
                action: consent_action(evidence.state),
                category: Some(evidence.category.as_str()),
                at: evidence.at.to_string(),
                source: Some(evidence.source),
                text: evidence.text,
                locale: evidence.locale,
                ip: evidence.ip.map(|ip| ip.to_string()),
                user_agent: evidence.user_agent,
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::Category;
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "address,action,scope,category,at,source,text,reason";

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn wrongs(lines: &str) -> Vec<String> {
        let wrongs = read(format!("{HEADER}\n{lines}").as_bytes(), now(), None).unwrap_err();
        wrongs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_is_read_line_by_line() {
        let text = "\u{feff}address,action,scope,category,at,source,text\r\n\
            +14155550123,suppress,,,2026-11-19T09:00:00.1239Z,,\r\n\
            whatsapp:+14155550123,unsuppress,marketing,,2026-11-19T09:00:00Z,letter,\r\n\
            +14155550124,consent,,marketing,2026-11-19T09:00:00Z,form,\"Offers, please\"\r\n\
            +14155550124,consent,,marketing,2026-11-19T09:00:00Z,form,\"Offers, please\"\r\n";
        let entries = read(text.as_bytes(), now(), None).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 3, 4]);
        let ContactChange::Preference(Scope::All, first) = &entries[0].said else { panic!("{entries:?}") };
        assert_eq!(first.changed_at.to_string(), "2026-11-19T09:00:00.123Z");
        let ContactChange::Preference(Scope::Marketing, second) = &entries[1].said else { panic!("{entries:?}") };
        assert_eq!((second.preference, second.reason.as_deref()), (Preference::OptedIn, Some("letter")));
        let ContactChange::Consent(evidence) = &entries[2].said else { panic!("{entries:?}") };
        assert_eq!((evidence.category, evidence.text.as_deref()), (Category::Marketing, Some("Offers, please")));
    }

    #[test]
    fn each_bad_line_is_named_with_its_column_and_what_is_right() {
        for (line, expected) in [
            (",suppress,,,2026-11-19T09:00:00Z,,,", "line 2, address: missing, and required"),
            (
                "14155550123,suppress,,,2026-11-19T09:00:00Z,,,",
                "line 2, address: expected a number or a WhatsApp user id",
            ),
            ("+14155550123,stop,,,2026-11-19T09:00:00Z,,,", "line 2, action: \"stop\": expected suppress, unsuppress,"),
            ("+14155550123,suppress,utility,,2026-11-19T09:00:00Z,,,", "line 2, scope: expected all, marketing,"),
            ("+14155550123,suppress,,,,,,", "line 2, at: missing, expected a time as in"),
            ("+14155550123,suppress,,,2026-11-21T09:00:00Z,,,", "line 2, at: expected a time as in"),
            ("+14155550123,suppress,,,yesterday,,,", "line 2, at: expected a time as in"),
            (
                "+14155550123,suppress,,marketing,2026-11-19T09:00:00Z,,,",
                "line 2, category: says nothing about suppress",
            ),
            ("+14155550123,consent,,marketing,2026-11-19T09:00:00Z,form,,", "line 2, text: missing, and required"),
            (
                "+14155550123,consent,,news,2026-11-19T09:00:00Z,form,yes,",
                "line 2, category: expected marketing, utility",
            ),
            (
                "+14155550123,consent,all,marketing,2026-11-19T09:00:00Z,form,yes,",
                "line 2, scope: says nothing about consent",
            ),
            ("+14155550123,suppress", "line 2, columns: expected 8 columns, as the header has, found 2"),
        ] {
            let found = wrongs(line);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{line}: {found:?}");
        }
        assert_eq!(wrongs("a b,,,,,,,\n+14155550123,,,,,,,\n").len(), 2);
        let headers = read(b"address,acton\n", now(), None).unwrap_err();
        let columns: Vec<_> = headers.iter().map(|wrong| wrong.column.as_str()).collect();
        assert_eq!(columns, ["acton", "action", "at"]);
    }

    fn any_identity(patterns: [&'static str; 2]) -> impl Strategy<Value = Identity> {
        let [one, other] = patterns;
        prop_oneof![one, other].prop_map(|text| text.parse().unwrap())
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (0..1_700_000_000_000_i64).prop_map(|at| Timestamp::from_millisecond(at).unwrap())
    }

    fn any_preference(scope: impl Strategy<Value = Scope>, sid: &'static str) -> impl Strategy<Value = RecordedFact> {
        // As items of older versions are stored as well.
        let channel = prop_oneof!["whatsapp", "sms", "rcs", "messenger", "WhatsApp"];
        let scope = prop_oneof![Just(Scope::All), Just(Scope::Marketing), scope];
        let wish = prop_oneof![Just(Preference::OptedOut), Just(Preference::OptedIn)];
        let reason = prop::option::of("[a-z,\"é\n]{1,20}");
        (channel, scope, wish, any_time(), reason, sid).prop_map(
            |(channel, scope, preference, changed_at, reason, sid)| {
                let message_sid = (!sid.is_empty()).then(|| sid.parse().unwrap());
                let preference = RecordedPreference { preference, changed_at, message_sid, reason };
                RecordedFact::Preference { channel, scope, preference }
            },
        )
    }

    fn listed() -> impl Strategy<Value = ContactRecord> {
        let known = ["\\+1415555[0-9]{4}", "US\\.[0-9]{8,20}"];
        let by_operator = any_preference(Just(Scope::Sender("whatsapp:+14155238886".to_owned())), "");
        let consent = (any_time(), "[a-z, \"é]{0,20}x").prop_map(|(at, text)| {
            let withdrawal = ConsentEvidence::withdrawal(Category::Marketing, at, "form", now());
            RecordedFact::Consent(ConsentEvidence { text: Some(text), ..withdrawal })
        });
        let of_known = (any_identity(known), prop_oneof![by_operator, consent]);
        // A message comes from any address, and is written to any sender.
        let sender = prop_oneof!["whatsapp:\\+1415523[0-9]{4}", "rcs:[a-z_]{3,20}", "\\+1415523[0-9]{4}", "[0-9]{5,6}"];
        let by_message = any_preference(sender.prop_map(Scope::Sender), "SM[0-9a-f]{32}");
        let anybody = prop_oneof![any_identity(known), any_identity(["[0-9]{3,6}", "[A-Za-z&:_-]{3,11}"])];
        prop_oneof![of_known, (anybody, by_message)].prop_map(|(identity, fact)| ContactRecord { identity, fact })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(listed in listed()) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.serialize(CsvLine::of(listed.clone())).unwrap();
            let entries = read(&writer.into_inner().unwrap(), now(), None).unwrap();
            prop_assert_eq!(&entries[0].person.identity, &listed.identity);
            match (&entries[0].said, &listed.fact) {
                (ContactChange::Preference(scope, wish), RecordedFact::Preference { channel, scope: known, preference }) => {
                    prop_assert_eq!((scope, wish), (known, preference));
                    prop_assert_eq!(&entries[0].person.channel, &stored_channel(channel));
                }
                (ContactChange::Consent(evidence), RecordedFact::Consent(known)) => prop_assert_eq!(evidence, known),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
