//! Follows notifications until their outcome is known.

use std::time::Duration;

use futures::future::join_all;
use stores::{
    notification_log::{NotificationLog, NotificationLogs},
    notifications::NotificationState,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use twilio_types::message_status::{MessageStatus, Stage};

use super::request::{NotificationRequest, account_of};
use crate::{
    commands::notifications,
    error::{CommandError, ExitReason},
    output::Format,
    session::Session,
};

/// A status callback takes a second and more.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after the report of a failed message a fallback may start. It starts from the table's stream, which is seconds
/// behind at most.
const FALLBACK_STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How many notifications are read at the same time: a file may have thousands.
const CONCURRENT_READS: usize = 32;

/// The state of a notification at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct FollowedState {
    state: Option<NotificationState>,
    attempts: usize,
    reason: Option<String>,
    message: Option<(String, Option<MessageStatus>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FollowOutcome {
    Pending,
    /// It reached the recipient.
    Arrived,
    /// It did not reach the recipient. A fallback may still start.
    Lost,
}

impl FollowedState {
    fn of(history: &NotificationLog) -> Self {
        let delivery = notifications::latest_delivery(history);
        Self {
            state: Some(history.state),
            attempts: history.attempts.len(),
            reason: history.reason.clone(),
            message: delivery.map(|message| (message.message_sid.to_string(), message.current_status)),
        }
    }

    fn outcome(&self) -> FollowOutcome {
        let stage = self.message.as_ref().and_then(|(_, status)| *status).map(MessageStatus::stage);
        match (self.state, stage) {
            (
                Some(
                    NotificationState::Rejected
                    | NotificationState::Suppressed
                    | NotificationState::Expired
                    | NotificationState::Unknown,
                ),
                _,
            )
            | (Some(NotificationState::Accepted), Some(Stage::Lost)) => FollowOutcome::Lost,
            (Some(NotificationState::Accepted), Some(Stage::Arrived)) => FollowOutcome::Arrived,
            _ => FollowOutcome::Pending,
        }
    }

    fn line(&self, id: &str) -> String {
        let state = self.state.map_or("on the queue", NotificationState::as_str);
        let message = self.message.as_ref().map(|(sid, status)| {
            let status = status.map_or("no status yet", MessageStatus::as_str);
            format!(", {sid} {status}")
        });
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})"));
        format!("{id}: {state}{}{}", message.unwrap_or_default(), reason.unwrap_or_default())
    }
}

/// Follows all of them, notes each change on the standard error, and prints their outcomes.
pub(super) async fn run(
    session: &Session,
    requests: &[NotificationRequest],
    timeout: Duration,
) -> Result<(), CommandError> {
    let histories = session.histories().await?;
    let deadline = Instant::now() + timeout;
    let reads = Semaphore::new(CONCURRENT_READS);
    // All are followed at once, so that one without an outcome does not delay the others.
    let followed = join_all(requests.iter().map(|request| one(session, &histories, &reads, request, deadline))).await;
    let (mut found, mut lost, mut pending) = (Vec::new(), 0, 0);
    for outcome in followed {
        let (outcome, history) = outcome?;
        match outcome {
            FollowOutcome::Arrived => {}
            FollowOutcome::Lost => lost += 1,
            FollowOutcome::Pending => pending += 1,
        }
        found.extend(history);
    }
    match (found.as_slice(), session.output.format()) {
        ([history], _) => notifications::show(session, history)?,
        (many, Format::Json) => session.output.json(&many)?,
        (many, _) => session.output.table(&notifications::table(many)?)?,
    }
    let (total, seconds) = (requests.len(), timeout.as_secs());
    match (lost, pending) {
        (0, 0) => Ok(()),
        (0, pending) => Err(CommandError::no_answer(format!(
            "{pending} of {total} have no outcome after {seconds} s: look again with `wa notifications show`"
        ))),
        (lost, _) => Err(CommandError::answer_is_no(format!("{lost} of {total} did not reach the recipient"))),
    }
}

async fn one(
    session: &Session,
    histories: &NotificationLogs,
    reads: &Semaphore,
    request: &NotificationRequest,
    deadline: Instant,
) -> Result<(FollowOutcome, Option<NotificationLog>), CommandError> {
    let notification = &request.notification;
    let account_sid = account_of(session, notification).await?;
    let fallback_within = if notification.fallback.is_empty() { Duration::ZERO } else { FALLBACK_STARTS_WITHIN };
    let (mut history, mut state, mut changed_at) = (None, FollowedState::default(), Instant::now());
    session.terminal.note(&state.line(notification.id.as_str()));
    loop {
        let permit = reads.acquire().await;
        let found = histories.find(&account_sid, &notification.id).await.map_err(CommandError::from);
        drop(permit);
        match found {
            Ok(found) => history = found,
            // The next read may succeed.
            Err(error) if error.reason() == ExitReason::NoAnswer => {
                session.terminal.warn(&format!("{}: {}", notification.id, error.describe()));
            }
            Err(error) => return Err(error),
        }
        let now = history.as_ref().map(FollowedState::of).unwrap_or_default();
        if now != state {
            session.terminal.note(&now.line(notification.id.as_str()));
            (state, changed_at) = (now, Instant::now());
        }
        // A fallback follows only a message that failed, not a notification that was refused.
        let may_continue = state.state == Some(NotificationState::Accepted) && changed_at.elapsed() < fallback_within;
        match state.outcome() {
            FollowOutcome::Arrived => return Ok((FollowOutcome::Arrived, history)),
            FollowOutcome::Lost if !may_continue => return Ok((FollowOutcome::Lost, history)),
            _ if Instant::now() >= deadline => return Ok((FollowOutcome::Pending, history)),
            _ => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_known_when_the_message_arrived_or_cannot() {
        let state = |state, status: Option<MessageStatus>| FollowedState {
            state,
            message: status.map(|status| ("SM1".to_owned(), Some(status))),
            ..FollowedState::default()
        };
        for (stored, status, expected) in [
            (None, None, FollowOutcome::Pending),
            (Some(NotificationState::Waiting), None, FollowOutcome::Pending),
            (Some(NotificationState::Accepted), None, FollowOutcome::Pending),
            (Some(NotificationState::Accepted), Some(MessageStatus::Sent), FollowOutcome::Pending),
            (Some(NotificationState::Accepted), Some(MessageStatus::Delivered), FollowOutcome::Arrived),
            (Some(NotificationState::Accepted), Some(MessageStatus::Failed), FollowOutcome::Lost),
            // The first message failed, and a fallback is on its way.
            (Some(NotificationState::Waiting), Some(MessageStatus::Failed), FollowOutcome::Pending),
            (Some(NotificationState::AwaitingReply), Some(MessageStatus::Read), FollowOutcome::Pending),
            (Some(NotificationState::Suppressed), None, FollowOutcome::Lost),
        ] {
            assert_eq!(state(stored, status).outcome(), expected, "{stored:?} {status:?}");
        }
    }
}
