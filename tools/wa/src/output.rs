//! The output of a command: a table for people; JSON, CSV or TSV for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, presets};
use dialoguer::console::Term;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{error::CommandError, redaction::redacted_debug};

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// An array of objects, or one object.
    Json,
    /// Comma-separated, with a header (RFC 4180).
    Csv,
    /// Tab-separated, with a header; tabs and line ends inside a value are written \t and \n.
    Tsv,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct Properties {
    /// The properties to show, in this order, separated by commas, as in sid,status
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub properties: Vec<String>,
}

/// Rows with named properties. JSON shows all of them, the other formats those in `columns`.
#[derive(Clone)]
pub struct PropertyTable {
    columns: Vec<String>,
    rows: Vec<Value>,
}

redacted_debug!(PropertyTable);

impl PropertyTable {
    /// Each row is serialized to an object.
    pub fn new(columns: &[&str], rows: impl IntoIterator<Item = impl Serialize>) -> Result<Self, CommandError> {
        let rows: Result<Vec<_>, _> = rows.into_iter().map(serde_json::to_value).collect();
        let rows = rows.map_err(unserializable)?;
        Ok(Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows })
    }

    /// The same rows with these properties alone, in this order. A name may be written as in Twilio's CLI (`dateSent`).
    pub fn pick(mut self, properties: &Properties) -> Result<Self, CommandError> {
        if properties.properties.is_empty() {
            return Ok(self);
        }
        let columns: Vec<_> = properties.properties.iter().map(|name| snake_case(name.trim())).collect();
        let known = |name: &String| {
            self.columns.contains(name) || self.rows.is_empty() || self.rows.iter().any(|row| row.get(name).is_some())
        };
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            let existing = self.rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys());
            let mut existing: Vec<&str> = existing.map(String::as_str).collect();
            existing.sort_unstable();
            existing.dedup();
            let existing = existing.join(", ");
            return Err(CommandError::usage(format!(
                "--properties: there is no {unknown}, expected some of {existing}"
            )));
        }
        for row in &mut self.rows {
            *row = columns.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or_default())).collect();
        }
        self.columns = columns;
        Ok(self)
    }

    /// The same rows with the first columns alone that fit into this many characters: at least one.
    fn fit(mut self, width: usize) -> Self {
        let longest = |column: &String| {
            let cell = |row: &Value| row.get(column).map(plain).unwrap_or_default();
            let cells = self.rows.iter().map(|row| readable(&cell(row)).chars().count());
            cells.chain([column.len()]).max().unwrap_or_default() + COLUMN_PADDING
        };
        let widths: Vec<_> = self.columns.iter().map(longest).collect();
        let fitting = widths.iter().scan(0, |end, column| {
            *end += column;
            Some(*end - COLUMN_PADDING)
        });
        let count = fitting.take_while(|end| *end <= width).count();
        self.columns.truncate(count.max(1));
        self
    }

    fn cells<'a>(&'a self, row: &'a Value) -> impl Iterator<Item = String> + 'a {
        self.columns.iter().map(|column| row.get(column).map(plain).unwrap_or_default())
    }
}

/// The spaces after a column.
const COLUMN_PADDING: usize = 2;

/// The standard output.
#[derive(Debug)]
pub struct CommandOutput {
    format: Format,
    colour: bool,
    /// How many characters fit into a line of the terminal; none if it is no terminal.
    width: Option<usize>,
}

impl CommandOutput {
    /// The standard output of this process.
    pub fn new(format: Format) -> Self {
        let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        let width = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        Self { format, colour, width }
    }

    pub const fn format(&self) -> Format {
        self.format
    }

    /// The table that is printed of this one: for people, the first columns that fit into the terminal.
    pub fn fitted(&self, table: PropertyTable) -> PropertyTable {
        match (self.format, self.width) {
            (Format::Table, Some(width)) => table.fit(width),
            _ => table,
        }
    }

    pub fn table(&self, table: &PropertyTable) -> Result<(), CommandError> {
        write(&self.rendered(table)?)
    }

