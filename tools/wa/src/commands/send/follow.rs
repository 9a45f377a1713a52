//! Follows notifications until their outcome is known.

use std::time::Duration;

use domain::progress::Outcome;
use futures::future::join_all;
use stores::{
    notification_log::{NotificationLog, NotificationLogs},
    notifications::NotificationState,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use twilio_types::message_status::MessageStatus;

use super::request::{NotificationRequest, account_of};
use crate::{
    commands::notifications,
    error::{CommandError, ExitReason},
    output::Format,
    session::Session,
};

/// A status callback takes a second and more.
const PAUSE: Duration = Duration::from_secs(1);

/// How many notifications are read at the same time: a file may have thousands.
const CONCURRENT_READS: usize = 32;

/// The state of a notification at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct FollowedState {
    state: Option<NotificationState>,
    outcome: Option<Outcome>,
    attempts: usize,
    reason: Option<String>,
    message: Option<(String, Option<MessageStatus>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FollowOutcome {
    Pending,
    /// It reached the recipient.
    Arrived,
    /// It did not reach the recipient.
    Lost,
}

impl FollowedState {
    fn of(history: &NotificationLog) -> Self {
        let delivery = notifications::latest_delivery(history);
        Self {
            state: Some(history.state),
            outcome: history.outcome,
            attempts: history.attempts.len(),
            reason: history.reason.clone(),
            message: delivery.map(|message| (message.message_sid.to_string(), message.current_status)),
        }
    }

    /// A status of a message is no outcome: a retry or a fallback may follow a failure, and content a template. The outcome
    /// is written a moment after the status.
    fn outcome(&self) -> FollowOutcome {
        match self.outcome {
            None => FollowOutcome::Pending,
            Some(Outcome::Delivered | Outcome::Read) => FollowOutcome::Arrived,
            Some(_) => FollowOutcome::Lost,
        }
    }

    fn line(&self, id: &str) -> String {
        let state = self.state.map_or("on the queue", NotificationState::as_str);
        let outcome = self.outcome.map(Outcome::as_str).filter(|outcome| *outcome != state);
        let outcome = outcome.map(|outcome| format!(", {outcome}")).unwrap_or_default();
        let message = self.message.as_ref().map(|(sid, status)| {
            let status = status.map_or("no status yet", MessageStatus::as_str);
            format!(", {sid} {status}")
        });
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})"));
        format!("{id}: {state}{outcome}{}{}", message.unwrap_or_default(), reason.unwrap_or_default())
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
    let (mut history, mut state) = (None, FollowedState::default());
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
            state = now;
        }
        match state.outcome() {
            FollowOutcome::Pending if Instant::now() < deadline => sleep(PAUSE).await,
            outcome => return Ok((outcome, history)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_known_when_the_message_arrived_or_cannot() {
        let state = |state, outcome, status: Option<MessageStatus>| FollowedState {
            state,
            outcome,
            message: status.map(|status| ("SM1".to_owned(), Some(status))),
            ..FollowedState::default()
        };
        let accepted = Some(NotificationState::Accepted);
        for (stored, outcome, status, expected) in [
            (None, None, None, FollowOutcome::Pending),
            (Some(NotificationState::Waiting), None, None, FollowOutcome::Pending),
            (accepted, None, None, FollowOutcome::Pending),
            (accepted, None, Some(MessageStatus::Sent), FollowOutcome::Pending),
            (accepted, None, Some(MessageStatus::Delivered), FollowOutcome::Pending),
            (accepted, Some(Outcome::Delivered), Some(MessageStatus::Delivered), FollowOutcome::Arrived),
            (accepted, Some(Outcome::Read), None, FollowOutcome::Arrived),
            // The failure is reported, and a fallback may follow.
            (accepted, None, Some(MessageStatus::Failed), FollowOutcome::Pending),
            (accepted, Some(Outcome::Failed), Some(MessageStatus::Failed), FollowOutcome::Lost),
            // The first message failed, and a fallback is on its way.
            (Some(NotificationState::Waiting), None, Some(MessageStatus::Failed), FollowOutcome::Pending),
            (Some(NotificationState::AwaitingReply), None, Some(MessageStatus::Read), FollowOutcome::Pending),
            (Some(NotificationState::Suppressed), Some(Outcome::Suppressed), None, FollowOutcome::Lost),
            (Some(NotificationState::Cancelled), Some(Outcome::Cancelled), None, FollowOutcome::Lost),
        ] {
            assert_eq!(state(stored, outcome, status).outcome(), expected, "{stored:?} {outcome:?} {status:?}");
        }
    }
}
