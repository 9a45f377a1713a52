//! The person's dead letters.

use super::receipt::Step;
use crate::{commands::dlq::queue::LetterQueue, error::CommandError, personal_data::Traces, session::Session};

/// The queues that no function reads. What is on the others is read within moments, and suppressed.
const QUEUES: [&str; 5] = [
    "OutboundDeadLetterQueueUrl",
    "UnpublishedQueueUrl",
    "MediaDeadLetterQueueUrl",
    "EventsDeadLetterQueueUrl",
    "SpoolDeadLetterQueueUrl",
];

pub(super) async fn count(session: &Session, traces: &Traces<'_>) -> Result<usize, CommandError> {
    visit(session, traces, false).await
}

pub(super) async fn delete(session: &Session, traces: &Traces<'_>) -> Result<Step, CommandError> {
    Ok(Step::letters().done(visit(session, traces, true).await?))
}

/// Gives the number of letters about the person. All others stay in their queues.
async fn visit(session: &Session, traces: &Traces<'_>, deletes: bool) -> Result<usize, CommandError> {
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let mut found = 0;
    for output in QUEUES {
        let url = session.stack().await?.output(output)?.to_owned();
        let mut queue = LetterQueue::new(client.clone(), url, &session.terminal);
        let mut hidden = Vec::new();
        let visited = visit_queue(&mut queue, traces, deletes, &mut hidden).await;
        queue.put_back(&hidden).await;
        found += visited?;
    }
    Ok(found)
}

async fn visit_queue(
    queue: &mut LetterQueue<'_>,
    traces: &Traces<'_>,
    deletes: bool,
    hidden: &mut Vec<String>,
) -> Result<usize, CommandError> {
    let mut found = 0;
    loop {
        let page = queue.next_page(usize::MAX).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for letter in page {
            let is_of_person = traces.are_in(&letter.body) || letter.reason().is_some_and(|text| traces.are_in(text));
            found += usize::from(is_of_person);
            if is_of_person && deletes {
                queue.delete(&letter).await?;
            } else {
                hidden.push(letter.receipt_handle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_of_dead_letters_is_searched() {
        let template = include_str!("../../../../../template.yaml");
        let (_, outputs) = template.split_once("\nOutputs:\n").unwrap();
        let names = outputs.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        let of_letters: Vec<_> = names.filter(|name| name.ends_with("DeadLetterQueueUrl")).collect();
        assert!(of_letters.len() >= 4, "{of_letters:?}");
        assert!(of_letters.iter().all(|name| QUEUES.contains(name)), "{of_letters:?}");
    }
}