    /// Prints a table of one row, which is an object in JSON.
    pub fn one(&self, table: &PropertyTable) -> Result<(), CommandError> {
        match (self.format, table.rows.as_slice()) {
            (Format::Json, [row]) => self.json(row),
            _ => self.table(table),
        }
    }

    /// Prints rows that continue a table, with or without its header.
    pub fn more(&self, table: &PropertyTable, has_header: bool) -> Result<(), CommandError> {
        let text = self.rendered(table)?;
        let rows = if has_header { text.as_str() } else { text.split_once('\n').map_or("", |(_, rows)| rows) };
        write(rows)
    }

    /// Prints these properties of a value for people, one on each line, as in `facts.quiet_until  2026-11-20T09:00:00Z`.
    /// A property without a value is left out.
    pub fn fields(&self, properties: &[&str], value: &impl Serialize) -> Result<(), CommandError> {
        let value = serde_json::to_value(value).map_err(unserializable)?;
        let mut lines = Vec::new();
        for property in properties {
            flatten(property, value.get(property).unwrap_or_default(), &mut lines);
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let shown = lines.iter().map(|(name, value)| format!("{name:width$}  {}\n", readable(value)));
        write(&shown.collect::<String>())
    }

    /// Prints JSON, in every format.
    pub fn json(&self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value).map_err(unserializable)?;
        write(&format!("{text}\n"))
    }

    pub fn line(&self, line: &str) -> Result<(), CommandError> {
        write(&format!("{line}\n"))
    }

    fn rendered(&self, table: &PropertyTable) -> Result<String, CommandError> {
        match self.format {
            Format::Table => Ok(self.for_people(table)),
            Format::Json => {
                let text = serde_json::to_string_pretty(&table.rows).map_err(unserializable)?;
                Ok(format!("{text}\n"))
            }
            Format::Csv => csv(table),
            Format::Tsv => Ok(tsv(table)),
        }
    }

    fn for_people(&self, table: &PropertyTable) -> String {
        let mut shown = comfy_table::Table::new();
        // A SID that is split to fit into a column cannot be copied. The terminal wraps lines that are too long.
        shown.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        if self.colour {
            shown.enforce_styling();
        }
        let heading = |column: &String| Cell::new(column.to_uppercase()).add_attribute(Attribute::Bold);
        shown.set_header(table.columns.iter().map(heading));
        for row in &table.rows {
            let cells = table.columns.iter().zip(table.cells(row));
            shown.add_row(cells.map(|(column, text)| {
                let cell = Cell::new(readable(&text));
                match tone(column, &text) {
                    Some(colour) => cell.fg(colour),
                    None => cell,
                }
            }));
        }
        for column in shown.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<_> = shown.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        lines.concat()
    }
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path}.{name}"), value, lines);
            }
        }
        value => lines.push((path.to_owned(), plain(value))),
    }
}

