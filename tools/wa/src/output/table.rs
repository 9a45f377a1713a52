//! Rows with named properties, and how many of them fit into a terminal.

use dialoguer::console::{measure_text_width, truncate_str};
use serde::Serialize;
use serde_json::Value;

use super::{
    Properties,
    text::{plain, readable},
    unserializable,
};
use crate::{error::CommandError, redaction::redacted_debug};

/// The spaces after a column.
pub(super) const COLUMN_PADDING: usize = 2;
/// A text is shortened to this many characters before a column is left out.
const SHORTEST_TEXT: usize = 20;

/// Rows with named properties. JSON shows all of them, the other formats those in `columns`.
#[derive(Clone)]
pub struct PropertyTable {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Value>,
    /// `--columns` named them, so all of them are shown.
    is_picked: bool,
}

redacted_debug!(PropertyTable);

/// The columns that a terminal shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FittedColumns {
    /// Each with the width to which its values are shortened.
    pub(super) shown: Vec<(String, usize)>,
    /// Those that are left out although they have values.
    pub(super) hidden: Vec<String>,
}

struct Column {
    name: String,
    /// The width of its longest value.
    full: usize,
    /// The width that it needs: less than `full` if its values are sentences, while half an id is worth nothing.
    least: usize,
    is_empty: bool,
}

impl PropertyTable {
    /// Each row is serialized to an object.
    pub fn new(columns: &[&str], rows: impl IntoIterator<Item = impl Serialize>) -> Result<Self, CommandError> {
        let rows: Result<Vec<_>, _> = rows.into_iter().map(serde_json::to_value).collect();
        let rows = rows.map_err(unserializable)?;
        Ok(Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows, is_picked: false })
    }

    /// The same rows with these properties alone, in this order. A name may be written as in Twilio's CLI (`dateSent`).
    pub fn pick(mut self, properties: &Properties) -> Result<Self, CommandError> {
        if properties.properties.is_empty() {
            return Ok(self);
        }
        let columns = properties.names();
        let known = |name: &String| {
            self.columns.contains(name) || self.rows.is_empty() || self.rows.iter().any(|row| row.get(name).is_some())
        };
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            let existing = self.rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys());
            let mut existing: Vec<&str> = existing.map(String::as_str).collect();
            existing.sort_unstable();
            existing.dedup();
            let existing = existing.join(", ");
            return Err(CommandError::usage(format!("--columns: there is no {unknown}, expected some of {existing}")));
        }
        for row in &mut self.rows {
            *row = columns.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or_default())).collect();
        }
        self.columns = columns;
        self.is_picked = true;
        Ok(self)
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    pub(super) fn cells<'a>(&'a self, row: &'a Value) -> impl Iterator<Item = String> + 'a {
        self.columns.iter().map(|column| row.get(column).map(plain).unwrap_or_default())
    }

    /// The columns that fit into a line of this many characters. First columns without values are left out, then sentences are
    /// shortened, then the last columns are left out. The first column always stays.
    pub(super) fn fit(&self, width: Option<usize>) -> FittedColumns {
        let mut columns: Vec<_> = self.columns.iter().map(|name| self.column(name)).collect();
        let mut hidden = Vec::new();
        let Some(width) = width.filter(|_| !self.is_picked) else {
            return FittedColumns {
                shown: columns.into_iter().map(|column| (column.name, column.full)).collect(),
                hidden,
            };
        };
        if total(&columns, |column| column.full) > width {
            let mut index = 0;
            columns.retain(|column| {
                index += 1;
                index == 1 || !column.is_empty
            });
        }
        while columns.len() > 1 && total(&columns, |column| column.least) > width {
            hidden.extend(columns.pop().map(|column| column.name));
        }
        hidden.reverse();
        let mut left = width.saturating_sub(total(&columns, |column| column.least));
        let shown = columns.into_iter().map(|column| {
            let more = left.min(column.full - column.least);
            left -= more;
            (column.name, column.least + more)
        });
        FittedColumns { shown: shown.collect(), hidden }
    }

    fn column(&self, name: &str) -> Column {
        let values: Vec<_> =
            self.rows.iter().map(|row| readable(&row.get(name).map(plain).unwrap_or_default())).collect();
        let widths = values.iter().map(|value| measure_text_width(value));
        let full = widths.chain([name.len()]).max().unwrap_or_default();
        let is_text = values.iter().any(|value| value.contains(' '));
        let least = if is_text { full.min(SHORTEST_TEXT.max(name.len())) } else { full };
        Column { name: name.to_owned(), full, least, is_empty: values.iter().all(String::is_empty) }
    }
}

fn total(columns: &[Column], width: impl Fn(&Column) -> usize) -> usize {
    columns.iter().map(|column| width(column) + COLUMN_PADDING).sum::<usize>().saturating_sub(COLUMN_PADDING)
}

/// A value for people in a column of this width.
pub(super) fn shortened(text: &str, width: usize) -> String {
    truncate_str(&readable(text), width, "…").into_owned()
}
