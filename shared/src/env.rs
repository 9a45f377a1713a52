//! The environment variables of a function, read once at its cold start.

use std::{env, fmt::Display, str::FromStr};

/// An environment variable cannot be used. The operator must set it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set: template.yaml sets it, see docs/configuration.md")]
    Missing(&'static str),
    #[error("environment variable {name}: {reason}")]
    Invalid { name: &'static str, reason: String },
}

pub fn required(name: &'static str) -> Result<String, EnvError> {
    optional(name).ok_or(EnvError::Missing(name))
}

/// The value of a variable. An empty one counts as not set, because a template cannot leave a variable out.
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn required_parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, EnvError> {
    parse(name, &required(name)?)
}

pub fn optional_parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<Option<T>, EnvError> {
    optional(name).map(|value| parse(name, &value)).transpose()
}

pub fn parse<T: FromStr<Err: Display>>(name: &'static str, value: &str) -> Result<T, EnvError> {
    value.parse().map_err(|reason: T::Err| EnvError::Invalid { name, reason: reason.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twilio_types::sid::AccountSid;

    #[test]
    fn missing_or_invalid_variable_is_named() {
        assert_eq!(required("WA_TEST_NOT_SET"), Err(EnvError::Missing("WA_TEST_NOT_SET")));
        let error = parse::<AccountSid>("TWILIO_ACCOUNT_SID", "12").unwrap_err().to_string();
        assert!(error.starts_with("environment variable TWILIO_ACCOUNT_SID: not an account SID"), "{error}");
    }
}
