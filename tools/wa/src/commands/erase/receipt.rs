//! What an erasure did, and what remains until when, without personal data: a regulator and the person may read it.

use domain::contact_key::ContactKey;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;
use twilio_types::sid::AccountSid;

use crate::{error::CommandError, session::Session};

/// A part of an erasure.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::commands) struct Step {
    pub(super) what: &'static str,
    /// How many were deleted; in a dry run, how many would be.
    pub(super) done: usize,
    /// How many could not be deleted yet.
    pub(super) left: usize,
    /// When the last trace expires.
    #[serde(skip)]
    pub(super) until: Option<Timestamp>,
    pub(super) note: Option<&'static str>,
}

impl Step {
    fn of(what: &'static str, note: Option<&'static str>) -> Self {
        Self { what, note, ..Self::default() }
    }

    pub(super) fn at_twilio(is_kept: bool) -> Self {
        let note = if is_kept { "kept by --keep-at-twilio" } else { "what is still being sent is left" };
        Self::of("messages at Twilio", Some(note))
    }

    pub(super) fn files() -> Self {
        Self::of("files", Some("an upload whose notification is not stored any more expires after 50 days"))
    }

    pub(super) fn messages() -> Self {
        Self::of("messages and statuses", Some("markers without content remain, so that no message is stored again"))
    }

    pub(super) fn notifications() -> Self {
        Self::of("notifications", None)
    }

    pub(super) fn letters() -> Self {
        Self::of("dead letters", None)
    }

    pub(super) fn contact() -> Self {
        Self::of("contact, consents and history", None)
    }

    /// This number more were deleted.
    pub(super) fn done(mut self, done: usize) -> Self {
        self.done += done;
        self
    }

    /// This number would be.
    pub(super) fn counted(self, found: usize) -> Self {
        self.done(found)
    }

    pub(super) fn is_left(&self) -> bool {
        self.left > 0
    }
}

/// What no erasure reaches, and when it is gone by itself.
#[derive(Debug, Serialize)]
struct Remainder {
    what: &'static str,
    until: Option<String>,
    note: &'static str,
}

/// The receipt.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    format: u32,
    stack: String,
    account_sid: AccountSid,
    /// The hash under which the person is suppressed.
    person: String,
    dry_run: bool,
    began_at: Timestamp,
    ended_at: Timestamp,
    complete: bool,
    steps: Vec<Step>,
    remains: Vec<Remainder>,
}

/// A line of the table.
#[derive(Serialize)]
pub(super) struct ReceiptRow {
    what: &'static str,
    done: Option<usize>,
    left: Option<usize>,
    until: Option<String>,
    note: Option<&'static str>,
}

impl Receipt {
    pub(super) async fn new(
        session: &Session,
        contact: &ContactKey,
        dry_run: bool,
        began_at: Timestamp,
        steps: Vec<Step>,
    ) -> Result<Self, CommandError> {
        let stack = session.stack().await?;
        let ended_at = Timestamp::now();
        let days =
            |parameter: &str| stack.parameter(parameter).and_then(|days| days.parse().ok()).filter(|days| *days > 0);
        let archive_days = days("ArchiveRetentionDays").or_else(|| days("MessageRetentionDays")).unwrap_or(30);
        let markers = steps.iter().filter_map(|step| step.until).max();
        Ok(Self {
            format: 1,
            stack: stack.name.clone(),
            account_sid: session.account_sid().await?,
            person: session.erasure_key().await?.hash(contact),
            dry_run,
            began_at,
            ended_at,
            complete: !steps.iter().any(Step::is_left),
            steps,
            remains: remains(ended_at, archive_days, markers),
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn rows(&self) -> Vec<ReceiptRow> {
        let steps = self.steps.iter().map(|step| ReceiptRow {
            what: step.what,
            done: Some(step.done),
            left: Some(step.left),
            until: None,
            note: step.note,
        });
        let remains = self.remains.iter().map(|rest| ReceiptRow {
            what: rest.what,
            done: None,
            left: None,
            until: rest.until.clone(),
            note: Some(rest.note),
        });
        steps.chain(remains).collect()
    }
}

/// For so long a table can be restored to an earlier state. Source: Amazon DynamoDB, "Point-in-time recovery".
const BACKUP_DAYS: i64 = 35;
/// The maximum time that a queue keeps a message. Source: Amazon SQS, "Message quotas".
const QUEUE_DAYS: i64 = 14;
/// S3 counts the days of an object from the next midnight (UTC), and removes it some time later. Source: Amazon S3, "Expiring
/// objects", and "Setting lifecycle configuration on a bucket".
const EXPIRATION_DAYS: i64 = 2;

fn remains(now: Timestamp, archive_days: i64, markers: Option<Timestamp>) -> Vec<Remainder> {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date().to_string();
    let after =
        |days: i64| Some(day(now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)));
    vec![
        Remainder {
            what: "archive of events",
            until: after(archive_days + EXPIRATION_DAYS),
            note: "an object has the events of many people, and expires as a whole",
        },
        Remainder {
            what: "markers of messages",
            until: markers.map(day),
            note: "the SID alone; the message does not exist at Twilio any more",
        },
        Remainder {
            what: "unread events",
            until: after(QUEUE_DAYS),
            note: "on the events queue, for your systems: erase there what they stored",
        },
        Remainder {
            what: "backups of tables",
            until: after(BACKUP_DAYS),
            note: "point-in-time recovery; erase again after a restore",
        },
        Remainder { what: "one-time passwords", until: after(1), note: "without code and number" },
        Remainder {
            what: "suppression",
            until: None,
            note: "a keyed hash of each identity, so that no message is sent",
        },
        Remainder { what: "e-mails", until: None, note: "SendGrid's own records are deleted at SendGrid" },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipt_names_the_day_on_which_the_archive_has_forgotten() {
        let now = "2026-11-20T23:00:00Z".parse().unwrap();
        let markers = "2026-12-01T00:00:00Z".parse().ok();
        let remains = remains(now, 30, markers);
        let until = |what: &str| remains.iter().find(|rest| rest.what == what).unwrap().until.clone();
        assert_eq!(until("archive of events").as_deref(), Some("2026-12-22"));
        assert_eq!(until("markers of messages").as_deref(), Some("2026-12-01"));
        assert_eq!(until("backups of tables").as_deref(), Some("2026-12-25"));
        assert_eq!(until("suppression"), None);
    }

    #[test]
    fn step_with_something_left_is_not_complete() {
        assert!(!Step::files().done(3).is_left());
        assert!(Step { left: 1, ..Step::notifications() }.is_left());
    }
}
