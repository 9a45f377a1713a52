//! `wa send`

use std::{io::Read as _, path::PathBuf, time::Duration};

use domain::notification::Notification;
use jiff::Timestamp;
use serde::Serialize;
use shared::queues::{EnqueueOutcome, MessageBody, OutboundProducer, QueueEntry};
use stores::notifications::ClaimState;
use twilio_types::sid::AccountSid;

use crate::{exit::CommandError, output::PropertyTable, session::Session};

mod follow;
mod preview;
mod request;

use request::{NotificationFlags, NotificationRequest};

const EXAMPLE: &str = r"Example:
  wa send --to +14155550123 --category utility --template order_update --locale en --variable 1=Ava --wait
  wa send --file notification.json --dry-run
  jq -c '.[]' orders.json | wa send --file - --yes";

/// Put notifications on the outbound queue, by flags or from a file. What is wrong with one is said before any is queued
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct SendArguments {
    #[command(flatten)]
    flags: NotificationFlags,
    /// A file of notifications as JSON (one, an array, or JSON lines); - is the standard input
    #[arg(long, short, value_name = "PATH", conflicts_with_all = request::FLAGS)]
    file: Option<PathBuf>,
    /// Follow it to its end, and end with code 1 where it does not reach the recipient
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// How many seconds to follow it
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "wait")]
    timeout: u64,
    /// Only say what would be decided now and why; Twilio is not asked, and nothing is written
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub async fn run(arguments: &SendArguments, session: &Session) -> Result<(), CommandError> {
    let requests = match &arguments.file {
        Some(path) => request::of_file(&read(path)?, session.named_account())?,
        None => vec![arguments.flags.request(session.named_account())?],
    };
    let now = Timestamp::now();
    for request in &requests {
        request.notification.check_times(now, now).map_err(|invalid| CommandError::Usage(invalid.to_string()))?;
    }
    if arguments.dry_run {
        return preview::run(session, &requests).await;
    }
    if requests.len() > 1 {
        session.terminal.confirm(&format!("Send {} notifications?", requests.len()))?;
    }
    if arguments.wait {
        refuse_reuse(session, &requests).await?;
        // An id that was made here has to be known whatever happens: SQS may take what it does not answer for.
        for NotificationRequest { notification, .. } in &requests {
            session.terminal.note(&format!("{}: being queued", notification.id));
        }
    }
    let (taken, failure) = queue(session, &requests).await?;
    if arguments.wait {
        all_taken(&taken, failure)?;
        return follow::run(session, &requests, Duration::from_secs(arguments.timeout)).await;
    }
    show(session, &requests, &taken)?;
    all_taken(&taken, failure)
}

fn read(path: &PathBuf) -> Result<String, CommandError> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| CommandError::Usage(format!("--file: {} cannot be read: {error}", path.display())))
}

/// The account that a notification is sent from.
async fn account(session: &Session, notification: &Notification) -> Result<AccountSid, CommandError> {
    match &notification.account_sid {
        Some(account_sid) => Ok(account_sid.clone()),
        None => Ok(session.stack().await?.account_sid.clone()),
    }
}

/// An id that stands for something else would be followed to the end of that.
async fn refuse_reuse(session: &Session, requests: &[NotificationRequest]) -> Result<(), CommandError> {
    let notifications = session.notifications().await?;
    for NotificationRequest { notification, .. } in requests {
        let stored = notifications.get(&account(session, notification).await?, &notification.id).await?;
        if let ClaimState::IdReused = ClaimState::of(stored, &notification.digest(), Timestamp::now()) {
            let id = &notification.id;
            return Err(CommandError::Usage(format!("id: {id} was used before for other content, expected a new one")));
        }
    }
    Ok(())
}

/// What became of queueing one.
#[derive(Debug, Serialize)]
struct QueuedNotification<'a> {
    id: &'a str,
    to: &'a str,
    category: &'static str,
    outcome: &'static str,
}

