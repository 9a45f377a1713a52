//! The output of a command: a table for people; JSON, CSV or TSV for programs.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ContentArrangement, presets};
use dialoguer::console::Term;
use serde::Serialize;
use serde_json::Value;

use crate::{error::CommandError, spreadsheet::guarded, terminal::note};

mod table;
mod text;

pub use table::PropertyTable;
pub use text::{readable, without_controls};

use table::{COLUMN_PADDING, FittedColumns, shortened};
use text::{plain, tone};

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns for people, as many as fit into the terminal.
    #[default]
    Table,
    /// An array of objects, or one object.
    Json,
    /// Comma-separated, with a header (RFC 4180); a ' before a cell that a spreadsheet would read as a formula.
    Csv,
    /// Tab-separated, with a header; tabs and line ends inside a value are written \t and \n, formulas as in CSV.
    Tsv,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct Properties {
    /// The columns to show, in this order, separated by commas, as in sid,status
    #[arg(long = "columns", visible_alias = "properties", value_delimiter = ',', value_name = "NAMES")]
    pub properties: Vec<String>,
}

impl Properties {
    /// The names as properties of JSON. A name may be written as in Twilio's CLI (`dateSent`).
    fn names(&self) -> Vec<String> {
        self.properties.iter().map(|name| snake_case(name.trim())).collect()
    }

    /// Whether this property was asked for by its name.
    pub fn include(&self, name: &str) -> bool {
        self.names().iter().any(|column| column == name)
    }
}

/// The standard output.
#[derive(Debug)]
pub struct CommandOutput {
    format: Format,
    colour: bool,
    is_terminal: bool,
    /// How many characters fit into a line of the terminal; none if it is no terminal.
    width: Option<usize>,
}

impl CommandOutput {
    /// The standard output of this process.
    pub fn new(format: Format) -> Self {
        let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        let width = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        Self { format, colour, is_terminal: io::stdout().is_terminal(), width }
    }

    pub const fn format(&self) -> Format {
        self.format
    }

    pub fn table(&self, table: &PropertyTable) -> Result<(), CommandError> {
        let (text, hidden) = self.rendered(table)?;
        write(&text)?;
        if !hidden.is_empty() {
            note(&format!("too narrow for {}: --columns or --output json shows them", hidden.join(", ")));
        }
        Ok(())
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
        let (text, _) = self.rendered(table)?;
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
        self.text(&format!("{text}\n"))
    }

    pub fn line(&self, line: &str) -> Result<(), CommandError> {
        self.text(&format!("{line}\n"))
    }

    /// Prints a text as it is, and without control characters where a terminal would obey them.
    pub fn text(&self, text: &str) -> Result<(), CommandError> {
        if self.is_terminal { write(&without_controls(text)) } else { write(text) }
    }

    /// The text, and the names of columns with values for which there is no room.
    fn rendered(&self, table: &PropertyTable) -> Result<(String, Vec<String>), CommandError> {
        let text = match self.format {
            Format::Table => {
                let FittedColumns { shown, hidden } = table.fit(self.width);
                return Ok((self.for_people(table, &shown), hidden));
            }
            Format::Json => {
                let text = serde_json::to_string_pretty(&table.rows).map_err(unserializable)?;
                format!("{text}\n")
            }
            Format::Csv => csv(table)?,
            Format::Tsv => tsv(table),
        };
        Ok((if self.is_terminal { without_controls(&text) } else { text }, Vec::new()))
    }

    fn for_people(&self, table: &PropertyTable, columns: &[(String, usize)]) -> String {
        let mut shown = comfy_table::Table::new();
        // A SID that is split to fit into a column cannot be copied.
        shown.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        if self.colour {
            shown.enforce_styling();
        }
        shown.set_header(columns.iter().map(|(name, _)| Cell::new(name.to_uppercase()).add_attribute(Attribute::Bold)));
        for row in &table.rows {
            shown.add_row(columns.iter().map(|(name, width)| {
                let text = row.get(name).map(plain).unwrap_or_default();
                let cell = Cell::new(shortened(&text, *width));
                match tone(name, &text) {
                    Some(colour) => cell.fg(colour),
                    None => cell,
                }
            }));
        }
        let padding = u16::try_from(COLUMN_PADDING).unwrap_or_default();
        for column in shown.column_iter_mut() {
            column.set_padding((0, padding));
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

fn unserializable(error: serde_json::Error) -> CommandError {
    CommandError::usage("the result cannot be written as JSON").because(error)
}

fn csv(table: &PropertyTable) -> Result<String, CommandError> {
    let unwritable = |error: csv::Error| CommandError::usage("the result cannot be written as CSV").because(error);
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(unwritable)?;
    for row in &table.rows {
        writer.write_record(table.cells(row).map(|cell| guarded(&cell))).map_err(unwritable)?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tsv(table: &PropertyTable) -> String {
    let escaped =
        |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
    let line = |cells: Vec<String>| format!("{}\n", cells.join("\t"));
    let rows = table.rows.iter().map(|row| line(table.cells(row).map(|cell| escaped(&guarded(&cell))).collect()));
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
mod tests;
