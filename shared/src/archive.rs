//! The archive of events in S3: one object for each batch, because one PUT for each event would cost more than everything
//! else.

use aws_sdk_s3::{Client, error::SdkError, operation::put_object::PutObjectError, primitives::ByteStream};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

#[derive(Debug, Clone)]
pub struct Archive {
    client: Client,
    bucket: String,
}

#[derive(Debug, thiserror::Error)]
#[error("writing to the archive bucket failed")]
pub struct ArchiveError(#[from] Box<SdkError<PutObjectError>>);

impl Archive {
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Writes a batch as JSON lines and gives the object's key. `batch` names it: the same batch, archived again, is the
    /// same object.
    pub async fn append(&self, at: Timestamp, batch: &str, lines: &[&str]) -> Result<String, ArchiveError> {
        let key = key(at, batch);
        self.put(&key, lines).await?;
        Ok(key)
    }

    /// Writes JSON lines as the object of this key.
    pub async fn put(&self, key: &str, lines: &[&str]) -> Result<(), ArchiveError> {
        let mut body = lines.join("\n");
        body.push('\n');
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/x-ndjson")
            .body(ByteStream::from(body.into_bytes()))
            .send()
            .await
            .map_err(Box::new)?;
        Ok(())
    }
}

/// The key of the object that holds a batch.
pub fn key(at: Timestamp, batch: &str) -> String {
    format!("{}{batch}.jsonl", prefix(at.to_zoned(TimeZone::UTC).date()))
}

/// The beginning of the keys of a day (UTC), in the form of partitions that Athena and Glue read.
pub fn prefix(day: Date) -> String {
    format!("events/{}/", day.strftime("year=%Y/month=%m/day=%d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_an_object_begins_with_its_day() {
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        assert_eq!(key(at, "111"), "events/year=2026/month=11/day=20/111.jsonl");
    }
}
