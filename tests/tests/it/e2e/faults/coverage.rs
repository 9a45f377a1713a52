//! Which permission was hit by which kind of fault.

use std::collections::{BTreeMap, BTreeSet};

use tests::harness::faults::{FaultKind, FaultReport, Permission};

use crate::template;

/// Permissions that no request of this test's traffic needs, with the reason.
const NOT_MADE: [(&str, &str, &str); 5] = [
    // Only with `RedactAtTwilio`, and of messages of the day before: e2e::redact.
    ("ReconcileFunctionRole", "dynamodb:Query", "table/NotificationsTable/index/by_message_sid"),
    // S3 answers a request for a missing object with 404 or 403 by it: it is no request.
    ("PresignFunctionRole", "s3:ListBucket", "mediabucket"),
    ("SendFunctionRole", "s3:ListBucket", "mediabucket"),
    // An upload that the deadline of an invocation cuts off: functions/store-media/src/tests.
    ("StoreMediaFunctionRole", "s3:AbortMultipartUpload", "mediabucket/inbound/*"),
    // Lambda itself notes there what the function cannot read of a stream.
    ("ReconcileFunctionRole", "sqs:SendMessage", "UnpublishedQueue"),
];

/// With these, Lambda itself reads queues and streams, and writes logs, on behalf of the function.
fn is_of_lambda(row: &Permission) -> bool {
    let action = row.action.as_str();
    action.starts_with("logs:")
        || ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"].contains(&action)
        || ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
            .contains(&action)
}

/// Whether AWS has such a fault for the permission.
fn fits(kind: FaultKind, row: &Permission) -> bool {
    const WRITES: [&str; 4] =
        ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"];
    match kind {
        FaultKind::Conflict => WRITES.contains(&row.action.as_str()),
        FaultKind::Partial => is_in_batches(row),
        _ => true,
    }
}

/// Whether it is for messages or events that a function sends in batches. What is spooled or set aside is one message.
fn is_in_batches(row: &Permission) -> bool {
    const FUNCTIONS: [&str; 3] = ["PublishFunctionRole", "ReleaseFunctionRole", "SendFunctionRole"];
    let of_messages = row.action == "sqs:SendMessage" && FUNCTIONS.contains(&row.role.as_str());
    row.action == "events:PutEvents" || of_messages && row.resource != "OutboundDeadLetterQueue"
}

/// The rows that a kind did not hit, and the functions that made no request.
pub(super) fn missing(report: &FaultReport, kinds: &[FaultKind]) -> Vec<String> {
    let hit: BTreeSet<_> = report.injected.iter().map(|one| (&one.row, one.kind)).collect();
    let is_of_links = |row: &Permission| report.by_link.contains(row) && !report.used.contains(row);
    let rows = report.granted.iter().filter(|row| !is_of_lambda(row) && !is_excepted(row) && !is_of_links(row));
    let mut missing = Vec::new();
    for row in rows {
        let kinds = kinds.iter().filter(|kind| fits(**kind, row) && !hit.contains(&(row, **kind)));
        missing.extend(kinds.map(|kind| format!("{kind:?} {} {} {}", row.role, row.action, row.resource)));
    }
    let roles: BTreeSet<_> = report.granted.iter().map(|row| row.role.as_str()).collect();
    let functions = template::of_type("AWS::Serverless::Function").into_keys();
    missing.extend(functions.filter(|name| !roles.contains(format!("{name}Role").as_str())));
    missing
}

fn is_excepted(row: &Permission) -> bool {
    NOT_MADE.contains(&(row.role.as_str(), row.action.as_str(), row.resource.as_str()))
}

/// The matrix: the numbers of faults by operation and kind.
pub(super) fn print(report: &FaultReport) {
    let mut counts: BTreeMap<(&str, &str, &str), BTreeMap<FaultKind, u64>> = BTreeMap::new();
    for one in &report.injected {
        let of_row = counts.entry((&one.row.role, &one.row.action, &one.row.resource)).or_default();
        *of_row.entry(one.kind).or_default() += one.calls;
    }
    for ((role, action, resource), kinds) in counts {
        println!("| {role} | {action} | {resource} | {kinds:?} |");
    }
}
