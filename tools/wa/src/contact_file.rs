//! A CSV file of suppressions and consents, one change of one person on each line.

use std::{collections::HashSet, fmt};

use domain::{preference::Preference, suppression::stored_channel};
use jiff::Timestamp;
use serde::Serialize;
use stores::contacts::{ContactRecord, RecordedFact};
use twilio_types::address::Identity;

use crate::{
    people::{PersonAddress, consent_action},
    redaction::redacted_debug,
    spreadsheet::{guarded, unguarded},
};

mod dialect;
mod row;

pub use row::ContactChange;

use dialect::CsvDialect;
use row::CsvRow;

/// The columns, in the order of an export.
pub const COLUMNS: [&str; 13] = [
    "address",
    "action",
    "scope",
    "category",
    "at",
    "source",
    "text",
    "text_version",
    "locale",
    "ip",
    "user_agent",
    "reason",
    "message_sid",
];
const REQUIRED: [&str; 3] = ["address", "action", "at"];

/// A line that was parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactEntry {
    /// Counted from 1, the header included.
    pub line: u64,
    pub person: PersonAddress,
    pub change: ContactChange,
}

redacted_debug!(ContactEntry, CsvLine);

/// A line that cannot be used. The column may be any text of the header, so `Debug` shows the line alone.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {problem}")]
pub struct InvalidLine {
    line: u64,
    column: String,
    problem: String,
}

impl fmt::Debug for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidLine").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Parses the whole file, or lists what is wrong with each line. A line that is repeated counts once.
pub fn read(bytes: &[u8], now: Timestamp, recorded_by: Option<&str>) -> Result<Vec<ContactEntry>, Vec<InvalidLine>> {
    let CsvDialect { bytes, first_line, delimiter } = CsvDialect::of(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(bytes);
    let headers = reader.headers().cloned().map_err(|error| vec![malformed(first_line, &error)])?;
    let headers: Vec<&str> = headers.iter().map(str::trim).collect();
    check_headers(first_line, &headers)?;
    let (mut entries, mut invalid, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut lines = LineCounter { bytes, at: 0, line: first_line };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                invalid.push(malformed(lines.number(error.position()), &error));
                continue;
            }
        };
        let line = lines.number(record.position());
        if record.len() != headers.len() {
            let problem = format!("expected {} columns, as the header has, found {}", headers.len(), record.len());
            invalid.push(InvalidLine { line, column: "columns".to_owned(), problem });
            continue;
        }
        let values: Vec<_> = record.iter().map(unguarded).collect();
        let fields =
            headers.iter().copied().zip(values.iter().map(String::as_str)).filter(|(_, value)| !value.is_empty());
        let row = CsvRow { fields: fields.collect() };
        match row.parse(now, recorded_by) {
            Ok((person, change)) => {
                if seen.insert(values) {
                    entries.push(ContactEntry { line, person, change });
                }
            }
            Err((column, problem)) => invalid.push(InvalidLine { line, column, problem }),
        }
    }
    if invalid.is_empty() { Ok(entries) } else { Err(invalid) }
}

/// Counts lines as editors do. The reader's position may be before a line end that the reader has yet to skip.
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The number of the line at a position, which is never before the last one asked for.
    fn number(&mut self, position: Option<&csv::Position>) -> u64 {
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
        csv::ErrorKind::Utf8 { .. } => "expected UTF-8: in Excel, save it as `CSV UTF-8`".to_owned(),
        _ => "expected CSV: fields with commas, semicolons or tabs between them, in quotes where a field has one of these"
            .to_owned(),
    };
    InvalidLine { line, column: "columns".to_owned(), problem }
}

fn check_headers(line: u64, headers: &[&str]) -> Result<(), Vec<InvalidLine>> {
    let at = |column: &str, problem: String| InvalidLine { line, column: column.to_owned(), problem };
    let known = COLUMNS.join(", ");
    let unknown = headers.iter().filter(|name| !COLUMNS.contains(name));
    let mut invalid: Vec<_> =
        unknown.map(|name| at(name, format!("there is no such column, expected some of {known}"))).collect();
    let missing = REQUIRED.into_iter().filter(|name| !headers.contains(name));
    invalid.extend(missing.map(|name| at(name, "this column is missing, and required".to_owned())));
    if invalid.is_empty() { Ok(()) } else { Err(invalid) }
}

/// A line of an export. The fields are the columns.
#[derive(Default, Clone, PartialEq, Eq, Serialize)]
pub struct CsvLine {
    pub address: String,
    pub action: &'static str,
    pub scope: Option<String>,
    pub category: Option<&'static str>,
    pub at: String,
    pub source: Option<String>,
    pub text: Option<String>,
    pub text_version: Option<String>,
    pub locale: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub reason: Option<String>,
    pub message_sid: Option<String>,
}

impl CsvLine {
    /// The same line as cells that a spreadsheet reads as text. [`read`] reverts that.
    #[must_use]
    pub fn guarded(self) -> Self {
        let guard = |cell: Option<String>| cell.map(|text| guarded(&text));
        Self {
            address: guarded(&self.address),
            scope: guard(self.scope),
            source: guard(self.source),
            text: guard(self.text),
            text_version: guard(self.text_version),
            locale: guard(self.locale),
            user_agent: guard(self.user_agent),
            reason: guard(self.reason),
            ..self
        }
    }

    /// The line that [`read`] parses into the same change.
    pub fn of(listed: ContactRecord) -> Self {
        let address = |channel: &str, identity: &Identity| format!("{channel}:{}", identity.as_str());
        match listed.fact {
            RecordedFact::Preference { channel, scope, preference } => Self {
                address: address(stored_channel(&channel).name(), &listed.identity),
                action: match preference.preference {
                    Preference::OptedOut => "suppress",
                    Preference::OptedIn => "unsuppress",
                },
                scope: Some(scope.as_text().to_owned()),
                at: preference.changed_at.to_string(),
                reason: preference.reason,
                message_sid: preference.message_sid.map(|sid| sid.to_string()),
                ..Self::default()
            },
            RecordedFact::Consent(evidence) => Self {
                address: address("whatsapp", &listed.identity),
                action: consent_action(evidence.state),
                category: Some(evidence.category.as_str()),
                at: evidence.at.to_string(),
                source: Some(evidence.source),
                text: evidence.text,
                text_version: evidence.text_version,
                locale: evidence.locale,
                ip: evidence.ip.map(|ip| ip.to_string()),
                user_agent: evidence.user_agent,
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests;
