//! What a smoke test looks at: the events that are archived, and the outcomes of its notifications.

use std::time::Duration;

use domain::notification::NotificationId;
use serde_json::Value;
use stores::notification_log::NotificationLog;
use tokio::time::{Instant, sleep};

use super::picture::UploadedPicture;
use crate::{
    archive_feed::EventFeed,
    commands::events::line::{Bodies, EventLine},
    error::{CommandError, ExitReason},
    session::Session,
};

/// Between two looks at a notification.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Observer<'a> {
    session: &'a Session,
    feed: EventFeed,
    /// A number or a user id, without the channel.
    person: String,
    timeout: Duration,
    /// The file that has to be deleted at the end.
    pub(super) uploaded: Option<UploadedPicture>,
}

impl<'a> Observer<'a> {
    pub(super) async fn start(session: &'a Session, person: &str, timeout: Duration) -> Result<Self, CommandError> {
        let feed = EventFeed::start(session, None).await?;
        Ok(Self { session, feed, person: person.to_owned(), timeout, uploaded: None })
    }

    /// Ignores what is archived already.
    pub(super) async fn begin(&mut self) -> Result<(), CommandError> {
        self.feed.read().await.map(drop)
    }

    /// Waits for an event of this type about the person.
    pub(super) async fn event(&mut self, event_type: &str, what: &str) -> Result<Value, CommandError> {
        let end = Instant::now() + self.timeout;
        loop {
            let began = Instant::now();
            let mut events = self.feed.read().await?.into_iter();
            let found = events.find(|event| {
                let line = EventLine::of(event, Bodies::Hidden);
                line.event_type == event_type && line.contact == self.person
            });
            match found {
                Some(event) => return Ok(event),
                None if Instant::now() > end => {
                    let seconds = self.timeout.as_secs();
                    let remedy = "the alarms, the log of `inbound` and `wa alerts` say what became of it";
                    return Err(CommandError::no_answer(format!("{what} was not seen within {seconds} s: {remedy}")));
                }
                None => EventFeed::pause(began).await,
            }
        }
    }

    /// Waits for the outcome of a notification.
    pub(super) async fn outcome(&self, id: &NotificationId) -> Result<NotificationLog, CommandError> {
        let (histories, account_sid) = (self.session.histories().await?, self.session.account_sid().await?);
        let end = Instant::now() + self.timeout;
        loop {
            let log = match histories.find(&account_sid, id).await.map_err(CommandError::from) {
                Ok(log) => log,
                // The next read may succeed.
                Err(error) if error.reason() == ExitReason::NoAnswer => None,
                Err(error) => return Err(error),
            };
            let state = log.as_ref().map_or("on the queue", |log| log.state.as_str());
            match log {
                Some(log) if log.outcome.is_some() => return Ok(log),
                _ if Instant::now() > end => {
                    let seconds = self.timeout.as_secs();
                    return Err(CommandError::no_answer(format!(
                        "the notification has no outcome after {seconds} s, it is {state}: `wa notifications show {id}`"
                    )));
                }
                _ => sleep(PAUSE).await,
            }
        }
    }
}
