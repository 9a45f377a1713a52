//! `wa send`

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{lane::Lane, notification::NotificationId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::queues::{BATCH_MESSAGES, EnqueueOutcome, LaneQueues, LaneUrls, MessageBody, QueueEntry};

use crate::{error::CommandError, output::PropertyTable, session::Session};

mod estimate;
mod follow;
mod known;
mod preview;
mod request;
mod templates;

use estimate::EstimateArguments;
use known::{KnownNotification, KnownNotifications};
use request::{NotificationFlags, NotificationRequest, account_of};
use templates::TemplateCatalog;

const EXAMPLE: &str = r"Example:
  wa send --to +14155550123 --category utility --template order_update --locale en --variable 1=Ava --wait
  wa send --file notification.json --dry-run
  wa send --file campaign.json --dry-run --estimate --prices rate-card.csv
  jq -c '.[]' orders.json | wa send --file - --yes";

const USAGE: &str = "\
wa send --to <ADDRESS> --category <CATEGORY> <--text <BODY>|--template <NAME>|--media-key <KEY>|...> [OPTIONS]
       wa send --file <PATH> [OPTIONS]";

/// Put notifications on the queues of their categories, by options or from a file. All are checked before any is queued
#[derive(clap::Args)]
#[command(after_help = EXAMPLE, override_usage = USAGE)]
pub struct SendArguments {
    #[command(flatten)]
    flags: NotificationFlags,
    /// A file of notifications as JSON (one, an array, or JSON lines); - is the standard input
    #[arg(long, short, value_name = "PATH", conflicts_with_all = request::FLAGS)]
    file: Option<PathBuf>,
    /// Follow it until its outcome is known; the exit code is 1 if it does not reach the recipient
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// For how many seconds to follow it
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "wait")]
    timeout: u64,
    /// Give a template's variables that have no value the template's samples
    #[arg(long)]
    use_samples: bool,
    /// Only show what would be decided now, and why, and what it will cost; nothing is written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    estimate: EstimateArguments,
}

pub async fn run(arguments: &SendArguments, session: &Session) -> Result<(), CommandError> {
    let requests = match &arguments.file {
        Some(path) => request::of_file(&read(path)?, session.named_account())?,
        None => vec![arguments.flags.request(session.named_account())?],
    };
    let now = Timestamp::now();
    for request in &requests {
        request.notification.check_times(now, now).map_err(|invalid| CommandError::usage(invalid.to_string()))?;
    }
    let templates = TemplateCatalog::of(session, &requests).await?;
    let requests = if arguments.use_samples {
        requests.iter().map(|request| templates.filled(request)).collect::<Result<Vec<_>, _>>()?
    } else {
        requests
    };
    let problem = |request: &NotificationRequest| templates.problem(&request.notification);
    if arguments.dry_run {
        let problems: Vec<_> = requests.iter().map(problem).collect();
        return preview::run(session, &requests, &problems, &arguments.estimate).await;
    }
    if let Some((request, problem)) = requests.iter().find_map(|request| Some((request, problem(request)?))) {
        return Err(CommandError::usage(format!("{}: {problem}. Nothing was queued", request.notification.id)));
    }
    session.announce_change().await?;
    let known = known::find(session, &requests).await?;
    if requests.len() > 1 {
        session.terminal.confirm(&format!("Send {} notifications?", requests.len()))?;
    }
    if arguments.wait {
        // A generated id has to be known whatever happens: SQS may store a message without answering.
        for NotificationRequest { notification, .. } in &requests {
            session.terminal.note(&format!("{}: being queued", notification.id));
        }
    }
    let (outcomes, error) = queue(session, &requests).await?;
    if arguments.wait {
        require_all_queued(&outcomes, error)?;
        return follow::run(session, &requests, Duration::from_secs(arguments.timeout)).await;
    }
    show(session, &requests, &outcomes, &known)?;
    require_all_queued(&outcomes, error)
}

/// Puts a single notification on the queue of its lane. Gives its id.
pub(super) async fn enqueue(session: &Session, notification: Value) -> Result<NotificationId, CommandError> {
    let request = NotificationRequest::of(notification, session.named_account())?;
    let (outcomes, error) = queue(session, std::slice::from_ref(&request)).await?;
    require_all_queued(&outcomes, error)?;
    Ok(request.notification.id)
}

fn read(path: &Path) -> Result<String, CommandError> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| CommandError::usage(format!("--file: {} cannot be read", path.display())).because(error))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueOutcome {
    Queued,
    NotQueued,
}

/// The outcome of one notification. The fields are those of the JSON output.
#[derive(Serialize)]
struct QueuedNotification<'a> {
    id: &'a str,
    to: &'a str,
    category: &'static str,
    outcome: &'static str,
    /// What became of it when it was sent before, under the same id and with the same content: nothing more is sent.
    before: Option<&'a KnownNotification>,
}

