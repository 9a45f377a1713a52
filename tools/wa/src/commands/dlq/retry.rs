//! `wa dlq retry`

use serde::Serialize;

use super::{
    QueueArgument,
    selection::Selection,
    show::not_found,
    target::{DeadLetters, RetryOutcome},
};
use crate::{error::CommandError, output::PropertyTable, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
A notification is decided again under its id: by the recipient's opt-out and consent, the service window, and expires_at. It is
sent at most once. What would not be sent stays in the queue, with the reason. A record is published again, with the same event
id. A letter is deleted after it was put back: if the command is interrupted, run it again.

Example:
  wa dlq retry order-18473-shipped
  wa dlq retry --reason 'given up' --category utility
  wa dlq retry --queue unpublished --all --yes")]
pub struct RetryArguments {
    #[command(flatten)]
    queue: QueueArgument,
    #[command(flatten)]
    selection: Selection,
}

/// What became of a letter.
#[derive(Serialize)]
pub(super) struct LetterOutcome {
    pub(super) id: String,
    pub(super) outcome: &'static str,
    pub(super) reason: Option<String>,
}

pub(super) async fn run(arguments: &RetryArguments, session: &Session) -> Result<(), CommandError> {
    let RetryArguments { queue, selection } = arguments;
    if !selection.is_of_ids() {
        let (name, which) = (queue.queue.as_str(), selection.describe());
        session.terminal.confirm(&format!("Retry the {name} dead letters {which}?"))?;
    }
    let mut letters = DeadLetters::open(session, queue.queue).await?;
    let (mut outcomes, mut hidden) = (Vec::new(), Vec::new());
    let ended = retry(&mut letters, selection, &mut outcomes, &mut hidden).await;
    letters.queue.put_back(&hidden).await;
    session.output.table(&PropertyTable::new(&["id", "outcome", "reason"], &outcomes)?)?;
    let refused = outcomes.iter().filter(|outcome| outcome.reason.is_some()).count();
    let total = outcomes.len();
    match ended {
        Err(error) => Err(error.after(format!("{} were retried, run it again for the others", total - refused))),
        Ok(()) if total == 0 => Err(not_found(&selection.describe())),
        Ok(()) if refused > 0 => Err(CommandError::answer_is_no(format!("{refused} of {total} were not retried"))),
        Ok(()) => Ok(()),
    }
}

async fn retry(
    letters: &mut DeadLetters<'_>,
    selection: &Selection,
    outcomes: &mut Vec<LetterOutcome>,
    hidden: &mut Vec<String>,
) -> Result<(), CommandError> {
    loop {
        let page = letters.next_page(usize::MAX).await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut page = page.into_iter();
        while let Some(letter) = page.next() {
            if !selection.contains(&letter) {
                hidden.push(letter.raw.receipt_handle);
                continue;
            }
            match letters.retry(&letter).await {
                Ok(RetryOutcome::Retried) => {
                    outcomes.push(LetterOutcome { id: letter.id(), outcome: "retried", reason: None });
                }
                Ok(RetryOutcome::Refused(reason)) => {
                    outcomes.push(LetterOutcome { id: letter.id(), outcome: "not retried", reason: Some(reason) });
                    hidden.push(letter.raw.receipt_handle);
                }
                Err(error) => {
                    hidden.push(letter.raw.receipt_handle);
                    hidden.extend(page.map(|letter| letter.raw.receipt_handle));
                    return Err(error);
                }
            }
        }
    }
}
