//! `wa notifications cancel`

use domain::{notification::NotificationId, progress::CancelOutcome};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use stores::{
    cancel_notification::{NotificationCanceller, describe_refusal},
    dynamodb::StoreError,
    notifications::NotificationState,
};
use twilio_types::sid::AccountSid;

use super::{
    filter::{CANCELLABLE, FilterArguments, cancellable_state},
    id,
};
use crate::{
    commands::consent::recorded_by,
    error::CommandError,
    output::{Format, PropertyTable, readable},
    session::Session,
};

/// The command asks before it cancels more notifications than this, if they are named one by one.
const MANY: usize = 20;
/// Enough to keep a connection to another continent busy. A cancellation is one read and one write.
const CONCURRENT: usize = 16;

#[derive(clap::Args)]
#[command(after_help = "\
A notification is cancelled as long as none of its messages is on its way: while it waits, for whatever reason, or awaits a
reply. What may follow an accepted message after a time without a delivery is cancelled too. Of a cancellation and a message exactly one happens. With filters the command counts what it would cancel, and asks.

Example:
  wa notifications cancel order-18473-shipped
  wa notifications cancel --state waiting --category marketing --since 2h")]
pub struct CancelNotificationsArguments {
    /// The ids of notifications, or the SIDs of their latest messages
    #[arg(value_name = "ID", value_parser = id, conflicts_with_all = ["state", "to", "since", "code", "category"])]
    ids: Vec<NotificationId>,
    /// All that are in these states, `waiting` or `awaiting_reply`, and match the other options [default: both]
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = cancellable_state)]
    state: Vec<NotificationState>,
    #[command(flatten)]
    filter: FilterArguments,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CancelResult {
    Cancelled,
    AlreadyCancelled,
    /// It was being sent, or has ended.
    NotCancelled,
    NotFound,
}

#[derive(Debug, Serialize)]
struct CancelRow {
    id: NotificationId,
    result: CancelResult,
    reason: Option<String>,
}

pub(super) async fn run(arguments: &CancelNotificationsArguments, session: &Session) -> Result<(), CommandError> {
    let ids = if arguments.ids.is_empty() {
        arguments.find(session).await?
    } else {
        session.announce_change().await?;
        if arguments.ids.len() > MANY {
            session.terminal.confirm(&format!("Cancel {} notifications?", arguments.ids.len()))?;
        }
        arguments.ids.clone()
    };
    cancel_all(&ids, session).await
}

impl CancelNotificationsArguments {
    /// Finds what the filters name, and asks.
    async fn find(&self, session: &Session) -> Result<Vec<NotificationId>, CommandError> {
        if self.state.is_empty() && self.filter.is_empty() {
            let expected =
                "expected ids, or filters such as --state waiting, which alone cancels everything that waits";
            return Err(CommandError::usage(expected));
        }
        session.announce_change().await?;
        let states = if self.state.is_empty() { CANCELLABLE.to_vec() } else { self.state.clone() };
        let filter = self.filter.resolve(states, session).await?;
        let (notifications, account_sid) = (session.notifications().await?, session.account_sid().await?);
        let bar = session.terminal.count("found");
        let pages = notifications.list(&account_sid, &filter);
        let found = pages.try_fold((Vec::new(), 0), async |(mut ids, unreadable), page| {
            ids.extend(page.listed.into_iter().map(|found| found.subject.id));
            bar.set_position(ids.len() as u64);
            Ok((ids, unreadable + page.unreadable))
        });
        let (ids, unreadable) = found.await?;
        bar.finish_and_clear();
        if unreadable > 0 {
            session.terminal.warn(&format!("{unreadable} notifications cannot be read, and are not cancelled"));
        }
        if ids.is_empty() {
            return Err(CommandError::not_found("no notification that waits matches"));
        }
        session.terminal.confirm(&format!("Cancel {} of {account_sid}?", counted(ids.len())))?;
        Ok(ids)
    }
}

