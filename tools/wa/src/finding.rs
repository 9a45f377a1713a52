//! The findings of `wa doctor`.

use std::fmt;

use serde::Serialize;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    /// It works, but the operator should know of it.
    Warning,
    /// It does not work.
    Wrong,
    /// It could not be checked.
    NotChecked,
}

impl Level {
    /// The symbol for people who see no colour.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Wrong => "✗",
            Self::NotChecked => "?",
        }
    }
}

/// The result of one check. The fields are those of the JSON output. `Debug` shows neither of the two texts: they may name a
/// sender's number.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    pub finding: Level,
    /// What was observed.
    pub what: String,
    /// What the operator should do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The complete command that fixes it, or that shows what is needed for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, finding, .. } = self;
        f.debug_struct("Finding").field("check", check).field("finding", finding).finish_non_exhaustive()
    }
}

impl Finding {
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, finding: Level::Ok, what: what.into(), fix: None, command: None }
    }

    pub fn warning(
        check: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
        command: impl Into<String>,
    ) -> Self {
        Self::to_fix(Level::Warning, check, what.into(), fix.into(), command.into())
    }

    pub fn wrong(
        check: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
        command: impl Into<String>,
    ) -> Self {
        Self::to_fix(Level::Wrong, check, what.into(), fix.into(), command.into())
    }

    fn to_fix(finding: Level, check: &'static str, what: String, fix: String, command: String) -> Self {
        Self { check, finding, what, fix: Some(fix), command: Some(command) }
    }

    /// A check that could not be made. `why` is the reason.
    pub fn not_checked(check: &'static str, why: impl Into<String>) -> Self {
        Self {
            check,
            finding: Level::NotChecked,
            what: format!("not checked: {}", why.into()),
            fix: None,
            command: None,
        }
    }
}
