//! `wa dlq drop`

use super::{QueueArgument, retry::LetterOutcome, selection::Selection, show::not_found, target::DeadLetters};
use crate::{error::CommandError, output::PropertyTable, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
Only the letters are deleted: a notification and its outcome stay in the table, and a record stays in its table.

Example:
  wa dlq drop order-18473-shipped --yes
  wa dlq drop --reason 'to: ' --yes")]
pub struct DropArguments {
    #[command(flatten)]
    queue: QueueArgument,
    #[command(flatten)]
    selection: Selection,
}

pub(super) async fn run(arguments: &DropArguments, session: &Session) -> Result<(), CommandError> {
    let DropArguments { queue, selection } = arguments;
    let (name, which) = (queue.queue.as_str(), selection.describe());
    session.terminal.confirm(&format!("Delete the {name} dead letters {which}?"))?;
    let mut letters = DeadLetters::open(session, queue.queue).await?;
    let (mut outcomes, mut hidden) = (Vec::new(), Vec::new());
    let ended = drop(&mut letters, selection, &mut outcomes, &mut hidden).await;
    letters.queue.put_back(&hidden).await;
    session.output.table(&PropertyTable::new(&["id", "outcome"], &outcomes)?)?;
    match ended {
        Err(error) => Err(error.after(format!("{} were deleted, run it again for the others", outcomes.len()))),
        Ok(()) if outcomes.is_empty() => Err(not_found(&which)),
        Ok(()) => Ok(()),
    }
}

async fn drop(
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
        for letter in page {
            if !selection.contains(&letter) {
                hidden.push(letter.raw.receipt_handle);
                continue;
            }
            letters.queue.delete(&letter.raw).await?;
            outcomes.push(LetterOutcome { id: letter.id(), outcome: "deleted", reason: None });
        }
    }
}