/// Gives for each whether it was queued, and the first error, if there was one.
async fn queue(
    session: &Session,
    requests: &[NotificationRequest],
) -> Result<(Vec<bool>, Option<CommandError>), CommandError> {
    let mut entries = Vec::with_capacity(requests.len());
    for request in requests {
        entries.push(QueueEntry {
            body: MessageBody::json(request.body.as_str()),
            group: account(session, &request.notification).await?,
            enqueued_at: Timestamp::now(),
            delay: Duration::ZERO,
        });
    }
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let door = OutboundProducer::new(client, session.stack().await?.output("OutboundQueueUrl")?.to_owned());
    let progress = session.terminal.progress(entries.len(), "queueing");
    let mut taken = Vec::with_capacity(entries.len());
    let mut first = None;
    for batch in batches(&entries) {
        // What is queued already is queued: the answer says so, whatever becomes of the rest.
        match door.enqueue_batch(batch).await {
            Ok(outcomes) => taken.extend(outcomes.iter().map(|outcome| *outcome == EnqueueOutcome::Accepted)),
            Err(error) => {
                let failure = CommandError::from(error);
                session.terminal.warn(&failure.to_string());
                first.get_or_insert(failure);
                taken.extend(batch.iter().map(|_| false));
            }
        }
        progress.inc(batch.len() as u64);
    }
    progress.finish_and_clear();
    Ok((taken, first))
}

fn show(session: &Session, requests: &[NotificationRequest], taken: &[bool]) -> Result<(), CommandError> {
    let rows = requests.iter().zip(taken).map(|(NotificationRequest { notification, .. }, taken)| QueuedNotification {
        id: notification.id.as_str(),
        to: notification.to.as_str(),
        category: notification.category.as_str(),
        outcome: if *taken { "queued" } else { "not queued" },
    });
    let table = PropertyTable::new(&["id", "to", "category", "outcome"], rows)?;
    match requests {
        [_] => session.output.one(&table),
        _ => session.output.table(&table),
    }
}

fn all_taken(taken: &[bool], failure: Option<CommandError>) -> Result<(), CommandError> {
    let missing = taken.iter().filter(|taken| !**taken).count();
    if missing == 0 {
        return Ok(());
    }
    let total = taken.len();
    let said = format!("{missing} of {total} were not queued, send those again under the same ids");
    Err(failure.unwrap_or_else(|| CommandError::NoAnswer("SQS did not take them".to_owned())).after(&said))
}

/// What SQS takes at once. Source: Amazon SQS, "Message quotas": 10 messages, 1 MiB in all; the rest is left for what SQS
/// counts besides the bodies.
fn batches(entries: &[QueueEntry]) -> Vec<&[QueueEntry]> {
    const MESSAGES: usize = 10;
    const BYTES: usize = 1_000_000;
    let mut batches = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let size = rest.iter().take(MESSAGES).take_while(|entry| {
            bytes += entry.body.as_str().len();
            bytes <= BYTES
        });
        let (batch, remaining) = rest.split_at(size.count().max(1));
        batches.push(batch);
        rest = remaining;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_queued_ends_with_the_first_errors_code() {
        assert!(all_taken(&[true, true], None).is_ok());
        let refused = CommandError::Refused("SQS: refused by AWS: AccessDenied".to_owned());
        for (failure, code) in [(None, 5), (Some(refused), 4)] {
            let failure = all_taken(&[true, false], failure).unwrap_err();
            assert_eq!(failure.code(), code);
            assert!(failure.to_string().starts_with("1 of 2 were not queued, send those again"), "{failure}");
        }
    }

    #[test]
    fn batches_are_what_sqs_takes() {
        let entry = |bytes| QueueEntry {
            body: MessageBody::json("x".repeat(bytes)),
            group: "AC00000000000000000000000000000001".parse().unwrap(),
            enqueued_at: Timestamp::UNIX_EPOCH,
            delay: Duration::ZERO,
        };
        let sizes = |bytes: &[usize]| {
            let entries: Vec<_> = bytes.iter().map(|bytes| entry(*bytes)).collect();
            batches(&entries).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 23]), [10, 10, 3]);
        assert_eq!(sizes(&[600_000, 600_000, 1]), [1, 2]);
        assert_eq!(sizes(&[1_040_000]), [1]);
    }
}
