//! `wa evidence`: what a person said about our messages, from the bucket in which no user can change it.
//!
//! A record is sound if its object is locked in compliance mode, has one version and was not hidden by a deletion. A locked version
//! cannot be changed or deleted, but a second one can be written, and a marker of a deletion: both would be seen here.

use aws_sdk_s3::{
    Client,
    types::{DeleteMarkerEntry, ObjectLockMode, ObjectVersion},
};
use domain::evidence::prefix_of;
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    people::PersonAddress,
    session::Session,
};

const LISTING: &str = "listing the evidence bucket";
const READING: &str = "reading the evidence bucket";

#[derive(clap::Args)]
#[command(after_help = "\
Needs the parameter EvidenceRetentionDays. The exit code is 1 if a record is not locked, has a second version or was hidden. Of an
erased person name each number: which numbers were one person is not known any more.

Example:
  wa evidence +14155550123
  wa evidence +14155550123 --output json > evidence.json")]
pub struct EvidenceArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
}

/// A version of a record.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct EvidenceRow {
    at: String,
    what: String,
    of: String,
    by: String,
    locked_until: Option<String>,
    /// What is wrong with it; empty if nothing is.
    problem: &'static str,
    key: String,
    record: Value,
}

/// How an object is locked.
struct Lock {
    mode: Option<ObjectLockMode>,
    until: Option<String>,
}

/// The objects of one identity.
#[derive(Default)]
struct Listing {
    versions: Vec<ObjectVersion>,
    markers: Vec<DeleteMarkerEntry>,
}

pub async fn run(arguments: &EvidenceArguments, session: &Session) -> Result<(), CommandError> {
    let contact = arguments.person.key(&session.account_sid().await?);
    let bucket = session.stack().await?.output("EvidenceBucketName").map_err(|_| {
        CommandError::not_found("the stack has no evidence bucket: its parameter EvidenceRetentionDays is 0")
    })?;
    let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
    let erasure = session.erasure_key().await?;
    let person = session.contacts().await?.person(&contact).await?;
    let mut identities = person.identities();
    if !identities.contains(&contact) {
        identities.push(contact);
    }
    let mut rows = Vec::new();
    for identity in identities.iter().filter(|identity| !identity.is_erased()) {
        let listing = list(&client, bucket, &prefix_of(identity, erasure)).await?;
        for version in &listing.versions {
            let (record, lock) = read(&client, bucket, version).await?;
            rows.push(EvidenceRow::of(version, record, lock, &listing));
        }
    }
    rows.sort_by(|one, other| (&one.at, &one.key).cmp(&(&other.at, &other.key)));
    print(session, &rows)?;
    if rows.is_empty() {
        return Err(CommandError::not_found("there is no evidence of this person"));
    }
    match rows.iter().filter(|row| !row.problem.is_empty()).count() {
        0 => Ok(()),
        problems => Err(CommandError::answer_is_no(format!("{problems} of {} records are not sound", rows.len()))),
    }
}

