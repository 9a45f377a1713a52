//! How a CSV file is written. Spreadsheets write it in different ways, by the settings of the machine.

use super::COLUMNS;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A file without what precedes its header.
pub(super) struct CsvDialect<'a> {
    pub(super) bytes: &'a [u8],
    /// The number of the header's line.
    pub(super) first_line: u64,
    /// What is between two fields. Excel writes semicolons where a number has a comma, as in Germany.
    pub(super) delimiter: u8,
}

impl<'a> CsvDialect<'a> {
    pub(super) fn of(file: &'a [u8]) -> Self {
        let bytes = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
        if let Some((delimiter, bytes)) = declared(bytes) {
            return Self { bytes, first_line: 2, delimiter };
        }
        let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // The header has no texts of people, so that the delimiter that gives the most known columns is the right one.
        let columns = |delimiter: &u8| {
            let names = header.split(|byte| byte == delimiter).filter_map(|name| str::from_utf8(name).ok());
            names.filter(|name| COLUMNS.contains(&name.trim().trim_matches('"'))).count()
        };
        let best = DELIMITERS.into_iter().rev().max_by_key(columns).unwrap_or(b',');
        Self { bytes, first_line: 1, delimiter: best }
    }
}

/// Excel reads and writes a first line `sep=;`.
fn declared(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter, rest @ ..] = bytes else { return None };
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    Some((*delimiter, rest.strip_prefix(b"\n")?))
}
