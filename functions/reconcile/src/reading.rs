//! How far the list of messages to one sender is read. Pure: the pages come from [`crate::inbound`].
//!
//! A list is read from its newest message on, in two parts. The newest part ends at the mark of the last run, so that what
//! arrived meanwhile is checked first, however much is left from earlier. The rest is the gap: what an earlier run left
//! unread when its budget ended. A run that does not finish the newest part leaves one gap again, from there down to the
//! end of the older gap: what was checked between the two is read twice.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use stores::sweeps::{Gap, SenderMark};
use twilio_client::PagePath;

/// How far a part is read past the mark where it ends: a message may appear in the list a little after it was sent.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

/// How far the first run looks back.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(12);

/// Messages are kept for 14 days at least. What is older may have been forgotten here, and is not considered missing.
const OLDEST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// The time before which nothing is looked for.
pub(crate) fn oldest(now: Timestamp) -> Timestamp {
    now.saturating_sub(OLDEST).unwrap_or(Timestamp::MIN)
}

/// Where in the list a run reads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListPosition {
    /// At the newest message.
    Newest,
    Page(PagePath),
}

/// The reading of one sender's list in one run.
#[derive(Debug)]
pub(crate) struct SenderReading {
    /// Where the newest part ends.
    since: Timestamp,
    /// What is younger is left alone: its webhook may still be on its way.
    until: Timestamp,
    /// The page of the newest part that comes next; none once the part is read.
    newest: Option<ListPosition>,
    gap: Option<ReadGap>,
}

#[derive(Debug)]
struct ReadGap {
    since: Timestamp,
    next: PagePath,
}

impl SenderReading {
    /// Goes on from a mark; none for a sender whose list was never read.
    pub(crate) fn resume(mark: Option<&SenderMark>, now: Timestamp, minimum_age: SignedDuration) -> Self {
        let first = now.saturating_sub(FIRST_LOOK).unwrap_or(Timestamp::MIN);
        let since = mark.map_or(first, |mark| mark.since).max(oldest(now));
        let stored = mark.and_then(|mark| mark.gap.as_ref());
        let gap = stored.map(|gap| (gap.since.max(oldest(now)), gap.resume.parse().ok()));
        let (since, gap) = match gap {
            None => (since, None),
            Some((gap_since, Some(next))) => (since, Some(ReadGap { since: gap_since, next })),
            // The stored text is no path of a page: the newest part goes down to the end of the gap.
            Some((gap_since, None)) => (since.min(gap_since), None),
        };
        let until = now.saturating_sub(minimum_age).unwrap_or(Timestamp::MIN);
        Self { since, until, newest: Some(ListPosition::Newest), gap }
    }

    /// The time from which on messages are left alone.
    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }

    /// The page that comes next; none if everything is read.
    pub(crate) fn next(&self) -> Option<ListPosition> {
        self.newest.clone().or_else(|| self.gap.as_ref().map(|gap| ListPosition::Page(gap.next.clone())))
    }

    /// Whether the part that earlier runs have not seen is read.
    pub(crate) fn is_newest_read(&self) -> bool {
        self.newest.is_none()
    }

    /// The day on which the current part ends, by which Twilio's list is filtered.
    pub(crate) fn first_day(&self) -> Date {
        self.horizon().to_zoned(TimeZone::UTC).date()
    }

    /// A page is done. A part ends with the list, or with the first page that reaches beyond its end.
    pub(crate) fn advance(&mut self, next: Option<PagePath>, oldest_on_page: Option<Timestamp>) {
        let is_beyond = oldest_on_page.is_some_and(|oldest| oldest < self.horizon());
        let next = next.filter(|_| !is_beyond);
        if self.newest.is_some() {
            self.newest = next.map(ListPosition::Page);
        } else if let Some(gap) = self.gap.take() {
            self.gap = next.map(|next| ReadGap { next, ..gap });
        }
    }

    /// Twilio does not know the path of the page any more: the next run reads from the newest message down to where this part
    /// ends, or this run, if it was still in the newest part.
    pub(crate) fn lose_place(&mut self) {
        if self.newest.is_some() {
            self.newest = Some(ListPosition::Newest);
        } else if let Some(gap) = self.gap.take() {
            self.until = gap.since;
        }
    }

    /// What the next run goes on from.
    pub(crate) fn mark(&self) -> SenderMark {
        let end = self.gap.as_ref().map_or(self.since, |gap| gap.since);
        let gap = self.gap.as_ref().map(|gap| Gap { since: gap.since, resume: gap.next.to_string() });
        match &self.newest {
            None => SenderMark { since: self.until, gap },
            Some(ListPosition::Newest) => SenderMark { since: self.since, gap },
            Some(ListPosition::Page(path)) => {
                SenderMark { since: self.until, gap: Some(Gap { since: end, resume: path.to_string() }) }
            }
        }
    }

    fn horizon(&self) -> Timestamp {
        let end = match (&self.newest, &self.gap) {
            (None, Some(gap)) => gap.since,
            _ => self.since,
        };
        end.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
