//! `wa dlq list`

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    QueueArgument,
    target::{DeadLetter, DeadLetterQueueName, DeadLetters},
};
use crate::{error::CommandError, output::PropertyTable, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
A letter is hidden from other readers while it is listed, for two minutes if the command is interrupted.

Example:
  wa dlq list
  wa dlq list --queue unpublished --output json")]
pub struct ListArguments {
    #[command(flatten)]
    queue: QueueArgument,
    /// How many letters are read at most
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    limit: usize,
}

/// The letters of one notification, event or webhook that have the same reason.
#[derive(Serialize)]
struct LetterLine {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'static str>,
    reason: String,
    /// Since when the oldest of them is in the queue.
    since: Timestamp,
    age: String,
    count: usize,
}

pub(super) async fn run(arguments: &ListArguments, session: &Session) -> Result<(), CommandError> {
    let name = arguments.queue.queue;
    let mut letters = DeadLetters::open(session, name).await?;
    let (mut read, mut hidden) = (Vec::new(), Vec::new());
    let counter = session.terminal.count("dead letters");
    let ended = loop {
        if read.len() >= arguments.limit {
            break Ok(());
        }
        match letters.next_page(arguments.limit - read.len()).await {
            Ok(page) if page.is_empty() => break Ok(()),
            Ok(page) => {
                counter.inc(page.len() as u64);
                hidden.extend(page.iter().map(|letter| letter.raw.receipt_handle.clone()));
                read.extend(page);
            }
            Err(error) => break Err(error),
        }
    };
    counter.finish_and_clear();
    // Letters that are put back are no longer among the hidden ones.
    let depth = letters.queue.depth().await;
    letters.queue.put_back(&hidden).await;
    ended?;
    let lines = lines(&read, Timestamp::now());
    session.output.table(&table(name, lines)?)?;
    let depth = depth?;
    let of_others = depth.hidden.saturating_sub(hidden.len() as u64);
    if depth.visible > 0 {
        session.terminal.note(&format!(
            "{} were read, about {} more are in the queue: --limit",
            read.len(),
            depth.visible
        ));
    }
    if of_others > 0 {
        session.terminal.note(&format!("about {of_others} are hidden, because they are being read by another program"));
    }
    Ok(())
}

fn lines(letters: &[DeadLetter], now: Timestamp) -> Vec<LetterLine> {
    let mut groups: BTreeMap<(String, String), LetterLine> = BTreeMap::new();
    for letter in letters {
        let (id, reason, since) = (letter.id(), letter.reason(), letter.raw.sent_at);
        let line = groups.entry((id.clone(), reason.clone())).or_insert_with(|| LetterLine {
            id,
            category: letter.category().map(str::to_owned),
            table: letter.table().map(str::to_owned),
            webhook: letter.webhook(),
            reason,
            since,
            age: String::new(),
            count: 0,
        });
        line.since = line.since.min(since);
        line.count += 1;
    }
    let mut lines: Vec<_> = groups.into_values().collect();
    lines.sort_by_key(|line| line.since);
    for line in &mut lines {
        line.age = age(now.duration_since(line.since));
    }
    lines
}

fn table(name: DeadLetterQueueName, lines: Vec<LetterLine>) -> Result<PropertyTable, CommandError> {
    let kind = match name {
        DeadLetterQueueName::Outbound => "category",
        DeadLetterQueueName::Unpublished => "table",
        DeadLetterQueueName::Spool => "webhook",
    };
    PropertyTable::new(&["id", kind, "reason", "age", "count"], lines)
}

/// An age in its two largest units, as in `3d 4h`.
fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, expected) in
            [(-5, "0s"), (59, "59s"), (61, "1m"), (3_661, "1h 1m"), (90_000, "1d 1h"), (1_209_600, "14d 0h")]
        {
            assert_eq!(age(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