async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<Listing, CommandError> {
    let mut listing = Listing::default();
    let (mut key, mut version) = (None, None);
    loop {
        let list = client.list_object_versions().bucket(bucket).prefix(prefix);
        let list = list.set_key_marker(key).set_version_id_marker(version);
        let page = list.send().await.map_err(|error| CommandError::of_sdk(LISTING, error))?;
        listing.versions.extend(page.versions.unwrap_or_default());
        listing.markers.extend(page.delete_markers.unwrap_or_default());
        if page.is_truncated != Some(true) {
            return Ok(listing);
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
}

async fn read(client: &Client, bucket: &str, version: &ObjectVersion) -> Result<(Value, Lock), CommandError> {
    let get = client.get_object().bucket(bucket).key(version.key().unwrap_or_default());
    let get = get.set_version_id(version.version_id.clone());
    let object = get.send().await.map_err(|error| CommandError::of_sdk(READING, error))?;
    let lock = Lock {
        mode: object.object_lock_mode,
        until: object.object_lock_retain_until_date.map(|until| until.to_string()),
    };
    let body = object.body.collect().await.map_err(|error| CommandError::no_answer(READING).because(error))?;
    Ok((serde_json::from_slice(&body.into_bytes()).unwrap_or(Value::Null), lock))
}

impl EvidenceRow {
    fn of(version: &ObjectVersion, record: Value, lock: Lock, listing: &Listing) -> Self {
        let key = version.key().unwrap_or_default().to_owned();
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        let what = match text("event_type") {
            "contact_opted_out" => "STOP".to_owned(),
            "contact_opted_in" => "START".to_owned(),
            _ => format!("consent {}", text("state")),
        };
        let scopes = record.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let of: Vec<_> = [text("channel"), text("category")].into_iter().chain(scopes).collect();
        let by = ["message_sid", "recorded_by", "source"].map(text).into_iter().find(|by| !by.is_empty());
        Self {
            at: text("occurred_at").to_owned(),
            of: of.into_iter().filter(|of| !of.is_empty()).collect::<Vec<_>>().join(" "),
            by: by.unwrap_or_default().to_owned(),
            what,
            problem: problem(&key, &record, &lock, listing),
            locked_until: lock.until,
            key,
            record,
        }
    }
}

/// What is wrong with a version.
fn problem(key: &str, record: &Value, lock: &Lock, listing: &Listing) -> &'static str {
    if listing.versions.iter().filter(|version| version.key() == Some(key)).count() > 1 {
        "has a second version"
    } else if listing.markers.iter().any(|marker| marker.key() == Some(key)) {
        "was hidden by a deletion"
    } else if lock.mode != Some(ObjectLockMode::Compliance) {
        "is not locked"
    } else if record.get("person").and_then(Value::as_str) != key.split('/').nth(2) {
        "is of another person"
    } else {
        ""
    }
}

fn print(session: &Session, rows: &[EvidenceRow]) -> Result<(), CommandError> {
    match session.output.format() {
        Format::Json => session.output.json(&rows),
        _ if rows.is_empty() => Ok(()),
        _ => session.output.table(&PropertyTable::new(&["at", "what", "of", "by", "locked_until", "problem"], rows)?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "evidence/AC1/00ff/2026-11-20T09:00:00Z-1.json";

    fn version() -> ObjectVersion {
        ObjectVersion::builder().key(KEY).build()
    }

    fn lock(mode: Option<ObjectLockMode>) -> Lock {
        Lock { mode, until: None }
    }

    fn row(listing: &Listing, mode: Option<ObjectLockMode>, person: &str) -> EvidenceRow {
        let record = json!({"event_type": "contact_opted_out", "channel": "sms", "scopes": ["all"], "person": person});
        EvidenceRow::of(&version(), record, lock(mode), listing)
    }

    #[test]
    fn record_that_was_tampered_with_has_a_problem() {
        let compliance = Some(ObjectLockMode::Compliance);
        let one = || Listing { versions: vec![version()], markers: Vec::new() };
        let two = Listing { versions: vec![version(), version()], ..Listing::default() };
        let hidden = Listing { markers: vec![DeleteMarkerEntry::builder().key(KEY).build()], ..one() };
        let cases = [
            (one(), compliance.clone(), "00ff", ""),
            (two, compliance.clone(), "00ff", "has a second version"),
            (hidden, compliance.clone(), "00ff", "was hidden by a deletion"),
            (one(), Some(ObjectLockMode::Governance), "00ff", "is not locked"),
            (one(), None, "00ff", "is not locked"),
            (one(), compliance, "00fe", "is of another person"),
        ];
        for (listing, mode, person, problem) in cases {
            let row = row(&listing, mode, person);
            assert_eq!((row.problem, row.what.as_str(), row.of.as_str()), (problem, "STOP", "sms all"));
        }
    }
}
