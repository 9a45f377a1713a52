//! `wa dlq drop`

use super::{
    QueueArgument,
    selection::Selection,
    show::not_found,
    target::DeadLetters,
    visit::{LetterOutcome, visit_selected},
};
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
    session.announce_change().await?;
    let (name, which) = (queue.queue.as_str(), selection.describe());
    session.terminal.confirm(&format!("Delete the {name} dead letters {which}?"))?;
    let mut letters = DeadLetters::open(session, queue.queue).await?;
    let (outcomes, ended) = visit_selected(&mut letters, selection, async |letters, letter| {
        letters.queue.delete(&letter.raw).await?;
        Ok(LetterOutcome { id: letter.id(), outcome: "deleted", reason: None })
    })
    .await;
    session.output.table(&PropertyTable::new(&["id", "outcome"], &outcomes)?)?;
    match ended {
        Err(error) => Err(error.after(format!("{} were deleted, run it again for the others", outcomes.len()))),
        Ok(()) if outcomes.is_empty() => Err(not_found(&which)),
        Ok(()) => Ok(()),
    }
}
