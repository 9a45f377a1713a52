//! Which days of Twilio's list are read for texts to delete, and where the reading stands. Pure: the pages come from
//! [`crate::redact`].
//!
//! Each day one pass reads the account's list from the newest day that ended a day ago, a week back. So a text is deleted one
//! to two days after its message, and what a pass had to leave, such as a message whose status came late, is seen again by the
//! passes of the next days. A text that is deleted already costs nothing but its place on the page.
//!
//! A pass that lasts longer than a week leaves days behind it that it does not have. So the next one begins with the day after
//! the last that was read: no day is passed over while its messages are stored here.

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use stores::sweeps::RedactionMark;
use twilio_client::PagePath;

use crate::redactable::MINIMUM_AGE;

/// The days of a pass, if the last one ended in time. It is shorter than the 14 days for which a message is stored here at
/// least.
const DAYS: i64 = 7;

/// This long before the messages of an unread day are no longer stored here, an operator has to look.
const WARNING_DAYS: i64 = 3;

/// After this many runs that could delete nothing on a page, the next one goes past it. That is half an hour at the default
/// interval: Twilio was asked for the page in each of these runs, and answered.
const MAX_FRUITLESS_RUNS: u32 = 6;

/// A pass over an account's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedactionPass {
    /// Every day up to this one is read.
    read_until: Date,
    until: Date,
    pub(crate) next: PassPosition,
    fruitless_runs: u32,
}

/// Where a pass goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PassPosition {
    /// At the newest message of these days, by which Twilio's list is filtered.
    Begin([Date; 2]),
    Page(PagePath),
}

impl RedactionPass {
    /// The pass that is under way or due; none if that of the day is done. `stored_since` is [`stored_since`].
    pub(crate) fn due(mark: Option<&RedactionMark>, stored_since: Date, now: Timestamp) -> Option<Self> {
        let newest = last_day(now)?;
        let begin = |read_until: Date, fruitless_runs: u32| {
            let first = newest.saturating_sub((DAYS - 1).days()).min(read_until.saturating_add(1.day()));
            let days = [first.max(stored_since).min(newest), newest];
            Self { read_until, until: newest, next: PassPosition::Begin(days), fruitless_runs }
        };
        let Some(mark) = mark else {
            // The texts of earlier days stay: that is said in docs/privacy.md.
            return Some(begin(before_pass(newest), 0));
        };
        let (read_until, fruitless_runs) = (read_until(mark), mark.fruitless_runs);
        match mark.resume.as_ref().map(|page| page.parse()) {
            None => (read_until < newest).then(|| begin(read_until, fruitless_runs)),
            Some(Ok(page)) => {
                Some(Self { read_until, until: mark.until, next: PassPosition::Page(page), fruitless_runs })
            }
            // A stored text that is no path of a page.
            Some(Err(_)) => Some(begin(read_until, 0)),
        }
    }

    /// Every message of the page is done, or is left to the passes of the next days.
    fn after(self, next: Option<PagePath>) -> RedactionMark {
        match next {
            None => ended(self.until),
            Some(next) => RedactionMark {
                until: self.until,
                resume: Some(next.to_string()),
                read_until: Some(self.read_until),
                fruitless_runs: 0,
            },
        }
    }

    /// Twilio does not know the page any more: a new pass reads all of its days again.
    pub(crate) fn lost(self) -> RedactionMark {
        ended(self.read_until)
    }

    /// Whether this run goes past the page, whatever its texts come to.
    pub(crate) fn is_last_try(&self) -> bool {
        self.fruitless_runs >= MAX_FRUITLESS_RUNS
    }

    /// The mark of a run that ended on the page.
    fn stopped(self, fruitless_runs: u32) -> RedactionMark {
        match self.next {
            PassPosition::Begin(_) => RedactionMark { fruitless_runs, ..ended(self.read_until) },
            PassPosition::Page(page) => RedactionMark {
                until: self.until,
                resume: Some(page.to_string()),
                read_until: Some(self.read_until),
                fruitless_runs,
            },
        }
    }
}

/// A page whose texts are being deleted.
#[derive(Debug)]
pub(crate) struct OpenPage {
    pub(crate) pass: RedactionPass,
    pub(crate) next: Option<PagePath>,
    /// Texts that were deleted.
    pub(crate) deleted: usize,
    /// Texts that Twilio did not delete.
    pub(crate) failed: usize,
}

impl OpenPage {
    pub(crate) fn new(pass: RedactionPass, next: Option<PagePath>) -> Self {
        Self { pass, next, deleted: 0, failed: 0 }
    }

    /// Whether this run goes past texts that the runs before could not delete either.
    pub(crate) fn is_passed(&self) -> bool {
        self.pass.is_last_try() && self.deleted == 0 && self.failed > 0
    }

    /// The mark of a run that did every message of the page.
    pub(crate) fn done(self) -> RedactionMark {
        self.pass.after(self.next)
    }

    /// The mark of a run that ended before every message of the page was done. A run that was able to try none says nothing
    /// about the page.
    pub(crate) fn left(self) -> RedactionMark {
        if self.is_passed() {
            return self.done();
        }
        let fruitless_runs = match (self.deleted, self.failed) {
            (0, 0) => self.pass.fruitless_runs,
            (0, _) => self.pass.fruitless_runs.saturating_add(1),
            _ => 0,
        };
        self.pass.stopped(fruitless_runs)
    }
}

/// What is still to be read of the days whose texts should be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread {
    /// The oldest day that no pass has read.
    pub(crate) since: Date,
    /// Whether its messages are soon not stored here any more, or are not already. Then their texts stay at Twilio.
    pub(crate) is_urgent: bool,
}

impl Unread {
    /// None if everything that is old enough is read, or before the first pass.
    pub(crate) fn of(mark: &RedactionMark, stored_since: Date, now: Timestamp) -> Option<Self> {
        let since = read_until(mark).saturating_add(1.day());
        let is_urgent = since < stored_since.saturating_add(WARNING_DAYS.days());
        last_day(now).filter(|newest| since <= *newest).map(|_| Self { since, is_urgent })
    }
}

/// The first day whose messages are all still stored here: without its record it is not known whose a message is.
pub(crate) fn stored_since(retention: SignedDuration, now: Timestamp) -> Date {
    day(now.saturating_sub(retention).unwrap_or(Timestamp::MIN)).saturating_add(1.day())
}

/// The last day whose messages are all old enough.
fn last_day(now: Timestamp) -> Option<Date> {
    let latest = now.checked_sub(MINIMUM_AGE).ok()?;
    day(latest).yesterday().ok()
}

/// Twilio's days are those of GMT.
fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn ended(until: Date) -> RedactionMark {
    RedactionMark { until, resume: None, read_until: None, fruitless_runs: 0 }
}

/// The last day that nothing was left out before. An item of an earlier release says nothing about the pass before its own.
fn read_until(mark: &RedactionMark) -> Date {
    match (&mark.resume, mark.read_until) {
        (None, _) => mark.until,
        (Some(_), Some(read_until)) => read_until,
        (Some(_), None) => before_pass(mark.until),
    }
}

/// The day before the first of a pass of the usual length.
fn before_pass(until: Date) -> Date {
    until.saturating_sub(DAYS.days())
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests;
