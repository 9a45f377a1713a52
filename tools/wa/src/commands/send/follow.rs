//! Following notifications to their ends.

use std::time::Duration;

use futures::future::join_all;
use stores::{
    notification_log::{LoggedMessage, NotificationLog, NotificationLogs},
    notifications::NotificationState,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use twilio_types::message_status::{MessageStatus, Stage};

use super::{NotificationRequest, account};
use crate::{commands::notifications, exit::CommandError, output::Format, session::Session};

/// A status callback takes a second and more.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon a fallback takes over once a status callback has told that a message failed: what reads the stream is seconds
/// behind at most.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// How many are looked at at once: a file may have thousands.
const READS_AT_ONCE: usize = 32;

/// What is to be seen of a notification at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct FollowedState {
    state: Option<NotificationState>,
    attempts: usize,
    reason: Option<String>,
    message: Option<(String, Option<MessageStatus>)>,
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FollowOutcome {
    NotYet,
    /// It reached the recipient.
    Arrived,
    /// It did not; where it has a fallback, that may take over yet.
    Lost,
}

impl FollowedState {
    fn of(history: &NotificationLog) -> Self {
        let delivery = latest(history);
        Self {
            state: Some(history.state),
            attempts: history.attempts.len(),
            reason: history.reason.clone(),
            message: delivery.map(|message| (message.message_sid.to_string(), message.current_status)),
        }
    }

    fn end(&self) -> FollowOutcome {
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
            _ => FollowOutcome::NotYet,
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

fn latest(history: &NotificationLog) -> Option<&LoggedMessage> {
    history.attempts.iter().rev().find_map(|attempt| attempt.message.as_ref()).or(history.bound.as_ref())
}

/// Follows all of them, says each change on the standard error, and prints how they ended.
pub(super) async fn run(
    session: &Session,
    requests: &[NotificationRequest],
    timeout: Duration,
) -> Result<(), CommandError> {
    let histories = session.histories().await?;
    let deadline = Instant::now() + timeout;
    let reads = Semaphore::new(READS_AT_ONCE);
    // All are followed, however many are looked at: what never ends keeps no other one waiting.
    let ends = join_all(requests.iter().map(|request| one(session, &histories, &reads, request, deadline))).await;
    let (mut found, mut lost, mut late) = (Vec::new(), 0, 0);
    for end in ends {
        let (end, history) = end?;
        match end {
            FollowOutcome::Arrived => {}
            FollowOutcome::Lost => lost += 1,
            FollowOutcome::NotYet => late += 1,
        }
        found.extend(history);
    }
    match (found.as_slice(), session.output.format()) {
        ([history], _) => notifications::show(session, history)?,
        (many, Format::Json) => session.output.json(&many)?,
        (many, _) => session.output.table(&notifications::table(many)?)?,
    }
    match (lost, late) {
        (0, 0) => Ok(()),
        (0, late) => Err(CommandError::NoAnswer(format!(
            "{late} of {} not at the end within {} s: look again with `wa notifications show`",
            requests.len(),
            timeout.as_secs()
        ))),
        (lost, _) => Err(CommandError::No(format!("{lost} of {} did not reach the recipient", requests.len()))),
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
    let account_sid = account(session, notification).await?;
    let patience = if notification.fallback.is_empty() { Duration::ZERO } else { TAKEN_OVER };
    let (mut history, mut seen, mut changed_at) = (None, FollowedState::default(), Instant::now());
    session.terminal.note(&seen.line(notification.id.as_str()));
    loop {
        let permit = reads.acquire().await;
        let found = histories.find(&account_sid, &notification.id).await.map_err(CommandError::from);
        drop(permit);
        match found {
            Ok(found) => history = found,
            // The next look may be answered.
            Err(CommandError::NoAnswer(said)) => session.terminal.warn(&format!("{}: {said}", notification.id)),
            Err(failure) => return Err(failure),
        }
        let now = history.as_ref().map(FollowedState::of).unwrap_or_default();
        if now != seen {
            session.terminal.note(&now.line(notification.id.as_str()));
            (seen, changed_at) = (now, Instant::now());
        }
        // Only a message's own failure is cured by a fallback.
        let may_go_on = seen.state == Some(NotificationState::Accepted) && changed_at.elapsed() < patience;
        match seen.end() {
            FollowOutcome::Arrived => return Ok((FollowOutcome::Arrived, history)),
            FollowOutcome::Lost if !may_go_on => return Ok((FollowOutcome::Lost, history)),
            _ if Instant::now() >= deadline => return Ok((FollowOutcome::NotYet, history)),
            _ => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_what_the_recipient_has_or_will_never_have() {
        let seen = |state, status: Option<MessageStatus>| FollowedState {
            state,
            message: status.map(|status| ("SM1".to_owned(), Some(status))),
            ..FollowedState::default()
        };
        for (state, status, expected) in [
            (None, None, FollowOutcome::NotYet),
            (Some(NotificationState::Waiting), None, FollowOutcome::NotYet),
            (Some(NotificationState::Accepted), None, FollowOutcome::NotYet),
            (Some(NotificationState::Accepted), Some(MessageStatus::Sent), FollowOutcome::NotYet),
            (Some(NotificationState::Accepted), Some(MessageStatus::Delivered), FollowOutcome::Arrived),
            (Some(NotificationState::Accepted), Some(MessageStatus::Failed), FollowOutcome::Lost),
            // The first message failed, and a fallback is on its way.
            (Some(NotificationState::Waiting), Some(MessageStatus::Failed), FollowOutcome::NotYet),
            (Some(NotificationState::AwaitingReply), Some(MessageStatus::Read), FollowOutcome::NotYet),
            (Some(NotificationState::Suppressed), None, FollowOutcome::Lost),
        ] {
            assert_eq!(seen(state, status).end(), expected, "{state:?} {status:?}");
        }
    }
}
