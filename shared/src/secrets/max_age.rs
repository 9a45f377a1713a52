//! How long the content of a secret counts.

use std::{str::FromStr, time::Duration};

use crate::aged::Ages;

/// How long old content counts that cannot be read again. After the hour nothing counts: a key that was revoked meanwhile
/// must not count for as long as Secrets Manager refuses the function.
pub const LONGEST_USE: Duration = Duration::from_hours(1);

/// After this time the content of a secret is read again before it is used: `SECRET_MAX_AGE_SECONDS`, five minutes by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretMaxAge(Duration);

/// Not a valid age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of seconds from 1 to 1800: old content counts for an hour at most")]
pub struct InvalidMaxAge;

impl SecretMaxAge {
    /// At least half of [`LONGEST_USE`] is left for trying again.
    const MAX_SECONDS: u64 = LONGEST_USE.as_secs() / 2;
}

impl Default for SecretMaxAge {
    fn default() -> Self {
        Self(Duration::from_mins(5))
    }
}

impl FromStr for SecretMaxAge {
    type Err = InvalidMaxAge;

    fn from_str(text: &str) -> Result<Self, InvalidMaxAge> {
        let seconds = text.parse().ok().filter(|seconds| (1..=Self::MAX_SECONDS).contains(seconds));
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or(InvalidMaxAge)
    }
}

impl From<SecretMaxAge> for Duration {
    fn from(age: SecretMaxAge) -> Self {
        age.0
    }
}

impl From<SecretMaxAge> for Ages {
    fn from(age: SecretMaxAge) -> Self {
        Self { max_age: age.0, longest_use: Some(LONGEST_USE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_outside_its_bounds_is_refused() {
        assert_eq!("1".parse(), Ok(SecretMaxAge(Duration::from_secs(1))));
        assert_eq!("1800".parse(), Ok(SecretMaxAge(Duration::from_mins(30))));
        for text in ["", "0", "1801", "-1", "5m", "1.5"] {
            assert_eq!(text.parse::<SecretMaxAge>(), Err(InvalidMaxAge), "{text}");
        }
    }

    #[test]
    fn age_and_its_bounds_are_those_of_the_template() {
        let (_, parameter) = include_str!("../../../template.yaml").split_once("\n  SecretMaxAgeSeconds:\n").unwrap();
        let value = |name: &str| {
            let line = parameter.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}")).parse::<SecretMaxAge>().unwrap()
        };
        assert_eq!(value("Default: "), SecretMaxAge::default());
        assert_eq!(value("MinValue: ").0, Duration::from_secs(1));
        assert_eq!(value("MaxValue: ").0.as_secs(), SecretMaxAge::MAX_SECONDS);
    }
}
