//! Every selected letter is visited once, and what stays in the queue is put back.

use serde::Serialize;

use super::{
    selection::Selection,
    target::{DeadLetter, DeadLetters},
};
use crate::error::CommandError;

/// What became of a letter.
#[derive(Serialize)]
pub(super) struct LetterOutcome {
    pub(super) id: String,
    pub(super) outcome: &'static str,
    /// Why it stays in the queue; none if it does not.
    pub(super) reason: Option<String>,
}

/// Lets `visit` do something with each selected letter. Gives what became of those before the first failure, too. All letters
/// that stay in the queue are put back, also after a failure.
pub(super) async fn visit_selected<'a>(
    letters: &mut DeadLetters<'a>,
    selection: &Selection,
    visit: impl AsyncFnMut(&mut DeadLetters<'a>, &DeadLetter) -> Result<LetterOutcome, CommandError>,
) -> (Vec<LetterOutcome>, Result<(), CommandError>) {
    let (mut outcomes, mut hidden) = (Vec::new(), Vec::new());
    let ended = visit_pages(letters, selection, visit, &mut outcomes, &mut hidden).await;
    letters.queue.put_back(&hidden).await;
    (outcomes, ended)
}

async fn visit_pages<'a>(
    letters: &mut DeadLetters<'a>,
    selection: &Selection,
    mut visit: impl AsyncFnMut(&mut DeadLetters<'a>, &DeadLetter) -> Result<LetterOutcome, CommandError>,
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
            match visit(letters, &letter).await {
                Ok(outcome) => {
                    hidden.extend(outcome.reason.is_some().then_some(letter.raw.receipt_handle));
                    outcomes.push(outcome);
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
