//! A file of prices: one price in each row, or Meta's rate card with a column for each category.

use std::{collections::BTreeSet, fmt};

use domain::{notification::Category, region::Region};
use jiff::civil::Date;

use super::{
    PriceKind,
    markets::{Market, market},
    table::{PricePlace, PriceRow},
};
use crate::money::{Amount, Currency, Money};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DELIMITERS: [u8; 3] = *b",;\t";
/// What Meta's card has where a market has no rate.
const NO_RATE: [&str; 5] = ["", "-", "--", "n/a", "na"];
/// How much of a wrong value an error repeats.
const MAX_SHOWN: usize = 40;

/// A file of prices that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPriceFile {
    #[error("there is no line with the columns country (or market), currency, and price or a category")]
    NoHeader,
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
    #[error("there is no price in it")]
    Empty,
}

/// The columns by their position.
struct Columns {
    country: usize,
    currency: usize,
    from: Option<usize>,
    prices: PriceColumns,
}

enum PriceColumns {
    /// One price in each row.
    Single { category: usize, price: usize },
    /// A price for each category.
    ByCategory(Vec<(PriceKind, usize)>),
}

/// Every price of the file. What comes before the header is skipped: Meta's card begins with remarks.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<PriceRow>, InvalidPriceFile> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let (columns, delimiter, header) =
        DELIMITERS.iter().find_map(|d| header(bytes, *d)).ok_or(InvalidPriceFile::NoHeader)?;
    let (mut rows, mut known) = (Vec::new(), BTreeSet::new());
    for record in reader(bytes, delimiter).records().skip(header) {
        let record = record.map_err(|error| malformed(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let invalid = |problem: String| InvalidPriceFile::Line { line, problem };
        for row in columns.rows(&record).map_err(invalid)? {
            if !known.insert((row.kind, row.place, row.from)) {
                return Err(invalid("this price is in the file twice: expected one, in one currency".to_owned()));
            }
            rows.push(row);
        }
    }
    if rows.is_empty() { Err(InvalidPriceFile::Empty) } else { Ok(rows) }
}

fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes)
}

fn malformed(error: &csv::Error) -> InvalidPriceFile {
    let line = error.position().map_or(0, csv::Position::line);
    InvalidPriceFile::Line { line, problem: "not a line of CSV in UTF-8".to_owned() }
}

/// The columns, with the number of records up to the header.
fn header(bytes: &[u8], delimiter: u8) -> Option<(Columns, u8, usize)> {
    let records = reader(bytes, delimiter).into_records().map_while(Result::ok);
    (1..).zip(records).find_map(|(number, record)| Some((Columns::of(&record)?, delimiter, number)))
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let by_category: Vec<_> =
            names.iter().enumerate().filter_map(|(place, name)| Some((kind(name)?, place))).collect();
        let prices = match (column(&["category"]), column(&["price", "rate"])) {
            (Some(category), Some(price)) => PriceColumns::Single { category, price },
            _ if !by_category.is_empty() => PriceColumns::ByCategory(by_category),
            _ => return None,
        };
        let from = column(&["from", "effective", "effective date", "effective_date"]);
        Some(Self { country: column(&["country", "market"])?, currency: column(&["currency"])?, from, prices })
    }

    /// The prices of a record.
    fn rows(&self, record: &csv::StringRecord) -> Result<Vec<PriceRow>, String> {
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        let places = places(cell(self.country))?;
        let from = match self.from.map(cell).filter(|text| !text.is_empty()) {
            Some(day) => day.parse().map_err(|_| wrong("a day, as in 2026-10-01", day))?,
            None => Date::MIN,
        };
        let mut rows = Vec::new();
        for (kind, amount) in self.amounts(cell)? {
            let currency: Currency = cell(self.currency).parse().map_err(|error| format!("currency: {error}"))?;
            let price = Money { amount, currency };
            rows.extend(places.iter().map(|place| PriceRow { kind, place: *place, from, price }));
        }
        Ok(rows)
    }

    fn amounts<'a>(&self, cell: impl Fn(usize) -> &'a str) -> Result<Vec<(PriceKind, Amount)>, String> {
        match &self.prices {
            PriceColumns::Single { category, price } => {
                let name = cell(*category).to_ascii_lowercase();
                // Whether a business pays this rate is decided by Meta, business by business.
                if name.starts_with("authentication") && name.ends_with("international") {
                    return Ok(Vec::new());
                }
                let kind = kind(&name).ok_or_else(|| {
                    wrong("marketing, utility, authentication, service, twilio or sms", cell(*category))
                })?;
                Ok(vec![(kind, amount(cell(*price))?)])
            }
            PriceColumns::ByCategory(columns) => {
                let given = columns.iter().map(|(kind, column)| (*kind, cell(*column)));
                let given = given.filter(|(_, text)| !NO_RATE.contains(&text.to_ascii_lowercase().as_str()));
                given.map(|(kind, text)| Ok((kind, amount(text)?))).collect()
            }
        }
    }
}

