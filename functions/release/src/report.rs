//! What a run did: its answer, and its line in the log.

use serde::Serialize;

/// What a run, or a part of it, did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Notifications that were put on a queue.
    pub released: usize,
    /// Due notifications that a pause covers.
    pub paused: usize,
    /// How long ago the oldest notification was due that no pause covers. A released notification is due again later, so it does
    /// not count twice.
    pub late_seconds: u64,
    /// Items of the index that cannot be read.
    pub unreadable: usize,
    /// Due notifications that SQS or DynamoDB did not accept now. Those are due in the next run.
    pub unfinished: usize,
    /// Whether everything that is due, except what is paused or unreadable, was released.
    pub complete: bool,
}

impl Default for RunReport {
    fn default() -> Self {
        Self { released: 0, paused: 0, late_seconds: 0, unreadable: 0, unfinished: 0, complete: true }
    }
}

impl RunReport {
    pub(crate) fn add(&mut self, other: &Self) {
        self.released += other.released;
        self.paused += other.paused;
        self.late_seconds = self.late_seconds.max(other.late_seconds);
        self.unreadable += other.unreadable;
        self.unfinished += other.unfinished;
        self.complete &= other.complete;
    }

    /// One line for each run: a metric filter of `template.yaml` reads `late_seconds`.
    pub(crate) fn log(&self) {
        let Self { released, paused, late_seconds, unreadable, unfinished, complete } = self;
        tracing::info!(released, paused, late_seconds, unreadable, unfinished, complete, "due notifications released");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_a_run_is_that_of_its_pages_together() {
        let mut report = RunReport::default();
        report.add(&RunReport { released: 3, paused: 1, late_seconds: 5, ..RunReport::default() });
        report.add(&RunReport { released: 4, late_seconds: 2, unreadable: 1, unfinished: 2, ..RunReport::default() });
        report.add(&RunReport { complete: false, ..RunReport::default() });
        report.add(&RunReport::default());
        let together =
            RunReport { released: 7, paused: 1, late_seconds: 5, unreadable: 1, unfinished: 2, complete: false };
        assert_eq!(report, together);
    }
}
