//! Errors in the log: an error is written once, where it is handled, together with its causes.

use std::{error::Error, fmt};

/// Displays an error and its sources in one line: `the webhook cannot be stored: PutItem failed: timeout`.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::fmt::Error);

    #[test]
    fn error_is_shown_with_its_source() {
        let inner = std::fmt::Error;
        assert_eq!(Chain(&Outer(inner)).to_string(), format!("outer: {inner}"));
    }
}
