//! The version of the format that an item, or a message of a queue, is in: the attribute or field `format`.
//!
//! While a deployment is under way, functions of two releases read each other's items, and a release may be rolled back. So a
//! reader accepts the version that it writes and the one before, and a format is changed in two deployments: the first can read
//! the new version, the second writes it. What a later release wrote is refused as a whole, with its version: half of it may be
//! worse than nothing.
//!
//! What has no version is of version 1: it was written before there was one.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    attribute::number,
    dynamodb::{Item, StoreError},
};

/// The name of the attribute.
pub(crate) const ATTRIBUTE: &str = "format";

/// The version of what has none.
pub const FIRST: u32 = 1;

/// The format of a kind of item or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The kind, as an error names it.
    kind: &'static str,
    /// The version that is written.
    version: u32,
}

/// Every kind of item that holds more than a number that can be lost.
pub(crate) const MESSAGE: Format = Format::new("an item of the Messages table", 2);
pub(crate) const PERSON: Format = Format::new("a person", 2);
pub(crate) const HISTORY: Format = Format::new("an opt-out or opt-in", 2);
pub(crate) const CONSENT: Format = Format::new("a consent record", 2);
pub(crate) const NOTIFICATION: Format = Format::new("a notification", 2);
pub(crate) const VERIFICATION: Format = Format::new("a one-time password", 2);
pub(crate) const RESTORE: Format = Format::new("a restore of the tables", 2);

/// It is of a version that this release does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} has the format {found}, and this release reads {readable}: deploy the release that wrote it")]
pub struct UnreadableFormat {
    kind: &'static str,
    found: u32,
    readable: Readable,
}

/// The versions that a reader accepts: that which it writes, and the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Readable {
    version: u32,
}

impl Readable {
    const fn before(self) -> Option<u32> {
        if self.version > FIRST { Some(self.version - 1) } else { None }
    }

    fn accepts(self, found: u32) -> bool {
        found == self.version || Some(found) == self.before()
    }
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before() {
            Some(before) => write!(f, "{before} and {}", self.version),
            None => write!(f, "{}", self.version),
        }
    }
}

impl Format {
    /// `kind` is how an error names it, `version` the one that is written.
    pub const fn new(kind: &'static str, version: u32) -> Self {
        Self { kind, version }
    }

    /// How an error names it.
    pub const fn kind(self) -> &'static str {
        self.kind
    }

    /// The version that is written.
    pub const fn version(self) -> u32 {
        self.version
    }

    /// Marks an item that is about to be written.
    pub(crate) fn mark(self, item: &mut Item) {
        item.insert(ATTRIBUTE.to_owned(), self.value());
    }

    /// The value of the attribute.
    pub(crate) fn value(self) -> AttributeValue {
        number(self.version)
    }

    /// Refuses an item that another release than this one and the one before wrote.
    pub(crate) fn check(self, operation: &'static str, item: &Item) -> Result<(), StoreError> {
        self.check_version(version_of(item)).map_err(|error| StoreError::new(operation, error))
    }

    /// Refuses what another release than this one and the one before wrote.
    ///
    /// # Errors
    ///
    /// `found` is neither the version that is written nor the one before.
    pub fn check_version(self, found: u32) -> Result<(), UnreadableFormat> {
        let Self { kind, version } = self;
        let readable = Readable { version };
        if readable.accepts(found) { Ok(()) } else { Err(UnreadableFormat { kind, found, readable }) }
    }
}

/// What is no number is of no version.
fn version_of(item: &Item) -> u32 {
    match item.get(ATTRIBUTE) {
        None => FIRST,
        Some(found) => found.as_n().ok().and_then(|found| found.parse().ok()).unwrap_or(0),
    }
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod tests;
