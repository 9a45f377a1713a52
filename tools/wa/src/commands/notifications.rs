//! `wa notifications`

use clap::Subcommand;
use domain::{notification::NotificationId, progress::AttemptResult};
use jiff::Timestamp;
use serde::Serialize;
use stores::notification_log::{ErrorDetail, LoggedMessage, NotificationLog};
use twilio_types::message_status::{MessageStatus, ReportedStatus};

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

pub mod cancel;
pub mod filter;
pub mod list;

#[derive(Subcommand)]
pub enum NotificationsCommand {
    /// Show a notification: its outcome, its attempts, and what Twilio reported of each message
    Show(ShowNotificationArguments),
    /// List notifications: those that wait, or those with an outcome
    List(list::ListNotificationsArguments),
    /// Cancel notifications that were not sent yet
    Cancel(cancel::CancelNotificationsArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa notifications show order-18473-shipped\n  \
                        wa notifications show SM00000000000000000000000000000001 --output json")]
pub struct ShowNotificationArguments {
    /// The notification's id, or the SID of its latest message
    #[arg(value_parser = id)]
    id: NotificationId,
}

pub(crate) fn id(text: &str) -> Result<NotificationId, String> {
    NotificationId::try_from(text.to_owned()).map_err(|error| error.to_string())
}

pub async fn run(command: &NotificationsCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        NotificationsCommand::Show(arguments) => show_one(arguments, session).await,
        NotificationsCommand::List(arguments) => list::run(arguments, session).await,
        NotificationsCommand::Cancel(arguments) => cancel::run(arguments, session).await,
    }
}

async fn show_one(arguments: &ShowNotificationArguments, session: &Session) -> Result<(), CommandError> {
    let id = &arguments.id;
    let account_sid = session.account_sid().await?;
    let found = session.histories().await?.find(&account_sid, id).await?;
    let history = found.ok_or_else(|| {
        let hint = "it may still be on the queue, or be so old that it was deleted";
        CommandError::not_found(format!("there is no notification {id} of {account_sid}: {hint}"))
    })?;
    show(session, &history)
}

/// A notification in one line.
#[derive(Serialize)]
struct NotificationLine<'a> {
    #[serde(flatten)]
    history: &'a NotificationLog,
    message_sid: Option<&'a str>,
    current_status: Option<&'static str>,
}

/// Notifications, one in each line.
pub fn table(histories: &[NotificationLog]) -> Result<PropertyTable, CommandError> {
    let columns = [
        "id",
        "outcome",
        "state",
        "recipient",
        "category",
        "message_sid",
        "current_status",
        "code",
        "reason",
        "updated_at",
    ];
    let lines = histories.iter().map(|history| {
        let latest = latest_delivery(history);
        NotificationLine {
            history,
            message_sid: latest.map(|message| message.message_sid.as_str()),
            current_status: latest.and_then(|message| message.current_status).map(MessageStatus::as_str),
        }
    });
    PropertyTable::new(&columns, lines)
}

/// The last message of a notification.
pub fn latest_delivery(log: &NotificationLog) -> Option<&LoggedMessage> {
    log.attempts.iter().rev().find_map(|attempt| attempt.message.as_ref())
}

/// The properties that are shown above the list of what happened, the most important first.
const FIELDS: [&str; 15] = [
    "outcome",
    "code",
    "title",
    "reason",
    "state",
    "waits_for",
    "due_at",
    "cancelled_at",
    "id",
    "account_sid",
    "recipient",
    "category",
    "metadata",
    "updated_at",
    "trace_id",
];

/// An attempt of a notification, or a status that Twilio reported of its message.
#[derive(Serialize)]
struct HistoryStep<'a> {
    at: Timestamp,
    channel: &'a str,
    outcome: StepOutcome,
    message_sid: &'a str,
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StepOutcome {
    Attempt(AttemptResult),
    Reported(ReportedStatus),
}

/// Prints a notification with everything that happened to it. The JSON is that of `GET /notifications/{id}`.
pub fn show(session: &Session, history: &NotificationLog) -> Result<(), CommandError> {
    let output = &session.output;
    match output.format() {
        Format::Json => output.json(history),
        Format::Csv | Format::Tsv => output.table(&table(std::slice::from_ref(history))?),
        Format::Table => {
            output.fields(&FIELDS, history)?;
            let steps = steps(history);
            if steps.is_empty() {
                return Ok(());
            }
            output.line("")?;
            output.table(&PropertyTable::new(&["at", "channel", "outcome", "message_sid", "reason"], steps)?)
        }
    }
}

/// Each attempt in order, followed by what Twilio reported of its message.
fn steps(history: &NotificationLog) -> Vec<HistoryStep<'_>> {
    let mut steps = Vec::new();
    for attempt in &history.attempts {
        let message_sid = attempt.message.as_ref().map_or("", |message| message.message_sid.as_str());
        steps.push(HistoryStep {
            at: attempt.at,
            channel: attempt.channel,
            outcome: StepOutcome::Attempt(attempt.outcome),
            message_sid,
            reason: reason(attempt.reason.as_deref(), attempt.error.as_ref()),
        });
        steps.extend(attempt.message.iter().flat_map(|message| reports(attempt.channel, message)));
    }
    steps
}

fn reports<'a>(channel: &'a str, message: &'a LoggedMessage) -> impl Iterator<Item = HistoryStep<'a>> {
    message.statuses.iter().map(move |report| HistoryStep {
        at: report.at,
        channel,
        outcome: StepOutcome::Reported(report.status.clone()),
        message_sid: message.message_sid.as_str(),
        reason: reason(None, report.error.as_ref()),
    })
}

/// The stored reason, or else the error. The reason mostly names the error's code itself.
fn reason(text: Option<&str>, error: Option<&ErrorDetail>) -> Option<String> {
    let error = error.map(|error| match error.title {
        Some(title) => format!("{} {title}", error.code),
        None => error.code.to_string(),
    });
    text.map(str::to_owned).or(error)
}
