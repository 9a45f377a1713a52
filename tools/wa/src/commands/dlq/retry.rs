//! `wa dlq retry`

use super::{
    QueueArgument,
    selection::Selection,
    show::not_found,
    target::{DeadLetters, RetryOutcome},
    visit::{LetterOutcome, visit_selected},
};
use crate::{error::CommandError, output::PropertyTable, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
A notification is decided again under its id: by the recipient's opt-out and consent, the service window, and expires_at. It is
sent at most once. What would not be sent stays in the queue, with the reason. A record is published again, with the same event
id. A webhook is stored with the time at which it arrived. A letter is deleted after it was put back: if the command is interrupted, run it again.

Example:
  wa dlq retry order-18473-shipped
  wa dlq retry --reason 'given up' --category utility
  wa dlq retry --queue unpublished --all --yes
  wa dlq retry --queue spool --all --yes")]
pub struct RetryArguments {
    #[command(flatten)]
    queue: QueueArgument,
    #[command(flatten)]
    selection: Selection,
}

pub(super) async fn run(arguments: &RetryArguments, session: &Session) -> Result<(), CommandError> {
    let RetryArguments { queue, selection } = arguments;
    session.announce_change().await?;
    if !selection.is_of_ids() {
        let (name, which) = (queue.queue.as_str(), selection.describe());
        session.terminal.confirm(&format!("Retry the {name} dead letters {which}?"))?;
    }
    let mut letters = DeadLetters::open(session, queue.queue).await?;
    let (outcomes, ended) = visit_selected(&mut letters, selection, async |letters, letter| {
        let (outcome, reason) = match letters.retry(letter).await? {
            RetryOutcome::Retried => ("retried", None),
            RetryOutcome::Refused(reason) => ("not retried", Some(reason)),
        };
        Ok(LetterOutcome { id: letter.id(), outcome, reason })
    })
    .await;
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
