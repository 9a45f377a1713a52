//! How long things are kept: the template and the code, as docs/operate.md says it.

use domain::limits::{CONTACT_RETENTION, MEDIA_RETENTION, NOTIFICATION_RETENTION, QUEUE_RETENTION, Retention};
use jiff::SignedDuration;

use super::{file, of_type, resources};

/// The rows of the table, by their first cell.
fn rows() -> Vec<[String; 3]> {
    let document = file("docs/operate.md");
    let (_, table) = document.split_once("\n| what | where | how long |\n").unwrap();
    let lines = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells =
        lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.map(|cells| cells.try_into().unwrap()).collect()
}

fn how_long(what: &str) -> String {
    let rows = rows();
    let row = rows.iter().find(|row| row[0].starts_with(what)).unwrap_or_else(|| panic!("no row {what}"));
    row[2].clone()
}

fn days(retention: SignedDuration) -> String {
    format!("{} days", retention.as_hours() / 24)
}

#[test]
fn documented_days_are_those_of_the_code() {
    for (what, retention) in [
        ("Notifications that wait", NOTIFICATION_RETENTION),
        ("Notifications that ended", NOTIFICATION_RETENTION),
        ("Delivered notifications", NOTIFICATION_RETENTION),
        ("Service windows", CONTACT_RETENTION),
        ("Uploaded files", MEDIA_RETENTION),
        ("Files of people", MEDIA_RETENTION),
        ("Events, notifications and dead letters", QUEUE_RETENTION),
    ] {
        assert!(how_long(what).contains(&days(retention)), "{what}: {}", how_long(what));
    }
}

#[test]
fn documented_parameters_of_retention_have_their_defaults() {
    let template = file("template.yaml");
    let default = |parameter: &str| {
        let (_, rest) = template.split_once(&format!("\n  {parameter}:\n")).unwrap();
        rest.lines().find_map(|line| line.strip_prefix("    Default: ")).unwrap().to_owned()
    };
    assert_eq!(default("MessageRetentionDays").parse::<Retention>().unwrap(), Retention::default());
    for [what, _, how_long] in rows() {
        for parameter in ["MessageRetentionDays", "LogRetentionDays"] {
            let Some((_, rest)) = how_long.split_once(&format!("`{parameter}` (")) else { continue };
            assert_eq!(rest.split(')').next().unwrap(), default(parameter), "{what}");
        }
    }
}

#[test]
fn every_table_that_can_be_restored_is_documented() {
    let tables = of_type("AWS::DynamoDB::Table").into_iter();
    let restorable = tables.filter(|(_, table)| table.contains("PointInTimeRecoveryEnabled: true"));
    let row = rows().into_iter().find(|row| row[0].starts_with("Earlier states")).unwrap();
    for (table, _) in restorable {
        assert!(row[0].contains(table.trim_end_matches("Table")), "{table}: {}", row[0]);
    }
}

#[test]
fn archive_forgets_when_the_messages_do_by_default() {
    let bucket = &resources()["ArchiveBucket"];
    let expected =
        "ExpirationInDays: !If [ArchivesAsLongAsMessages, !Ref MessageRetentionDays, !Ref ArchiveRetentionDays]";
    assert!(bucket.contains(expected), "{bucket}");
    // Another storage class is charged for months, and S3 refuses one that begins after the expiration.
    assert!(!bucket.contains("Transition"), "{bucket}");
    let template = file("template.yaml");
    assert!(template.contains("ArchivesAsLongAsMessages: !Equals [!Ref ArchiveRetentionDays, 0]"));
}

#[test]
fn no_bucket_keeps_what_was_deleted() {
    for (name, bucket) in of_type("AWS::S3::Bucket").into_iter().filter(|(name, _)| name != "EvidenceBucket") {
        assert!(!bucket.contains("VersioningConfiguration"), "{name}: an erased file would stay as an old version");
    }
}

/// Its records name no one (`domain::evidence`), so that they may stay after an erasure.
#[test]
fn evidence_is_locked_and_forgotten_after_its_days() {
    let bucket = &resources()["EvidenceBucket"];
    for expected in [
        "Rule: { DefaultRetention: { Mode: COMPLIANCE, Days: !Ref EvidenceRetentionDays } }",
        "ExpirationInDays: !Ref EvidenceRetentionDays",
        "NoncurrentVersionExpiration: { NoncurrentDays: 1 }",
    ] {
        assert!(bucket.contains(expected), "{bucket}");
    }
}
