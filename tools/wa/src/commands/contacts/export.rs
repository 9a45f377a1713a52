//! `wa contacts export`

use std::mem;

use domain::preference::Preference;
use stores::contacts::{ContactRecord, RecordedFact};

use crate::{
    contact_file::{COLUMNS, CsvLine},
    error::CommandError,
    output::Format,
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "\
The output is CSV, as `wa contacts import` reads it, or with `--output json` an array of the same lines. In CSV a ' is before a
text that a spreadsheet would read as a formula; `import` removes it. Reads the whole Contacts table.

Example:
  wa contacts export --suppressed > suppressed.csv")]
pub struct ExportArguments {
    /// Only suppressions that are in force
    #[arg(long)]
    suppressed: bool,
}

/// Writes page by page, so that an interrupted export has written all that it had read.
pub async fn run(arguments: &ExportArguments, session: &Session) -> Result<(), CommandError> {
    let mut writer = LineWriter::new(session.output.format())?;
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let bar = session.terminal.count("items read");
    let mut from = None;
    loop {
        let page = contacts.list(&account_sid, from).await?;
        bar.inc(page.scanned);
        let wanted = page.listed.into_iter().filter(|listed| !arguments.suppressed || is_suppressed(listed));
        session.output.text(&writer.page(wanted.map(CsvLine::of), page.next.is_none())?)?;
        let Some(next) = page.next else { break };
        from = Some(next);
    }
    bar.finish_and_clear();
    Ok(())
}

fn is_suppressed(listed: &ContactRecord) -> bool {
    matches!(&listed.fact, RecordedFact::Preference { preference, .. } if preference.preference == Preference::OptedOut)
}

/// The text of an export, page by page.
enum LineWriter {
    Csv { has_header: bool },
    Json { is_first: bool },
}

impl LineWriter {
    fn new(format: Format) -> Result<Self, CommandError> {
        match format {
            Format::Table | Format::Csv => Ok(Self::Csv { has_header: false }),
            Format::Json => Ok(Self::Json { is_first: true }),
            Format::Tsv => Err(CommandError::usage("--output: an export is csv or json")),
        }
    }

    fn page(&mut self, lines: impl Iterator<Item = CsvLine>, is_last: bool) -> Result<String, CommandError> {
        match self {
            Self::Csv { has_header } => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
                if !mem::replace(has_header, true) {
                    writer.write_record(COLUMNS).map_err(unwritable)?;
                }
                for line in lines {
                    writer.serialize(line.guarded()).map_err(unwritable)?;
                }
                let bytes = writer.into_inner().map_err(|error| unwritable(error.into_error().into()))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::Json { is_first } => {
                let mut text = String::new();
                for line in lines {
                    text.push_str(if mem::replace(is_first, false) { "[\n" } else { ",\n" });
                    let line = serde_json::to_string(&line);
                    text.push_str(
                        &line.map_err(|error| CommandError::usage("a line cannot be written").because(error))?,
                    );
                }
                if is_last {
                    text.push_str(if *is_first { "[]\n" } else { "\n]\n" });
                }
                Ok(text)
            }
        }
    }
}

fn unwritable(error: csv::Error) -> CommandError {
    CommandError::usage("a line cannot be written as CSV").because(error)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn line(address: &str) -> CsvLine {
        CsvLine {
            address: address.to_owned(),
            action: "suppress",
            at: "2026-11-20T09:00:00Z".to_owned(),
            user_agent: Some("=cmd|' /C calc'!A0".to_owned()),
            ..CsvLine::default()
        }
    }

    /// An export of three pages, of which the second has nothing that is wanted.
    fn exported(format: Format) -> String {
        let mut writer = LineWriter::new(format).unwrap();
        let pages = [vec![line("whatsapp:+14155550123")], vec![], vec![line("sms:+14155550124")]];
        let pages = pages.into_iter().enumerate();
        pages.map(|(index, lines)| writer.page(lines.into_iter(), index == 2).unwrap()).collect()
    }

    #[test]
    fn an_export_is_one_file_in_each_format() {
        let csv = exported(Format::Csv);
        assert_eq!(csv.lines().count(), 3, "{csv}");
        assert!(csv.starts_with("address,action,scope,") && csv.contains(",'=cmd|' /C calc'!A0,"), "{csv}");
        assert_eq!(exported(Format::Table), csv);
        let json: Value = serde_json::from_str(&exported(Format::Json)).unwrap();
        assert_eq!((json.as_array().unwrap().len(), &json[1]["address"]), (2, &Value::from("sms:+14155550124")));
        assert_eq!(json[0]["user_agent"], "=cmd|' /C calc'!A0", "JSON is no spreadsheet");
        assert_eq!(LineWriter::new(Format::Json).unwrap().page(std::iter::empty(), true).unwrap(), "[]\n");
        assert_eq!(LineWriter::new(Format::Tsv).err().unwrap().code(), 2);
    }
}
