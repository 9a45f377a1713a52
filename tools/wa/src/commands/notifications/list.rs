//! `wa notifications list`

use clap_complete::engine::ArgValueCandidates;
use domain::{
    notification::{Category, NotificationId},
    progress::Outcome,
    waiting::WaitReason,
};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use stores::notifications::{NotificationFilter, NotificationState, StoredNotification};
use twilio_types::{
    address::Recipient,
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use super::filter::{FilterArguments, state};
use crate::{
    completion,
    error::CommandError,
    output::{Properties, PropertyTable},
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "\
Those that wait are found by an index, and are shown by the time at which they go on. For other states the table is read,
because no index has them: --max-read bounds how much of it, and a note says if that was not all.

Example:
  wa notifications list --state waiting --category marketing
  wa notifications list --state rejected --code 63016 --since 1d --max-read 1000000 --output json")]
pub struct ListNotificationsArguments {
    /// Only in these states, separated by commas, as in `waiting,awaiting_reply`
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state, add = ArgValueCandidates::new(completion::states))]
    state: Vec<NotificationState>,
    #[command(flatten)]
    filter: FilterArguments,
    /// How many are shown at most
    #[arg(long, default_value_t = 50, value_name = "NUMBER", conflicts_with = "no_limit")]
    limit: usize,
    /// Show all of them
    #[arg(long)]
    no_limit: bool,
    /// How many items of the table are read at most: a million are about 2 GB, and cost a few cents
    #[arg(long, default_value_t = 100_000, value_name = "NUMBER")]
    max_read: u64,
    #[command(flatten)]
    properties: Properties,
}

/// A notification in a list, without its content.
#[derive(Serialize)]
struct ListedNotification {
    id: NotificationId,
    account_sid: AccountSid,
    state: NotificationState,
    outcome: Option<Outcome>,
    recipient: Option<Recipient>,
    category: Option<Category>,
    code: Option<ErrorCode>,
    reason: Option<String>,
    waits_for: Option<WaitReason>,
    due_at: Option<Timestamp>,
    message_sid: Option<MessageSid>,
    attempts: usize,
    enqueued_at: Timestamp,
    updated_at: Timestamp,
}

/// The columns of those that wait, the most important first: a narrow terminal shows the first ones.
const WAITING: [&str; 7] = ["id", "state", "due_at", "waits_for", "recipient", "category", "code"];
const OTHERS: [&str; 7] = ["id", "state", "outcome", "code", "recipient", "category", "enqueued_at"];

/// What was found, and how much was read for it.
#[derive(Default)]
struct Listing {
    listed: Vec<StoredNotification>,
    read: u64,
    unreadable: u64,
    end: ListingEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ListingEnd {
    /// Everything was read.
    #[default]
    Complete,
    /// There may be more than were to be shown.
    Limit,
    /// The table has more items than were to be read.
    MaxRead,
}

pub(super) async fn run(arguments: &ListNotificationsArguments, session: &Session) -> Result<(), CommandError> {
    let filter = arguments.filter.resolve(arguments.state.clone(), session).await?;
    let mut listing = collect(arguments, &filter, session).await?;
    if filter.is_indexed() {
        listing.listed.sort_by_key(|found| found.due.as_ref().map(|due| due.at));
    } else {
        listing.listed.sort_by_key(|found| std::cmp::Reverse(found.enqueued_at));
    }
    if !arguments.no_limit {
        listing.listed.truncate(arguments.limit);
    }
    let note = note(&listing, &filter);
    let columns = if filter.is_indexed() { WAITING } else { OTHERS };
    let rows = listing.listed.into_iter().map(ListedNotification::of);
    let table = PropertyTable::new(&columns, rows)?;
    session.output.table(&table.pick(&arguments.properties)?)?;
    session.terminal.note(&note);
    Ok(())
}

async fn collect(
    arguments: &ListNotificationsArguments,
    filter: &NotificationFilter,
    session: &Session,
) -> Result<Listing, CommandError> {
    let (notifications, account_sid) = (session.notifications().await?, session.account_sid().await?);
    let limit = if arguments.no_limit { usize::MAX } else { arguments.limit };
    let bar = session.terminal.count("read");
    let mut listing = Listing::default();
    let mut pages = notifications.list(&account_sid, filter);
    while let Some(page) = pages.next().await {
        let page = page?;
        listing.read += page.read;
        listing.unreadable += page.unreadable;
        listing.listed.extend(page.listed);
        bar.set_position(listing.read);
        listing.end = if listing.listed.len() > limit {
            ListingEnd::Limit
        } else if !filter.is_indexed() && listing.read >= arguments.max_read {
            ListingEnd::MaxRead
        } else {
            continue;
        };
        break;
    }
    bar.finish_and_clear();
    Ok(listing)
}

/// Says how much was read, and whether that was all.
fn note(listing: &Listing, filter: &NotificationFilter) -> String {
    let Listing { read, unreadable, .. } = listing;
    let place =
        if filter.is_indexed() { "the index of what waits" } else { "the table, as no index has what was asked for," };
    let end = match listing.end {
        ListingEnd::Complete => "that is all".to_owned(),
        ListingEnd::Limit => format!("{} are shown, and there are more: --limit shows them", listing.listed.len()),
        ListingEnd::MaxRead => "there may be more: --max-read reads on".to_owned(),
    };
    let unreadable = match unreadable {
        0 => String::new(),
        count => format!("; {count} items cannot be read"),
    };
    format!("{read} items of {place} were read; {end}{unreadable}")
}

impl ListedNotification {
    fn of(found: StoredNotification) -> Self {
        let (state, message_sid) = (found.state(), found.message_sid().cloned());
        Self {
            id: found.subject.id,
            account_sid: found.subject.account_sid,
            state,
            outcome: found.progress.outcome,
            recipient: found.subject.recipient,
            category: found.subject.category,
            code: found.progress.code,
            reason: found.progress.reason,
            waits_for: found.due.as_ref().map(|due| due.reason),
            due_at: found.due.map(|due| due.at),
            message_sid,
            attempts: found.progress.attempts.len(),
            enqueued_at: found.enqueued_at,
            updated_at: found.updated_at,
        }
    }
}
