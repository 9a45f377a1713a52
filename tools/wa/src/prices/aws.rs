//! What AWS charges for a message, by its list prices of us-east-1.
//!
//! `aws.csv` has the units of a sent message and of an inbound one, and the price of a million units in USD.
//! `tests/deploy/test_costs.py` counts the units on a deployed stack, and compares the file with docs/costs.md.

use serde::Deserialize;

use crate::{error::CommandError, money::Amount};

const FILE: &str = include_str!("aws.csv");
/// A price of one USD for a million units is a thousand billionths for one.
const BILLIONTHS: f64 = 1_000.0;

/// What a message alone costs at AWS, in USD. In a campaign, where functions handle many at once, it costs about half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsPrices {
    pub sent: Amount,
    pub inbound: Amount,
    /// The month of the oldest price in it, as in `2025-11`.
    pub as_of: String,
}

#[derive(Deserialize)]
struct UnitRow {
    sent: f64,
    inbound: f64,
    price: f64,
    as_of: String,
}

impl AwsPrices {
    /// The prices that this version knows.
    pub fn built_in() -> Result<Self, CommandError> {
        let (mut sent, mut inbound, mut as_of) = (0.0, 0.0, None::<String>);
        for row in csv::Reader::from_reader(FILE.as_bytes()).deserialize() {
            let row: UnitRow =
                row.map_err(|error| CommandError::usage("the built-in prices of AWS are not valid").because(error))?;
            sent += row.sent * row.price;
            inbound += row.inbound * row.price;
            as_of = Some(as_of.map_or(row.as_of.clone(), |oldest| oldest.min(row.as_of)));
        }
        Ok(Self { sent: of_million(sent), inbound: of_million(inbound), as_of: as_of.unwrap_or_default() })
    }

    /// What these numbers of messages cost at most.
    pub fn of(&self, sent: u64, inbound: u64) -> Amount {
        self.sent.times(sent).plus(self.inbound.times(inbound))
    }
}

/// The cost of one message from that of a million.
#[expect(clippy::cast_possible_truncation, reason = "some hundred dollars at most")]
fn of_million(usd: f64) -> Amount {
    Amount::of_billionths((usd * BILLIONTHS).round() as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_costs_its_units_times_their_prices() {
        let prices = AwsPrices::built_in().unwrap();
        assert!(prices.sent > prices.inbound && prices.inbound > Amount::ZERO, "{prices:?}");
        assert!(prices.sent < "0.0001".parse().unwrap(), "a message costs less than a hundredth of a cent: {prices:?}");
        let both = prices.of(2, 1);
        assert_eq!(both, prices.sent.plus(prices.sent).plus(prices.inbound));
        assert_eq!(prices.as_of, "2025-11");
    }
}
