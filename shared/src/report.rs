//! Errors for the log: an error with everything it was caused by, once, at the boundary that handles it.

use std::{error::Error, fmt};

/// An error and its sources in one line, from the outside in.
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
    fn an_error_is_shown_with_what_caused_it() {
        let inner = std::fmt::Error;
        assert_eq!(Chain(&Outer(inner)).to_string(), format!("outer: {inner}"));
    }
}
