//! What an examination of the system found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something is to be known.
    Warning,
    /// It does not work.
    Wrong,
    /// It could not be found out.
    NotChecked,
}

impl Level {
    /// For people who see no colour.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Wrong => "✗",
            Self::NotChecked => "?",
        }
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub finding: Level,
    /// What was seen.
    pub what: String,
    /// What is to be done, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, finding: Level::Ok, what: what.into(), fix: None }
    }

    /// Something to know.
    pub fn warning(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, finding: Level::Warning, what: what.into(), fix: Some(fix.into()) }
    }

    /// Something to mend.
    pub fn wrong(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, finding: Level::Wrong, what: what.into(), fix: Some(fix.into()) }
    }

    /// Something that nobody told. `why` is the reason.
    pub fn not_checked(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, finding: Level::NotChecked, what: format!("not checked: {}", why.into()), fix: None }
    }
}
