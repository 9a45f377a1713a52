//! What waits in the queues, and for how long.

use std::time::SystemTime;

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures::future::try_join_all;

use crate::{exit::CommandError, finding::Finding, session::Session};

pub(super) const CHECK: &str = "queues";

/// An event that nobody has read for so long has no reader, in seconds.
const UNREAD: f64 = 3600.0;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueuePurpose {
    /// Notifications wait here, some of them for hours by design.
    Outbound,
    /// Other systems read here.
    Events,
    /// Whatever is here was given up on.
    Dead(&'static str),
}

/// The template's outputs.
const QUEUES: [(&str, &str, QueuePurpose); 5] = [
    ("OutboundQueueUrl", "outbound", QueuePurpose::Outbound),
    ("EventsQueueUrl", "events", QueuePurpose::Events),
    (
        "OutboundDeadLetterQueueUrl",
        "outbound dead letters",
        QueuePurpose::Dead(
            "each message says why in its attribute `reason`: mend that, then put it back with \
                   `aws sqs start-message-move-task`, or delete it",
        ),
    ),
    (
        "EventsDeadLetterQueueUrl",
        "events dead letters",
        QueuePurpose::Dead(
            "mend the events queue's consumer, then put them back with `aws sqs start-message-move-task`",
        ),
    ),
    (
        "UnpublishedQueueUrl",
        "unpublished",
        QueuePurpose::Dead(
            "each message, or the log of publish or reconcile, says why; the items are in the tables: see docs/operate.md, \"Unpublished records\"",
        ),
    ),
];

/// What is in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct QueueDepth {
    waiting: u64,
    in_flight: u64,
    delayed: u64,
    /// In seconds, where `CloudWatch` knows it.
    oldest: Option<f64>,
}

/// Looks at each queue of the stack.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let looked = QUEUES.iter().filter_map(|(output, name, purpose)| {
        let url = stack.output(output).ok()?;
        Some(async move { Ok::<_, CommandError>(judged(name, *purpose, depth(session, url).await?)) })
    });
    try_join_all(looked).await
}

async fn depth(session: &Session, url: &str) -> Result<QueueDepth, CommandError> {
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let [waiting, in_flight, delayed] = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessagesDelayed,
    ];
    let names = [waiting.clone(), in_flight.clone(), delayed.clone()];
    let ask = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer =
        ask.send().await.map_err(|error| CommandError::of_sdk(&format!("looking at the queue {url}"), &error))?;
    let found = answer.attributes.unwrap_or_default();
    let number = |name| found.get(&name).and_then(|text: &String| text.parse().ok()).unwrap_or_default();
    let oldest = oldest(session, url).await;
    Ok(QueueDepth { waiting: number(waiting), in_flight: number(in_flight), delayed: number(delayed), oldest })
}

/// The age of the oldest message, by `CloudWatch`'s last ten minutes: SQS itself does not tell.
async fn oldest(session: &Session, url: &str) -> Option<f64> {
    let client = aws_sdk_cloudwatch::Client::new(session.aws().await.ok()?);
    let now = SystemTime::now();
    let name = Dimension::builder().name("QueueName").value(url.rsplit('/').next()?).build();
    let ask = client
        .get_metric_statistics()
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(name)
        .start_time(DateTime::from(now - std::time::Duration::from_mins(10)))
        .end_time(DateTime::from(now))
        .period(60)
        .statistics(Statistic::Maximum);
    let answer = ask.send().await.ok()?;
    let newest = answer.datapoints().iter().max_by_key(|point| point.timestamp().map(DateTime::secs));
    newest.and_then(aws_sdk_cloudwatch::types::Datapoint::maximum)
}

fn judged(name: &str, purpose: QueuePurpose, depth: QueueDepth) -> Finding {
    let QueueDepth { waiting, in_flight, delayed, oldest } = depth;
    let age = oldest.map(|seconds| format!(", the oldest for {seconds:.0} s")).unwrap_or_default();
    let what = format!("{name}: {waiting} waiting{age}, {in_flight} in work, {delayed} delayed");
    match purpose {
        QueuePurpose::Dead(_) if waiting + in_flight + delayed == 0 => Finding::ok(CHECK, format!("{name}: empty")),
        QueuePurpose::Dead(fix) => Finding::wrong(CHECK, what, fix),
        QueuePurpose::Events if waiting > 0 && oldest.is_some_and(|oldest| oldest > UNREAD) => Finding::warning(
            CHECK,
            what,
            "nobody reads the events queue: start its consumer; events are kept for 14 days",
        ),
        QueuePurpose::Events | QueuePurpose::Outbound => Finding::ok(CHECK, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn whatever_is_in_a_dead_letter_queue_is_to_be_mended() {
        let some = QueueDepth { waiting: 3, in_flight: 1, delayed: 0, oldest: Some(7200.0) };
        for (purpose, depth, level) in [
            (QueuePurpose::Dead("x"), QueueDepth::default(), Level::Ok),
            (QueuePurpose::Dead("x"), some, Level::Wrong),
            (QueuePurpose::Outbound, some, Level::Ok),
            (QueuePurpose::Events, some, Level::Warning),
            (QueuePurpose::Events, QueueDepth { oldest: None, ..some }, Level::Ok),
        ] {
            assert_eq!(judged("q", purpose, depth).finding, level, "{purpose:?}");
        }
        let shown = judged("events", QueuePurpose::Events, some).what;
        assert_eq!(shown, "events: 3 waiting, the oldest for 7200 s, 1 in work, 0 delayed");
    }
}
