//! `wa notifications`

use clap::Subcommand;
use domain::notification::NotificationId;
use jiff::Timestamp;
use serde::Serialize;
use stores::notification_log::{ErrorDetail, LoggedMessage, NotificationLog};
use twilio_types::message_status::MessageStatus;

use crate::{
    exit::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// ShowNotificationArguments what became of a notification: its state, its attempts, and what Twilio reported of each message
    Show(ShowNotificationArguments),
}

/// Which one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa notifications show order-18473-shipped\n  \
                        wa notifications show SM00000000000000000000000000000001 --output json")]
pub struct ShowNotificationArguments {
    /// Its id, or the SID of one of its messages
    #[arg(value_parser = id)]
    id: NotificationId,
}

fn id(text: &str) -> Result<NotificationId, String> {
    NotificationId::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// Runs the command.
pub async fn run(command: &NotificationsCommand, session: &Session) -> Result<(), CommandError> {
    let NotificationsCommand::Show(ShowNotificationArguments { id }) = command;
    let account_sid = session.account_sid().await?;
    let found = session.histories().await?.find(&account_sid, id).await?;
    let history = found.ok_or_else(|| {
        let hint = "it may still be on the queue, or be so old that it is forgotten";
        CommandError::NotFound(format!("there is no notification {id} of {account_sid}: {hint}"))
    })?;
    show(session, &history)
}

/// A notification in a line.
#[derive(Debug, Serialize)]
struct NotificationLine<'a> {
    #[serde(flatten)]
    history: &'a NotificationLog,
    message_sid: Option<&'a str>,
    current_status: Option<&'static str>,
}

/// Notifications, a line each.
pub fn table(histories: &[NotificationLog]) -> Result<PropertyTable, CommandError> {
    let columns =
        ["id", "state", "recipient", "category", "message_sid", "current_status", "code", "reason", "updated_at"];
    let lines = histories.iter().map(|history| {
        let latest = history.attempts.iter().rev().find_map(|attempt| attempt.message.as_ref());
        let latest = latest.or(history.bound.as_ref());
        NotificationLine {
            history,
            message_sid: latest.map(|message| message.message_sid.as_str()),
            current_status: latest.and_then(|message| message.current_status).map(MessageStatus::as_str),
        }
    });
    PropertyTable::new(&columns, lines)
}

/// What is shown of a notification before what happened to it.
const FIELDS: [&str; 10] =
    ["id", "account_sid", "state", "reason", "code", "title", "recipient", "category", "metadata", "updated_at"];

/// Something that happened to a notification or to one of its messages.
#[derive(Debug, Serialize)]
struct HistoryStep<'a> {
    at: Timestamp,
    channel: &'a str,
    outcome: &'a str,
    message_sid: &'a str,
    reason: Option<String>,
}

/// A notification with all that happened to it; in JSON as `GET /notifications/{id}` gives it.
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

fn steps(history: &NotificationLog) -> Vec<HistoryStep<'_>> {
    let mut steps = Vec::new();
    for attempt in &history.attempts {
        let message_sid = attempt.message.as_ref().map_or("", |message| message.message_sid.as_str());
        steps.push(HistoryStep {
            at: attempt.at,
            channel: &attempt.channel,
            outcome: attempt.outcome.as_str(),
            message_sid,
            reason: reason(attempt.reason.as_deref(), attempt.error.as_ref()),
        });
        steps.extend(attempt.message.iter().flat_map(|message| reports(&attempt.channel, message)));
    }
    steps.extend(history.bound.iter().flat_map(|message| reports("", message)));
    steps
}

fn reports<'a>(channel: &'a str, message: &'a LoggedMessage) -> impl Iterator<Item = HistoryStep<'a>> {
    message.statuses.iter().map(move |report| HistoryStep {
        at: report.at,
        channel,
        outcome: report.status.as_str(),
        message_sid: message.message_sid.as_str(),
        reason: reason(None, report.error.as_ref()),
    })
}

/// What is written down as the reason mostly names the code itself.
fn reason(text: Option<&str>, error: Option<&ErrorDetail>) -> Option<String> {
    let error = error.map(|error| match error.title {
        Some(title) => format!("{} {title}", error.code),
        None => error.code.to_string(),
    });
    text.map(str::to_owned).or(error)
}