fn write(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Green for success, red for failure.
fn tone(column: &str, text: &str) -> Option<Color> {
    if !matches!(column, "state" | "status" | "current_status" | "outcome" | "finding") {
        return None;
    }
    match text {
        "accepted" | "delivered" | "read" | "received" | "sent" | "ok" => Some(Color::DarkGreen),
        "rejected" | "failed" | "undelivered" | "unknown" | "wrong" => Some(Color::DarkRed),
        "suppressed" | "expired" | "canceled" | "cancelled" | "waiting" | "awaiting_reply" | "warning" => {
            Some(Color::DarkYellow)
        }
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value for people: times to the second, and no control characters.
pub fn readable(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => format!("{at:.0}"),
        Err(_) => printable(text),
    }
}

/// A text that people wrote may hold control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { if c == '\n' { '↵' } else { '\u{fffd}' } } else { c }).collect()
}

fn unserializable(error: serde_json::Error) -> CommandError {
    CommandError::usage("the result cannot be written as JSON").because(error)
}

fn csv(table: &PropertyTable) -> Result<String, CommandError> {
    let unwritable = |error: csv::Error| CommandError::usage("the result cannot be written as CSV").because(error);
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(unwritable)?;
    for row in &table.rows {
        writer.write_record(table.cells(row)).map_err(unwritable)?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tsv(table: &PropertyTable) -> String {
    let escaped =
        |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
    let line = |cells: Vec<String>| format!("{}\n", cells.join("\t"));
    let rows = table.rows.iter().map(|row| line(table.cells(row).map(|cell| escaped(&cell)).collect()));
    std::iter::once(line(table.columns.clone())).chain(rows).collect()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> PropertyTable {
        let rows = [
            json!({"sid": "SM1", "status": "read", "body": "one,\t\"two\"\nthree", "error_code": null, "num_media": 2}),
            json!({"sid": "SM2", "status": "failed", "body": "\u{1b}[31m", "error_code": 63016}),
        ];
        PropertyTable::new(&["sid", "status", "error_code", "body"], rows).unwrap()
    }

    fn shown(format: Format, colour: bool, table: &PropertyTable) -> String {
        CommandOutput { format, colour, width: None }.rendered(table).unwrap()
    }

    #[test]
    fn a_table_shows_columns_and_no_control_characters() {
        let expected = "SID  STATUS  ERROR_CODE  BODY\n\
                        SM1  read                one,\u{fffd}\"two\"↵three\n\
                        SM2  failed  63016       \u{fffd}[31m\n";
        assert_eq!(shown(Format::Table, false, &table()), expected);
    }

    #[test]
    fn colour_is_used_only_in_a_table_on_a_terminal() {
        assert!(shown(Format::Table, true, &table()).contains("\u{1b}["));
        for format in [Format::Table, Format::Csv, Format::Tsv, Format::Json] {
            let shown = shown(format, false, &PropertyTable::new(&["sid"], [json!({"sid": "SM1"})]).unwrap());
            assert!(!shown.contains('\u{1b}'), "{shown}");
        }
    }

    #[test]
    fn csv_tsv_and_json_keep_every_value() {
        let shown_csv = shown(Format::Csv, false, &table());
        let mut reader = csv::Reader::from_reader(shown_csv.as_bytes());
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&records[0][3], "one,\t\"two\"\nthree");
        let expected =
            "sid\tstatus\terror_code\tbody\nSM1\tread\t\tone,\\t\"two\"\\nthree\nSM2\tfailed\t63016\t\u{1b}[31m\n";
        assert_eq!(shown(Format::Tsv, false, &table()), expected);
        let json: Value = serde_json::from_str(&shown(Format::Json, false, &table())).unwrap();
        assert_eq!(json[0]["num_media"], 2);
    }

    #[test]
    fn narrow_terminal_shows_the_first_columns() {
        let columns = |width: Option<usize>, format: Format| {
            CommandOutput { format, colour: false, width }.fitted(table()).columns.join(" ")
        };
        assert_eq!(columns(Some(11), Format::Table), "sid status");
        assert_eq!(columns(Some(10), Format::Table), "sid");
        assert_eq!(columns(Some(1), Format::Table), "sid", "at least one");
        for (width, format) in [(Some(80), Format::Table), (None, Format::Table), (Some(10), Format::Csv)] {
            assert_eq!(columns(width, format), "sid status error_code body");
        }
    }

    #[test]
    fn properties_select_and_order_the_columns() {
        let picked = |names: &[&str]| {
            table().pick(&Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() })
        };
        let shown_tsv = shown(Format::Tsv, false, &picked(&["errorCode", "sid"]).unwrap());
        assert_eq!(shown_tsv, "error_code\tsid\n\tSM1\n63016\tSM2\n");
        let refused = picked(&["sid", "colour"]).unwrap_err();
        assert_eq!(refused.code(), 2);
        let expected = "--properties: there is no colour, expected some of body, error_code, num_media, sid, status";
        assert_eq!(refused.to_string(), expected);
    }
}
