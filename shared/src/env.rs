//! The environment of a function, read once at its cold start.

use std::{env, fmt::Display, str::FromStr};

/// A variable that the template should have set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set: template.yaml sets it, see docs/configuration.md")]
    Missing(&'static str),
    /// Set to something that cannot be used.
    #[error("environment variable {name}: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What was wrong and what is right.
        reason: String,
    },
}

/// A variable that must be there.
pub fn required(name: &'static str) -> Result<String, EnvError> {
    optional(name).ok_or(EnvError::Missing(name))
}

/// A variable that may be missing; an empty one counts as missing, since a template cannot leave one out.
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that must be there and be of a type.
pub fn required_parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, EnvError> {
    parse(name, &required(name)?)
}

/// A variable that may be missing, and must be of a type where it is there.
pub fn optional_parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<Option<T>, EnvError> {
    optional(name).map(|value| parse(name, &value)).transpose()
}

/// The value of a variable as a type.
pub fn parse<T: FromStr<Err: Display>>(name: &'static str, value: &str) -> Result<T, EnvError> {
    value.parse().map_err(|reason: T::Err| EnvError::Invalid { name, reason: reason.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twilio_types::sid::AccountSid;

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        assert_eq!(required("WA_TEST_NOT_SET"), Err(EnvError::Missing("WA_TEST_NOT_SET")));
        let error = parse::<AccountSid>("TWILIO_ACCOUNT_SID", "12").unwrap_err().to_string();
        assert!(error.starts_with("environment variable TWILIO_ACCOUNT_SID: not an account SID"), "{error}");
    }
}
