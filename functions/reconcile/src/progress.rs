//! How far a sweep has come.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use stores::sweeps::{SweepMark, UnfinishedSweep};
use twilio_client::PagePath;

/// How far back a sweep looks past the mark. A message may wait in Twilio's queue for 10 hours (`ValidityPeriod`) and get
/// its final status at the end of them.
const OVERLAP: SignedDuration = SignedDuration::from_hours(12);

/// Messages are kept for 14 days at least. What is older may have been forgotten here, and is not taken for missing.
const OLDEST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// The time before which nothing is looked for.
pub(crate) fn oldest(now: Timestamp) -> Timestamp {
    now.saturating_sub(OLDEST).unwrap_or(Timestamp::MIN)
}

/// Where in the list of messages a sweep reads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListPosition {
    /// At the newest message.
    Newest,
    Page(PagePath),
}

/// A sweep under way.
#[derive(Debug)]
pub(crate) struct Progress {
    since: Timestamp,
    started_at: Timestamp,
    /// The page that comes next; none when there is none.
    next: Option<ListPosition>,
}

impl Progress {
    /// Goes on from a mark. An account that was never swept begins with what the overlap covers.
    pub(crate) fn resume(mark: Option<SweepMark>, now: Timestamp) -> Self {
        let Some(mark) = mark else { return Self { since: now, started_at: now, next: Some(ListPosition::Newest) } };
        let unfinished = mark.unfinished.and_then(|found| Some((found.sweep_started_at, found.resume.parse().ok()?)));
        let (started_at, next) = match unfinished {
            Some((started_at, path)) => (started_at, ListPosition::Page(path)),
            None => (now, ListPosition::Newest),
        };
        Self { since: mark.since.max(oldest(now)), started_at, next: Some(next) }
    }

    /// The time back to which the list is read.
    pub(crate) fn horizon(&self) -> Timestamp {
        self.since.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN)
    }

    /// The horizon's day, which is what Twilio's list is filtered by.
    pub(crate) fn first_day(&self) -> Date {
        self.horizon().to_zoned(TimeZone::UTC).date()
    }

    pub(crate) fn next(&self) -> Option<&ListPosition> {
        self.next.as_ref()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// A page is done. The list is read to its end, or to the first page that lies before the horizon as a whole.
    pub(crate) fn advance(&mut self, next: Option<ListPosition>, newest_on_page: Option<Timestamp>) {
        let is_before = newest_on_page.is_some_and(|newest| newest < self.horizon());
        self.next = next.filter(|_| !is_before);
    }

    /// The place is not there any more: the sweep begins anew.
    pub(crate) fn restart(&mut self, now: Timestamp) {
        (self.started_at, self.next) = (now, Some(ListPosition::Newest));
    }

    /// What the next run goes on from.
    pub(crate) fn mark(self) -> SweepMark {
        match self.next {
            None => SweepMark { since: self.started_at, unfinished: None },
            Some(ListPosition::Newest) => SweepMark { since: self.since, unfinished: None },
            Some(ListPosition::Page(path)) => {
                let unfinished = UnfinishedSweep { sweep_started_at: self.started_at, resume: path.to_string() };
                SweepMark { since: self.since, unfinished: Some(unfinished) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn second_page() -> ListPosition {
        ListPosition::Page("/2".parse().unwrap())
    }

    const NOON: &str = "2026-11-20T12:00:00Z";
    const LATER: &str = "2026-11-20T12:05:00Z";

    #[test]
    fn a_first_sweep_looks_back_as_far_as_the_overlap() {
        let progress = Progress::resume(None, at("2026-11-20T09:00:00Z"));
        assert_eq!(progress.horizon(), at("2026-11-19T21:00:00Z"));
        assert_eq!(progress.first_day().to_string(), "2026-11-19");
        assert_eq!(progress.next(), Some(&ListPosition::Newest));
    }

    #[test]
    fn a_sweep_that_ends_moves_the_mark_to_its_own_beginning() {
        let mut progress = Progress::resume(Some(SweepMark { since: at(NOON), unfinished: None }), at(LATER));
        progress.advance(Some(second_page()), Some(at(NOON)));
        assert!(!progress.is_done());
        progress.advance(None, Some(at(NOON)));
        assert!(progress.is_done());
        assert_eq!(progress.mark(), SweepMark { since: at(LATER), unfinished: None });
    }

    #[test]
    fn a_stopped_sweep_continues_at_its_page_with_its_start() {
        let mut progress = Progress::resume(Some(SweepMark { since: at(NOON), unfinished: None }), at(LATER));
        progress.advance(Some(second_page()), Some(at(NOON)));
        let mark = progress.mark();
        assert_eq!(mark.since, at(NOON));
        let mut resumed = Progress::resume(Some(mark), at("2026-11-20T12:10:00Z"));
        assert_eq!(resumed.next(), Some(&second_page()));
        resumed.advance(None, None);
        assert_eq!(resumed.mark(), SweepMark { since: at(LATER), unfinished: None });
    }

    #[test]
    fn a_page_from_before_the_horizon_is_the_last() {
        let mut progress = Progress::resume(Some(SweepMark { since: at(NOON), unfinished: None }), at(LATER));
        progress.advance(Some(second_page()), Some(at("2026-11-19T23:59:59Z")));
        assert!(progress.is_done());
    }

    #[test]
    fn a_sweep_after_a_long_pause_reads_back_13_days_at_most() {
        let mark = SweepMark { since: at("2026-01-01T00:00:00Z"), unfinished: None };
        assert_eq!(Progress::resume(Some(mark), at(NOON)).first_day().to_string(), "2026-11-07");
    }

    #[test]
    fn a_sweep_whose_stored_page_is_not_a_path_begins_at_the_newest() {
        let unfinished =
            Some(UnfinishedSweep { sweep_started_at: at(NOON), resume: "https://elsewhere.example/".into() });
        let mut progress = Progress::resume(Some(SweepMark { since: at(NOON), unfinished }), at(LATER));
        assert_eq!(progress.next(), Some(&ListPosition::Newest));
        progress.advance(None, None);
        assert_eq!(progress.mark().since, at(LATER));
    }

    #[test]
    fn a_sweep_that_has_lost_its_place_begins_anew() {
        let unfinished = Some(UnfinishedSweep { sweep_started_at: at(NOON), resume: "/gone".into() });
        let mut progress = Progress::resume(Some(SweepMark { since: at(NOON), unfinished }), at(LATER));
        progress.restart(at(LATER));
        assert_eq!(progress.next(), Some(&ListPosition::Newest));
        progress.advance(None, None);
        assert_eq!(progress.mark().since, at(LATER));
    }
}
