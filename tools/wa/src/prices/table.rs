//! A table of prices by kind, country and date.

use std::collections::BTreeMap;

use domain::{notification::Category, region::Region};
use jiff::civil::Date;

use super::file::{self, InvalidPriceFile};
use crate::money::Money;

/// The prices that this version knows: Twilio's fee for a message on WhatsApp, in each direction. Source: Twilio, "WhatsApp
/// pricing", read in November 2026. Meta's rates are not among them: they differ by country, and change every quarter.
const BUILT_IN: &str = include_str!("messages.csv");

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PriceKind {
    /// Twilio's fee for a message on WhatsApp.
    Twilio,
    /// Twilio's price of an SMS of one segment.
    Sms,
    /// Meta's rate of a category.
    Meta(Category),
}

/// Where a price counts. The order is the one in which a price is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PricePlace {
    Country(Region),
    /// A country as a member of a group.
    Member(Region),
    /// Every other country.
    Rest,
}

/// A price and the day since when it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PriceRow {
    pub(super) kind: PriceKind,
    pub(super) place: PricePlace,
    pub(super) from: Date,
    pub(super) price: Money,
}

/// The prices by kind and place, each by the day since when it counts.
#[derive(Debug, Clone, Default)]
pub struct PriceTable(BTreeMap<(PriceKind, PricePlace), BTreeMap<Date, Money>>);

impl PriceTable {
    /// The prices that this version knows.
    pub fn built_in() -> Result<Self, InvalidPriceFile> {
        file::read(BUILT_IN.as_bytes()).map(|rows| Self::default().replaced(rows))
    }

    /// The prices of a file, and for each kind that the file does not have, these.
    pub fn with_file(self, bytes: &[u8]) -> Result<Self, InvalidPriceFile> {
        Ok(self.replaced(file::read(bytes)?))
    }

    fn replaced(mut self, rows: Vec<PriceRow>) -> Self {
        self.0.retain(|(kind, _), _| rows.iter().all(|row| row.kind != *kind));
        for row in rows {
            self.0.entry((row.kind, row.place)).or_default().insert(row.from, row.price);
        }
        self
    }

    /// The price of this kind in a country on a day: that of the country itself, or else of its group, or else of all others.
    pub fn price(&self, kind: PriceKind, country: Option<Region>, on: Date) -> Option<Money> {
        let places =
            country.into_iter().flat_map(|country| [PricePlace::Country(country), PricePlace::Member(country)]);
        places.chain([PricePlace::Rest]).find_map(|place| {
            let dated = self.0.get(&(kind, place))?;
            dated.range(..=on).next_back().map(|(_, price)| *price)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
country,category,price,currency,from
*,marketing,0.06,USD,2025-07-01
Rest of Africa,marketing,0.02,USD,2025-07-01
MA,marketing,0.03,USD,2026-10-01
BR AR,utility,0.008,USD,
BR,utility,0.01,EUR,2026-10-01
";

    fn price(table: &PriceTable, kind: PriceKind, country: &str, on: &str) -> Option<String> {
        table.price(kind, country.parse().ok(), on.parse().unwrap()).map(|price| price.to_string())
    }

    #[test]
    fn newest_price_of_the_nearest_place_counts() {
        let table = PriceTable::built_in().unwrap().with_file(FILE.as_bytes()).unwrap();
        let (marketing, utility) = (PriceKind::Meta(Category::Marketing), PriceKind::Meta(Category::Utility));
        for (kind, country, on, expected) in [
            (marketing, "MA", "2026-09-30", Some("0.02 USD")),
            (marketing, "MA", "2026-10-01", Some("0.03 USD")),
            (marketing, "GH", "2026-11-20", Some("0.02 USD")),
            (marketing, "DE", "2026-11-20", Some("0.06 USD")),
            (marketing, "DE", "2025-06-30", None),
            (utility, "BR", "2026-09-30", Some("0.008 USD")),
            (utility, "BR", "2026-11-20", Some("0.01 EUR")),
            (utility, "AR", "2026-11-20", Some("0.008 USD")),
            (utility, "DE", "2026-11-20", None),
            (PriceKind::Meta(Category::Service), "BR", "2026-11-20", None),
            (PriceKind::Twilio, "BR", "2026-11-20", Some("0.005 USD")),
        ] {
            assert_eq!(price(&table, kind, country, on).as_deref(), expected, "{kind:?} {country} {on}");
        }
        assert_eq!(price(&table, PriceKind::Twilio, "no country", "2026-11-20").as_deref(), Some("0.005 USD"));
    }

    #[test]
    fn file_replaces_a_built_in_kind_altogether() {
        let file = "country,category,price,currency\nBR,twilio,0.004,USD\n";
        let table = PriceTable::built_in().unwrap().with_file(file.as_bytes()).unwrap();
        assert_eq!(price(&table, PriceKind::Twilio, "BR", "2026-11-20").as_deref(), Some("0.004 USD"));
        assert_eq!(price(&table, PriceKind::Twilio, "DE", "2026-11-20"), None, "the file has no price for it");
    }
}
