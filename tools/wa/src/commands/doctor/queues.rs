//! A check of the queues: how much waits in them, and for how long.

use std::time::SystemTime;

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures::future::try_join_all;

use crate::{
    copyable::{CopyableCommands, quoted},
    error::CommandError,
    finding::Finding,
    session::Session,
};

pub(super) const CHECK: &str = "queues";

/// The default of the parameter `EventsUnreadSeconds`: after this many seconds an event that is still waiting raises an alarm.
const EVENTS_UNREAD_SECONDS: f64 = 3600.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueuePurpose {
    /// What is due: notifications, and files of people.
    Outbound,
    /// Other systems receive events from here.
    Events,
    /// Notifications that were given up.
    OutboundDeadLetters,
    /// Events that their consumer could not process.
    EventsDeadLetters,
    /// Events that could not be published.
    Unpublished,
    /// Files of people that were not stored.
    MediaDeadLetters,
    /// Webhooks that DynamoDB did not store in time.
    Spool,
    /// Webhooks that were not applied.
    SpoolDeadLetters,
}

/// The outputs of the template, with the names under which the queues are reported.
const QUEUES: [(&str, &str, QueuePurpose); 11] = [
    ("UrgentQueueUrl", "urgent", QueuePurpose::Outbound),
    ("OutboundQueueUrl", "outbound", QueuePurpose::Outbound),
    ("MarketingQueueUrl", "marketing", QueuePurpose::Outbound),
    ("EventsQueueUrl", "events", QueuePurpose::Events),
    ("OutboundDeadLetterQueueUrl", "outbound dead letters", QueuePurpose::OutboundDeadLetters),
    ("EventsDeadLetterQueueUrl", "events dead letters", QueuePurpose::EventsDeadLetters),
    ("UnpublishedQueueUrl", "unpublished", QueuePurpose::Unpublished),
    ("MediaQueueUrl", "media", QueuePurpose::Outbound),
    ("MediaDeadLetterQueueUrl", "media dead letters", QueuePurpose::MediaDeadLetters),
    ("SpoolQueueUrl", "spool", QueuePurpose::Spool),
    ("SpoolDeadLetterQueueUrl", "spool dead letters", QueuePurpose::SpoolDeadLetters),
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
    let commands = &session.copyable();
    let unread = stack.parameter("EventsUnreadSeconds").and_then(|seconds| seconds.parse().ok());
    let unread = unread.unwrap_or(EVENTS_UNREAD_SECONDS);
    let checks = QUEUES.iter().filter_map(|(output, name, purpose)| {
        let url = stack.output(output).ok()?;
        Some(async move {
            let (depth, arn) = depth(session, url).await?;
            Ok::<_, CommandError>(queue_finding(name, *purpose, depth, unread, &arn, commands))
        })
    });
    try_join_all(checks).await
}

/// How much is in a queue, and the queue's ARN.
async fn depth(session: &Session, url: &str) -> Result<(QueueDepth, String), CommandError> {
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let [waiting, in_flight, delayed] = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessagesDelayed,
    ];
    let names = vec![waiting.clone(), in_flight.clone(), delayed.clone(), Attribute::QueueArn];
    let call = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names));
    let answer =
        call.send().await.map_err(|error| CommandError::of_sdk(&format!("looking at the queue {url}"), error))?;
    let mut found = answer.attributes.unwrap_or_default();
    let arn = found.remove(&Attribute::QueueArn).unwrap_or_default();
    let number = |name| found.get(&name).and_then(|text: &String| text.parse().ok()).unwrap_or_default();
    let oldest = oldest(session, url).await;
    Ok((QueueDepth { waiting: number(waiting), in_flight: number(in_flight), delayed: number(delayed), oldest }, arn))
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