/// Puts each notification on the queue of its lane. Gives the outcome of each, and the first error, if there was one.
async fn queue(
    session: &Session,
    requests: &[NotificationRequest],
) -> Result<(Vec<QueueOutcome>, Option<CommandError>), CommandError> {
    let queues = queues(session).await?;
    let progress = session.terminal.progress(requests.len(), "queueing");
    let mut outcomes = vec![QueueOutcome::NotQueued; requests.len()];
    let mut first = None;
    for lane in Lane::ALL {
        let of_lane = outcomes.iter_mut().zip(requests);
        let of_lane = of_lane.filter(|(_, request)| Lane::of(request.notification.category) == lane);
        let (mut outcomes, requests): (Vec<_>, Vec<_>) = of_lane.unzip();
        let mut entries = Vec::with_capacity(requests.len());
        for request in requests {
            entries.push(entry(session, request).await?);
        }
        let mut outcomes = outcomes.iter_mut();
        for batch in batches(&entries) {
            let outcomes = outcomes.by_ref().take(batch.len());
            // After an error the other batches are tried too: the output says which notifications are queued.
            match queues.enqueue(lane, batch).await {
                Ok(answers) => outcomes.zip(answers).for_each(|(outcome, answer)| {
                    if answer == EnqueueOutcome::Accepted {
                        **outcome = QueueOutcome::Queued;
                    }
                }),
                Err(error) => {
                    // The outcomes of the batch stay as they are.
                    outcomes.for_each(drop);
                    let error = CommandError::from(error);
                    session.terminal.warn(&error.describe());
                    first.get_or_insert(error);
                }
            }
            progress.inc(batch.len() as u64);
        }
    }
    progress.finish_and_clear();
    Ok((outcomes, first))
}

/// The queues of the stack. A stack without an output for a lane has that lane on the outbound queue.
async fn queues(session: &Session) -> Result<LaneQueues, CommandError> {
    let stack = session.stack().await?;
    let url = |output| stack.output(output).ok().map(ToOwned::to_owned);
    let urls = LaneUrls {
        standard: stack.output("OutboundQueueUrl")?.to_owned(),
        urgent: url("UrgentQueueUrl"),
        marketing: url("MarketingQueueUrl"),
    };
    Ok(LaneQueues::new(aws_sdk_sqs::Client::new(session.aws().await?), urls))
}

async fn entry(session: &Session, request: &NotificationRequest) -> Result<QueueEntry, CommandError> {
    Ok(QueueEntry {
        body: MessageBody::json(request.body.as_str()),
        group: account_of(session, &request.notification).await?,
        enqueued_at: Some(Timestamp::now()),
        hops: 0,
        reason: None,
        delay: Duration::ZERO,
    })
}

fn show(
    session: &Session,
    requests: &[NotificationRequest],
    outcomes: &[QueueOutcome],
    known: &KnownNotifications,
) -> Result<(), CommandError> {
    let rows =
        requests.iter().zip(outcomes).map(|(NotificationRequest { notification, .. }, outcome)| QueuedNotification {
            id: notification.id.as_str(),
            to: notification.to.as_str(),
            category: notification.category.as_str(),
            outcome: match outcome {
                QueueOutcome::Queued => "queued",
                QueueOutcome::NotQueued => "not queued",
            },
            before: known.get(&notification.id),
        });
    let table = PropertyTable::new(&["id", "to", "category", "outcome"], rows)?;
    match requests {
        [_] => session.output.one(&table),
        _ => session.output.table(&table),
    }
}

fn require_all_queued(outcomes: &[QueueOutcome], error: Option<CommandError>) -> Result<(), CommandError> {
    let missing = outcomes.iter().filter(|outcome| **outcome == QueueOutcome::NotQueued).count();
    if missing == 0 {
        return Ok(());
    }
    let total = outcomes.len();
    let message = format!("{missing} of {total} were not queued, send those again under the same ids");
    Err(error.unwrap_or_else(|| CommandError::no_answer("SQS did not accept them")).after(message))
}

/// What SQS accepts in one call. Source: Amazon SQS, "Message quotas": 10 messages, 1 MiB in all, of which a part is left for
/// what SQS counts besides the bodies.
fn batches(entries: &[QueueEntry]) -> Vec<&[QueueEntry]> {
    const BYTES: usize = 1_000_000;
    let mut batches = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let size = rest.iter().take(BATCH_MESSAGES).take_while(|entry| {
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
    fn a_partial_failure_ends_with_the_first_errors_code() {
        use QueueOutcome::{NotQueued, Queued};
        assert!(require_all_queued(&[Queued, Queued], None).is_ok());
        let refused = CommandError::refused("SQS: refused by AWS: AccessDenied");
        for (error, code) in [(None, 5), (Some(refused), 4)] {
            let error = require_all_queued(&[Queued, NotQueued], error).unwrap_err();
            assert_eq!(error.code(), code);
            assert!(error.describe().starts_with("1 of 2 were not queued, send those again"), "{error}");
        }
    }

    #[test]
    fn a_batch_is_within_the_limits_of_sqs() {
        let entry = |bytes| QueueEntry {
            body: MessageBody::json("x".repeat(bytes)),
            group: "AC00000000000000000000000000000001".parse().unwrap(),
            enqueued_at: None,
            hops: 0,
            reason: None,
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
