//! Notifications that were put on a queue before, under the same id.

use std::{collections::HashMap, fmt};

use domain::{notification::NotificationId, progress::Outcome};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use stores::notifications::{ClaimState, NotificationState, StoredNotification};

use super::request::{NotificationRequest, account_of};
use crate::{
    error::{CommandError, ExitReason},
    output::readable,
    session::Session,
};

/// How many notifications are read at the same time: a file may have thousands.
const CONCURRENT_READS: usize = 32;
/// How many are named, one on each line.
const MAX_NAMED: usize = 20;

pub(super) type KnownNotifications = HashMap<NotificationId, KnownNotification>;

/// What is stored of a notification that is sent again. The fields are those of the JSON output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct KnownNotification {
    enqueued_at: Timestamp,
    state: NotificationState,
    outcome: Option<Outcome>,
}

impl KnownNotification {
    fn of(stored: &StoredNotification) -> Self {
        Self { enqueued_at: stored.enqueued_at, state: stored.state(), outcome: stored.progress.outcome }
    }
}

impl fmt::Display for KnownNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.outcome.map(Outcome::as_str).filter(|outcome| *outcome != self.state.as_str());
        let outcome = outcome.map(|outcome| format!(", {outcome}")).unwrap_or_default();
        let at = readable(&self.enqueued_at.to_string());
        write!(f, "was sent before, at {at}, and is {}{outcome}: it is not sent a second time", self.state.as_str())
    }
}

/// Finds those that were sent before, and says so. Refuses an id of other content: it would never be sent.
pub(super) async fn find(
    session: &Session,
    requests: &[NotificationRequest],
) -> Result<KnownNotifications, CommandError> {
    let reads = stream::iter(requests).map(|request| find_one(session, request)).buffered(CONCURRENT_READS);
    let found: Result<Vec<_>, _> = reads.try_collect().await;
    let found = match found {
        // Who may put notifications on the queue need not be allowed to read the table.
        Err(error) if error.reason() == ExitReason::Refused => {
            session.terminal.note(&format!("whether an id was used before is not known: {}", error.describe()));
            Vec::new()
        }
        found => found?,
    };
    let known: Vec<_> = found.into_iter().flatten().collect();
    for (id, known) in known.iter().take(MAX_NAMED) {
        session.terminal.note(&format!("{id} {known}"));
    }
    if known.len() > MAX_NAMED {
        session.terminal.note(&format!("{} more were sent before too", known.len() - MAX_NAMED));
    }
    Ok(known.into_iter().collect())
}

async fn find_one(
    session: &Session,
    request: &NotificationRequest,
) -> Result<Option<(NotificationId, KnownNotification)>, CommandError> {
    let notification = &request.notification;
    let account_sid = account_of(session, notification).await?;
    let stored = session.notifications().await?.get(&account_sid, &notification.id).await?;
    let known = stored.as_ref().map(KnownNotification::of);
    match (ClaimState::of(stored, &notification.digest(), Timestamp::now()), known) {
        (ClaimState::IdReused, _) => {
            let id = &notification.id;
            Err(CommandError::usage(format!("id: {id} was used before for other content, expected a new one")))
        }
        (ClaimState::New, _) | (_, None) => Ok(None),
        (_, Some(known)) => Ok(Some((notification.id.clone(), known))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_that_was_sent_before_is_described() {
        let enqueued_at = "2026-11-20T15:34:00.5Z".parse().unwrap();
        let known = |state, outcome| KnownNotification { enqueued_at, state, outcome }.to_string();
        let accepted = known(NotificationState::Accepted, Some(Outcome::Delivered));
        assert_eq!(
            accepted,
            "was sent before, at 2026-11-20T15:34:00Z, and is accepted, delivered: it is not sent a second time"
        );
        let suppressed = known(NotificationState::Suppressed, Some(Outcome::Suppressed));
        assert!(suppressed.contains("and is suppressed: it is not sent"), "{suppressed}");
    }
}
