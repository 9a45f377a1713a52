//! A time that a command begins at: how long ago, or when.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// `30m`, `1h`, `2d`, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

impl Since {
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
        let ago = days.map(|days| SignedDuration::from_hours(24 * i64::from(days))).or_else(|| text.parse().ok());
        let ago = ago.filter(SignedDuration::is_positive).map(Self::Ago);
        ago.ok_or("expected how long ago, as in 30m, 1h or 2d, or a time, as in 2026-11-20T09:00:00Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_a_time() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("30m", "2026-11-20T08:30:00Z"),
            ("1h", "2026-11-20T08:00:00Z"),
            ("2d", "2026-11-18T09:00:00Z"),
            ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ] {
            assert_eq!(text.parse::<Since>().unwrap().at(now).to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "-1h", "1", "0m"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
