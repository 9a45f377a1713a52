//! For how long a fallback waits for the delivery of the message before it: its field `after`.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;
use serde::{Serialize, Serializer};

/// The time without a delivery after which an option follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryTimeout(SignedDuration);

/// Not a valid time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a time from 60s to 24h, as in 90s, 10m or 2h")]
pub struct InvalidDeliveryTimeout;

impl DeliveryTimeout {
    /// A claim holds for a minute, so that less than that could not be told from a request that is still under way.
    const SECONDS: std::ops::RangeInclusive<i64> = 60..=24 * 3_600;

    pub const fn duration(self) -> SignedDuration {
        self.0
    }
}

impl FromStr for DeliveryTimeout {
    type Err = InvalidDeliveryTimeout;

    fn from_str(text: &str) -> Result<Self, InvalidDeliveryTimeout> {
        let units = [("s", 1), ("m", 60), ("h", 3_600)];
        let seconds = units.into_iter().find_map(|(unit, factor)| {
            let number = text.strip_suffix(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
            number.parse::<i64>().ok()?.checked_mul(factor)
        });
        let seconds = seconds.filter(|seconds| Self::SECONDS.contains(seconds)).ok_or(InvalidDeliveryTimeout)?;
        Ok(Self(SignedDuration::from_secs(seconds)))
    }
}

impl fmt::Display for DeliveryTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

/// In one spelling, so that `10m` and `600s` have the same digest.
impl Serialize for DeliveryTimeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_minutes_and_hours_are_read() {
        for (text, seconds) in [("60s", 60), ("10m", 600), ("600s", 600), ("2h", 7_200), ("24h", 86_400)] {
            assert_eq!(text.parse::<DeliveryTimeout>().unwrap().duration().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "m",
            "10",
            "59s",
            "0m",
            "25h",
            "1d",
            "+10m",
            "-10m",
            "1.5h",
            " 10m",
            "10 m",
            "١٠m",
            "99999999999999999999h",
        ] {
            assert!(text.parse::<DeliveryTimeout>().is_err(), "{text:?}");
        }
    }
}
