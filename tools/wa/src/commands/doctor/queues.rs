//! A check of the queues: how much waits in them, and for how long.

use std::time::SystemTime;

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures::future::try_join_all;

use crate::{error::CommandError, finding::Finding, session::Session};

pub(super) const CHECK: &str = "queues";

/// After this many seconds an event that is still waiting has no consumer.
const UNREAD: f64 = 3600.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueuePurpose {
    /// Notifications that are due.
    Outbound,
    /// Other systems receive events from here.
    Events,
    /// Messages that were given up, with what the operator should do about them, in which `{stack}` stands for the stack's name.
    DeadLetters(&'static str),
}

/// The outputs of the template, with the names under which the queues are reported.
const QUEUES: [(&str, &str, QueuePurpose); 7] = [
    ("UrgentQueueUrl", "urgent", QueuePurpose::Outbound),
    ("OutboundQueueUrl", "outbound", QueuePurpose::Outbound),
    ("MarketingQueueUrl", "marketing", QueuePurpose::Outbound),
    ("EventsQueueUrl", "events", QueuePurpose::Events),
    (
        "OutboundDeadLetterQueueUrl",
        "outbound dead letters",
        QueuePurpose::DeadLetters(
            "each has its reason in `wa --stack {stack} dlq list`: correct that, then put them back with \
             `wa --stack {stack} dlq retry --reason TEXT`, or delete them with `wa --stack {stack} dlq drop ID`",
        ),
    ),
    (
        "EventsDeadLetterQueueUrl",
        "events dead letters",
        QueuePurpose::DeadLetters(
            "fix the events queue's consumer, then put them back with `aws sqs start-message-move-task`",
        ),
    ),
    (
        "UnpublishedQueueUrl",
        "unpublished",
        QueuePurpose::DeadLetters(
            "each has its reason in `wa --stack {stack} dlq list --queue unpublished`: correct that, then publish them with \
             `wa --stack {stack} dlq retry --queue unpublished --all`",
        ),
    ),
];

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct QueueDepth {
    waiting: u64,
    in_flight: u64,
    delayed: u64,
    /// The age of the oldest message in seconds, if `CloudWatch` knows it.
    oldest: Option<f64>,
}

/// Checks each queue of the stack.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let checks =
        QUEUES.iter().filter_map(|(output, name, purpose)| {
            let url = stack.output(output).ok()?;
            Some(async move {
                Ok::<_, CommandError>(queue_finding(name, *purpose, depth(session, url).await?, &stack.name))
            })
        });
    try_join_all(checks).await
}

async fn depth(session: &Session, url: &str) -> Result<QueueDepth, CommandError> {
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let [waiting, in_flight, delayed] = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessagesDelayed,
    ];
    let names = [waiting.clone(), in_flight.clone(), delayed.clone()];
    let call = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer =
        call.send().await.map_err(|error| CommandError::of_sdk(&format!("looking at the queue {url}"), error))?;
    let found = answer.attributes.unwrap_or_default();
    let number = |name| found.get(&name).and_then(|text: &String| text.parse().ok()).unwrap_or_default();
    let oldest = oldest(session, url).await;
    Ok(QueueDepth { waiting: number(waiting), in_flight: number(in_flight), delayed: number(delayed), oldest })
}

/// The age of the oldest message in the last ten minutes of `CloudWatch`: SQS itself does not report it.
async fn oldest(session: &Session, url: &str) -> Option<f64> {
    let client = aws_sdk_cloudwatch::Client::new(session.aws().await.ok()?);
    let now = SystemTime::now();
    let name = Dimension::builder().name("QueueName").value(url.rsplit('/').next()?).build();
    let call = client
        .get_metric_statistics()
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(name)
        .start_time(DateTime::from(now - std::time::Duration::from_mins(10)))
        .end_time(DateTime::from(now))
        .period(60)
        .statistics(Statistic::Maximum);
    let answer = call.send().await.ok()?;
    let newest = answer.datapoints().iter().max_by_key(|point| point.timestamp().map(DateTime::secs));
    newest.and_then(aws_sdk_cloudwatch::types::Datapoint::maximum)
}

fn queue_finding(name: &str, purpose: QueuePurpose, depth: QueueDepth, stack: &str) -> Finding {
    let QueueDepth { waiting, in_flight, delayed, oldest } = depth;
    let age = oldest.map(|seconds| format!(", the oldest for {seconds:.0} s")).unwrap_or_default();
    let what = format!("{name}: {waiting} waiting{age}, {in_flight} in work, {delayed} delayed");
    match purpose {
        QueuePurpose::DeadLetters(_) if waiting + in_flight + delayed == 0 => {
            Finding::ok(CHECK, format!("{name}: empty"))
        }
        QueuePurpose::DeadLetters(fix) => Finding::wrong(CHECK, what, fix.replace("{stack}", stack)),
        QueuePurpose::Events if waiting > 0 && oldest.is_some_and(|oldest| oldest > UNREAD) => Finding::warning(
            CHECK,
            what,
            "the events queue has no consumer that keeps up: start it; events are kept for 14 days",
        ),
        QueuePurpose::Events | QueuePurpose::Outbound => Finding::ok(CHECK, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn a_dead_letter_is_wrong_and_an_unread_event_a_warning() {
        let some = QueueDepth { waiting: 3, in_flight: 1, delayed: 0, oldest: Some(7200.0) };
        for (purpose, depth, level) in [
            (QueuePurpose::DeadLetters("x"), QueueDepth::default(), Level::Ok),
            (QueuePurpose::DeadLetters("x"), some, Level::Wrong),
            (QueuePurpose::Outbound, some, Level::Ok),
            (QueuePurpose::Events, some, Level::Warning),
            (QueuePurpose::Events, QueueDepth { oldest: None, ..some }, Level::Ok),
        ] {
            assert_eq!(queue_finding("q", purpose, depth, "whatsapp").finding, level, "{purpose:?}");
        }
        let shown = queue_finding("events", QueuePurpose::Events, some, "whatsapp").what;
        assert_eq!(shown, "events: 3 waiting, the oldest for 7200 s, 1 in work, 0 delayed");
    }

    #[test]
    fn a_fix_is_a_command_for_this_stack() {
        let some = QueueDepth { waiting: 1, ..QueueDepth::default() };
        for (_, name, purpose) in
            QUEUES.iter().filter(|(_, name, _)| matches!(*name, "outbound dead letters" | "unpublished"))
        {
            let found = queue_finding(name, *purpose, some, "whatsapp-staging");
            let fix = found.fix.unwrap_or_default();
            assert!(fix.contains("`wa --stack whatsapp-staging dlq list") && !fix.contains('{'), "{fix}");
        }
    }
}