/// Cancels, and says of each what happened, also if a later one fails.
async fn cancel_all(ids: &[NotificationId], session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let canceller = session.canceller().await?;
    let by = recorded_by(session).await;
    let bar = session.terminal.progress(ids.len(), "Cancelling");
    let mut printer = RowPrinter { session, rows: Vec::new(), has_header: false };
    let cancel = |id| cancel_one(&canceller, &account_sid, id, by.as_deref());
    let mut rows = stream::iter(ids).map(cancel).buffer_unordered(CONCURRENT);
    let (mut tried, mut successful) = (0, 0);
    let failed = loop {
        match rows.try_next().await {
            Ok(None) => break None,
            Err(error) => break Some(CommandError::from(error)),
            Ok(Some(row)) => {
                tried += 1;
                successful +=
                    usize::from(matches!(row.result, CancelResult::Cancelled | CancelResult::AlreadyCancelled));
                bar.suspend(|| printer.print(row))?;
                bar.inc(1);
            }
        }
    };
    bar.finish_and_clear();
    printer.finish()?;
    match failed {
        Some(error) => {
            Err(error.after(format!("{successful} of {} were cancelled, {tried} were tried", counted(ids.len()))))
        }
        None if successful < ids.len() => {
            Err(CommandError::answer_is_no(format!("{successful} of {} were cancelled", counted(ids.len()))))
        }
        None => Ok(()),
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 notification".to_owned() } else { format!("{count} notifications") }
}

async fn cancel_one(
    canceller: &NotificationCanceller,
    account_sid: &AccountSid,
    id: &NotificationId,
    by: Option<&str>,
) -> Result<CancelRow, StoreError> {
    let row = |result, reason| CancelRow { id: id.clone(), result, reason };
    let found = match canceller.notifications.find(account_sid, id).await? {
        Some(found) => canceller.cancel(found, by, Timestamp::now()).await?,
        None => None,
    };
    Ok(match found {
        None => row(CancelResult::NotFound, Some("it is not stored: it may still be on a queue".to_owned())),
        Some((stored, CancelOutcome::Cancelled)) => {
            let follows = "a message of it was sent before, and nothing follows that message";
            row(CancelResult::Cancelled, stored.progress.cancelled_at.map(|_| follows.to_owned()))
        }
        Some((stored, CancelOutcome::AlreadyCancelled)) => row(CancelResult::AlreadyCancelled, stored.progress.reason),
        Some((stored, CancelOutcome::Refused(refusal))) => {
            row(CancelResult::NotCancelled, Some(describe_refusal(&stored, refusal)))
        }
    })
}

/// Prints each row when it is known, so that an interrupted command has said what it did. JSON is one list, at the end.
struct RowPrinter<'a> {
    session: &'a Session,
    rows: Vec<CancelRow>,
    has_header: bool,
}

impl RowPrinter<'_> {
    fn print(&mut self, row: CancelRow) -> Result<(), CommandError> {
        let output = &self.session.output;
        match output.format() {
            Format::Json => self.rows.push(row),
            Format::Table => output.line(&row.in_words())?,
            Format::Csv | Format::Tsv => {
                let table = PropertyTable::new(&["id", "result", "reason"], [row])?;
                output.more(&table, !std::mem::replace(&mut self.has_header, true))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), CommandError> {
        match self.session.output.format() {
            Format::Json => self.session.output.json(&self.rows),
            Format::Table | Format::Csv | Format::Tsv => Ok(()),
        }
    }
}

impl CancelRow {
    fn in_words(&self) -> String {
        let result = match self.result {
            CancelResult::Cancelled => "cancelled",
            CancelResult::AlreadyCancelled => "was cancelled before",
            CancelResult::NotCancelled => "not cancelled",
            CancelResult::NotFound => "not found",
        };
        match &self.reason {
            Some(reason) => readable(&format!("{}: {result}: {reason}", self.id)),
            None => readable(&format!("{}: {result}", self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct CancelCommandLine {
        #[command(flatten)]
        arguments: CancelNotificationsArguments,
    }

    fn parse(options: &str) -> Result<CancelNotificationsArguments, clap::Error> {
        let words = std::iter::once("cancel").chain(options.split_whitespace());
        CancelCommandLine::try_parse_from(words).map(|parsed| parsed.arguments)
    }

    #[test]
    fn ids_and_filters_exclude_each_other() {
        assert_eq!(parse("order-1 order-2").unwrap().ids.len(), 2);
        assert!(
            parse("--state waiting --to +14155550123 --since 2h --code 63018 --category marketing,utility").is_ok()
        );
        for options in ["order-1 --state waiting", "order-1 --to +14155550123", "--state accepted", "--category offers"]
        {
            assert!(parse(options).is_err(), "{options}");
        }
    }

    #[test]
    fn row_says_in_words_what_happened() {
        let row = |result, reason: Option<&str>| CancelRow {
            id: "order-1".to_owned().try_into().unwrap(),
            result,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(row(CancelResult::Cancelled, None).in_words(), "order-1: cancelled");
        let refused = row(CancelResult::NotCancelled, Some("the notification is delivered"));
        assert_eq!(refused.in_words(), "order-1: not cancelled: the notification is delivered");
    }
}
