//! What a run did: its answer, and its line in the log.

use jiff::Timestamp;
use serde::Serialize;

/// What a run, or the part of one account, did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SyncReport {
    pub accounts: usize,
    /// Templates in Twilio's lists.
    pub templates: usize,
    pub changed: usize,
    pub removed: usize,
    /// How long ago the list of the account was completely read that was read least recently. 0 after a complete run.
    pub sync_lag_seconds: i64,
    /// Whether the lists of all accounts were read to their end.
    pub complete: bool,
}

impl Default for SyncReport {
    fn default() -> Self {
        Self { accounts: 0, templates: 0, changed: 0, removed: 0, sync_lag_seconds: 0, complete: true }
    }
}

impl SyncReport {
    /// The report of an account, whose list was last completely read at this time before the run.
    pub(crate) fn of(is_complete: bool, synced_at: Option<Timestamp>, began: Timestamp) -> Self {
        if is_complete { Self { accounts: 1, ..Self::default() } } else { Self::incomplete(synced_at, began) }
    }

    /// An account whose list was never read has the lag of a day, so that its alarm rings.
    pub(crate) fn incomplete(synced_at: Option<Timestamp>, began: Timestamp) -> Self {
        const NEVER: i64 = 86_400;
        let lag = synced_at.map_or(NEVER, |synced_at| began.duration_since(synced_at).as_secs());
        Self { accounts: 1, sync_lag_seconds: lag, complete: false, ..Self::default() }
    }

    pub(crate) fn with(self, other: &Self) -> Self {
        Self {
            accounts: self.accounts + other.accounts,
            templates: self.templates + other.templates,
            changed: self.changed + other.changed,
            removed: self.removed + other.removed,
            sync_lag_seconds: self.sync_lag_seconds.max(other.sync_lag_seconds),
            complete: self.complete && other.complete,
        }
    }

    /// One line for each run: a metric filter of `template.yaml` reads `sync_lag_seconds`.
    pub(crate) fn log(&self) {
        let Self { accounts, templates, changed, removed, sync_lag_seconds, complete } = self;
        tracing::info!(
            accounts,
            templates,
            changed,
            removed,
            sync_lag_seconds,
            complete,
            "templates compared with Twilio's"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_a_run_has_the_longest_lag_of_its_accounts() {
        let at = |seconds: i64| Timestamp::from_second(1_790_000_000 + seconds).unwrap();
        let parts = [
            SyncReport { templates: 3, changed: 1, ..SyncReport::of(true, Some(at(0)), at(300)) },
            SyncReport { templates: 2, removed: 1, ..SyncReport::of(false, Some(at(0)), at(300)) },
            SyncReport::incomplete(None, at(300)),
        ];
        let together =
            SyncReport { accounts: 3, templates: 5, changed: 1, removed: 1, sync_lag_seconds: 86_400, complete: false };
        assert_eq!(parts.iter().fold(SyncReport::default(), SyncReport::with), together);
    }
}