fn queue_finding(
    name: &str,
    purpose: QueuePurpose,
    depth: QueueDepth,
    unread: f64,
    arn: &str,
    commands: &CopyableCommands,
) -> Finding {
    let QueueDepth { waiting, in_flight, delayed, oldest } = depth;
    let age = oldest.map(|seconds| format!(", the oldest for {seconds:.0} s")).unwrap_or_default();
    let what = format!("{name}: {waiting} waiting{age}, {in_flight} in work, {delayed} delayed");
    let is_empty = waiting + in_flight + delayed == 0;
    match purpose {
        QueuePurpose::OutboundDeadLetters
        | QueuePurpose::EventsDeadLetters
        | QueuePurpose::Unpublished
        | QueuePurpose::MediaDeadLetters
        | QueuePurpose::Spool
        | QueuePurpose::SpoolDeadLetters
            if is_empty =>
        {
            Finding::ok(CHECK, format!("{name}: empty"))
        }
        QueuePurpose::OutboundDeadLetters => {
            let (list, retry) = (commands.wa("dlq list"), commands.wa("dlq retry --reason TEXT"));
            let drop = commands.wa("dlq drop ID");
            let fix = format!(
                "each has its reason in `{list}`: correct that, then put them back with `{retry}`, or delete them with `{drop}`"
            );
            Finding::wrong(CHECK, what, fix, list)
        }
        QueuePurpose::EventsDeadLetters => {
            let fix = "fix the events queue's consumer, then move the events back to the events queue";
            let back = format!("sqs start-message-move-task --source-arn {}", quoted(arn));
            Finding::wrong(CHECK, what, fix, commands.aws(&back))
        }
        QueuePurpose::MediaDeadLetters => {
            let fix = "the log of store-media says why files were not stored: correct that, then move them back to the media queue";
            let back = format!("sqs start-message-move-task --source-arn {}", quoted(arn));
            Finding::wrong(CHECK, what, fix, commands.aws(&back))
        }
        QueuePurpose::Spool => Finding::warning(
            CHECK,
            what,
            "DynamoDB did not store webhooks in time: they are stored as soon as it does. The log of apply-webhooks says what fails",
            commands.aws("cloudwatch describe-alarms --state-value ALARM"),
        ),
        QueuePurpose::SpoolDeadLetters => {
            let (list, retry) = (commands.wa("dlq list --queue spool"), commands.wa("dlq retry --queue spool --all"));
            let fix = format!("each has its reason in `{list}`: correct that, then store them with `{retry}`");
            Finding::wrong(CHECK, what, fix, list)
        }
        QueuePurpose::Unpublished => {
            let (list, retry) =
                (commands.wa("dlq list --queue unpublished"), commands.wa("dlq retry --queue unpublished --all"));
            let fix = format!("each has its reason in `{list}`: correct that, then publish them with `{retry}`");
            Finding::wrong(CHECK, what, fix, list)
        }
        QueuePurpose::Events if waiting > 0 && oldest.is_some_and(|oldest| oldest > unread) => Finding::warning(
            CHECK,
            what,
            "the events queue has no consumer that keeps up: start it; events are kept for 14 days. If no system needs the \
             events, set EventsUnreadSeconds to 1209600",
            commands.wa("events tail --since 1h"),
        ),
        QueuePurpose::Events | QueuePurpose::Outbound => Finding::ok(CHECK, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    const ARN: &str = "arn:aws:sqs:us-east-1:111111111111:whatsapp-dead.fifo";

    #[test]
    fn a_dead_letter_is_wrong_and_an_unread_event_a_warning() {
        let some = QueueDepth { waiting: 3, in_flight: 1, delayed: 0, oldest: Some(7200.0) };
        for (purpose, depth, level) in [
            (QueuePurpose::OutboundDeadLetters, QueueDepth::default(), Level::Ok),
            (QueuePurpose::OutboundDeadLetters, some, Level::Wrong),
            (QueuePurpose::Outbound, some, Level::Ok),
            (QueuePurpose::Spool, QueueDepth::default(), Level::Ok),
            (QueuePurpose::Spool, some, Level::Warning),
            (QueuePurpose::SpoolDeadLetters, some, Level::Wrong),
            (QueuePurpose::Events, some, Level::Warning),
            (QueuePurpose::Events, QueueDepth { oldest: None, ..some }, Level::Ok),
            (QueuePurpose::Events, QueueDepth { oldest: Some(3_600.0), ..some }, Level::Ok),
        ] {
            assert_eq!(
                queue_finding("q", purpose, depth, EVENTS_UNREAD_SECONDS, ARN, &CopyableCommands::of_test()).finding,
                level,
                "{purpose:?}"
            );
        }
        let shown = queue_finding(
            "events",
            QueuePurpose::Events,
            some,
            EVENTS_UNREAD_SECONDS,
            ARN,
            &CopyableCommands::of_test(),
        )
        .what;
        assert_eq!(shown, "events: 3 waiting, the oldest for 7200 s, 1 in work, 0 delayed");
        let of_no_system =
            queue_finding("events", QueuePurpose::Events, some, 1_209_600.0, ARN, &CopyableCommands::of_test());
        assert_eq!(of_no_system.finding, Level::Ok, "the stack has no alarm for it either");
    }

    #[test]
    fn a_fix_is_a_command_for_this_stack() {
        let some = QueueDepth { waiting: 1, ..QueueDepth::default() };
        let commands = CopyableCommands { stack: "whatsapp-staging".to_owned(), ..CopyableCommands::of_test() };
        let found = |purpose| queue_finding("q", purpose, some, EVENTS_UNREAD_SECONDS, ARN, &commands);
        for purpose in [QueuePurpose::OutboundDeadLetters, QueuePurpose::Unpublished, QueuePurpose::SpoolDeadLetters] {
            let found = found(purpose);
            let (fix, command) = (found.fix.unwrap_or_default(), found.command.unwrap_or_default());
            assert!(fix.contains("`wa --stack whatsapp-staging dlq list") && !fix.contains('{'), "{fix}");
            assert!(command.starts_with("wa --stack whatsapp-staging dlq list"), "{command}");
        }
        for purpose in [QueuePurpose::EventsDeadLetters, QueuePurpose::MediaDeadLetters] {
            let command = found(purpose).command.unwrap();
            assert_eq!(command, format!("aws sqs start-message-move-task --source-arn {ARN}"));
        }
    }
}
