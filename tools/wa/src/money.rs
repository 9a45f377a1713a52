//! Exact amounts of money. A sum of a million prices must not drift, and two currencies are never added.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// The decimals that are kept. Twilio and Meta write at most six.
const DECIMALS: usize = 9;
const UNIT: i128 = 1_000_000_000;
/// Longer whole numbers are no price of a message.
const MAX_WHOLE_DIGITS: usize = 12;
/// As many decimals are shown at least.
const SHOWN_DECIMALS: usize = 2;

/// An amount in billionths of a currency's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

/// A text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number with at most nine decimals, as in 0.005")]
pub struct InvalidAmount;

impl Amount {
    pub const ZERO: Self = Self(0);

    /// The amount in billionths.
    pub const fn of_billionths(billionths: i128) -> Self {
        Self(billionths)
    }

    /// The amount with the other sign: Twilio writes a charge as a negative number.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(-self.0)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The amount for this number of messages.
    #[must_use]
    pub fn times(self, number: u64) -> Self {
        Self(self.0.saturating_mul(number.into()))
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_amount = !whole.is_empty()
            && whole.len() <= MAX_WHOLE_DIGITS
            && decimals.len() <= DECIMALS
            && is_number(whole)
            && is_number(decimals)
            && !digits.ends_with('.');
        if !is_amount {
            return Err(InvalidAmount);
        }
        let number: i128 = format!("{whole}{decimals:0<DECIMALS$}").parse().map_err(|_| InvalidAmount)?;
        Ok(Self(sign * number))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let absolute = self.0.unsigned_abs();
        let (whole, rest) = (absolute / UNIT.unsigned_abs(), absolute % UNIT.unsigned_abs());
        let decimals = format!("{rest:0DECIMALS$}");
        let shown = decimals.trim_end_matches('0').len().max(SHOWN_DECIMALS);
        write!(f, "{sign}{whole}.{}", decimals.get(..shown).unwrap_or_default())
    }
}

impl Serialize for Amount {
    /// As a text: a JSON number would be rounded by its reader.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A currency by its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// A text that is no code of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the code of a currency, as in USD")]
pub struct InvalidCurrency;

impl Currency {
    pub const USD: Self = Self(*b"USD");
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    /// In any letter case. Meta's rate card writes `$US`.
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        if text == "$US" {
            return Ok(Self::USD);
        }
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if code.iter().all(u8::is_ascii_alphabetic) {
            Ok(Self(code.map(|c| c.to_ascii_uppercase())))
        } else {
            Err(InvalidCurrency)
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An amount in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    pub amount: Amount,
    pub currency: Currency,
}

impl Money {
    /// The amount for this number of messages.
    #[must_use]
    pub fn times(self, number: u64) -> Self {
        Self { amount: self.amount.times(number), ..self }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A sum for each currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<Currency, Amount>);

impl Sums {
    pub fn add(&mut self, money: Money) {
        let sum = self.0.entry(money.currency).or_default();
        *sum = sum.plus(money.amount);
    }

    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|money| self.add(money));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Money> + '_ {
        self.0.iter().map(|(currency, amount)| Money { amount: *amount, currency: *currency })
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums: Vec<_> = self.iter().map(|sum| sum.to_string()).collect();
        if sums.is_empty() { f.write_str("nothing") } else { f.write_str(&sums.join(" and ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        let (amount, currency) = text.split_once(' ').unwrap();
        Money { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
    }

    #[test]
    fn amount_is_read_and_shown_exactly() {
        for (text, shown) in [
            ("-0.00500", "-0.005"),
            ("0.0083", "0.0083"),
            ("12", "12.00"),
            ("1.5", "1.50"),
            ("0.000000001", "0.000000001"),
            ("999999999999.999999999", "999999999999.999999999"),
            ("-0", "0.00"),
        ] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "-", ".5", "5.", "1,5", "1e3", "--1", "+1", "0.0000000001", "1234567890123", "NaN", "١"] {
            assert_eq!(text.parse::<Amount>(), Err(InvalidAmount), "{text}");
        }
    }

    #[test]
    fn million_of_prices_adds_up_exactly() {
        let price: Amount = "0.0083".parse().unwrap();
        let sum = (0..1_000_000).fold(Amount::ZERO, |sum, _| sum.plus(price));
        assert_eq!((sum, sum.to_string().as_str()), (price.times(1_000_000), "8300.00"));
    }

    #[test]
    fn currencies_are_never_added() {
        let mut sums = Sums::default();
        for text in ["0.005 USD", "0.01 EUR", "0.005 usd", "1 $US"] {
            sums.add(money(text));
        }
        assert_eq!(sums.to_string(), "0.01 EUR and 1.01 USD");
        for text in ["US", "USDT", "U5D", ""] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }
}