fn kind(name: &str) -> Option<PriceKind> {
    match name {
        "twilio" => Some(PriceKind::Twilio),
        "sms" => Some(PriceKind::Sms),
        _ => Category::ALL.into_iter().find(|category| category.as_str() == name).map(PriceKind::Meta),
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.trim_start_matches('$').parse().map_err(|_| wrong("a price, as in 0.0625", text))?;
    if amount < Amount::ZERO { Err(wrong("a price that is not negative", text)) } else { Ok(amount) }
}

/// Codes of countries, a market of Meta's card, or `*`.
fn places(text: &str) -> Result<Vec<PricePlace>, String> {
    let codes = |text: &str| text.split_whitespace().map(str::parse).collect::<Result<Vec<Region>, _>>().ok();
    let named = match market(text) {
        Some(Market::Rest) => return Ok(vec![PricePlace::Rest]),
        Some(Market::Country(code)) => codes(code).map(|codes| (codes, Group::No)),
        Some(Market::Group(members)) => codes(members).map(|codes| (codes, Group::Yes)),
        None => codes(text).map(|codes| (codes, Group::No)),
    };
    let (codes, group) = named.filter(|(codes, _)| !codes.is_empty()).ok_or_else(|| {
        wrong("the codes of countries, as in BR or `DZ AO`, a market of Meta's rate card, or * for all others", text)
    })?;
    Ok(codes
        .into_iter()
        .map(|code| if group == Group::Yes { PricePlace::Member(code) } else { PricePlace::Country(code) })
        .collect())
}

/// Whether the countries were named as a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Yes,
    No,
}

fn wrong(expected: impl fmt::Display, found: &str) -> String {
    let shown: String = found.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    format!("expected {expected}, found {shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of Meta's card, with invented rates.
    const CARD: &str = "\
WhatsApp Business Platform rates,,,,,,
\"Effective October 1, 2026, in USD\",,,,,,
Market,Currency,Marketing,Utility,Authentication,Authentication-International,Service
Brazil,$US,0.06,0.008,0.008,n/a,0.008
Rest of Western Europe,$US,0.05,0.03,0.03,n/a,0.03
Other,$US,0.04,0.005,0.005,n/a,n/a
,,,,,,
";

    #[test]
    fn rate_card_of_meta_is_read_as_it_is() {
        let rows = read(CARD.as_bytes()).unwrap();
        let of = |place: PricePlace| {
            let found = rows.iter().filter(|row| row.place == place).map(|row| (row.kind, row.price.to_string()));
            found.collect::<Vec<_>>()
        };
        let utility = PriceKind::Meta(Category::Utility);
        let brazil = of(PricePlace::Country("BR".parse().unwrap()));
        assert_eq!(brazil.len(), 4);
        assert_eq!(brazil[1], (utility, "0.008 USD".to_owned()));
        assert_eq!(of(PricePlace::Member("PT".parse().unwrap()))[1], (utility, "0.03 USD".to_owned()));
        assert_eq!(of(PricePlace::Rest).len(), 3, "it has no rate for service messages");
    }

    #[test]
    fn file_of_a_spreadsheet_is_read_with_semicolons() {
        let file = "\u{feff}country;category;price;currency\r\nDE AT;utility;0.05;EUR\r\n\r\n";
        let rows = read(file.as_bytes()).unwrap();
        assert_eq!((rows.len(), rows[1].place), (2, PricePlace::Country("AT".parse().unwrap())));
        assert_eq!((rows[0].from, rows[0].price.to_string().as_str()), (Date::MIN, "0.05 EUR"));
    }

    #[test]
    fn invalid_line_is_named_with_what_was_expected() {
        let with =
            |line: &str| read(format!("country,category,price,currency,from\nBR,utility,1,USD,\n{line}\n").as_bytes());
        for (line, expected) in [
            ("Atlantis,utility,1,USD,", "line 3: expected the codes of countries"),
            ("DE,conversation,1,USD,", "line 3: expected marketing, utility"),
            ("DE,utility,\"0,05\",USD,", "line 3: expected a price, as in 0.0625, found \"0,05\""),
            ("DE,utility,-1,USD,", "line 3: expected a price that is not negative"),
            ("DE,utility,1,dollars,", "line 3: currency: expected the code of a currency"),
            ("DE,utility,1,USD,October", "line 3: expected a day"),
            ("BR,utility,2,USD,", "line 3: this price is in the file twice"),
        ] {
            let error = with(line).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{line}: {error}");
        }
        assert_eq!(read(b"a,b\n1,2\n"), Err(InvalidPriceFile::NoHeader));
        assert_eq!(read(b"country,category,price,currency\n"), Err(InvalidPriceFile::Empty));
        assert!(with("IN,Authentication-International,1,USD,").unwrap().len() == 1, "Meta decides who pays it");
    }
}
