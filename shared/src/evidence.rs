//! The evidence bucket: an object for each consent, STOP and START, which no user can change or delete before its time (S3 Object Lock).
//!
//! An object is written once. The bucket keeps versions, as Object Lock needs, so a second write would succeed as a second version: the
//! condition refuses it, and a record that comes again is there already.

use aws_sdk_s3::{
    Client, error::SdkError, operation::put_object::PutObjectError, primitives::ByteStream, types::ChecksumAlgorithm,
};
use domain::evidence::EvidenceRecord;

/// How often a write is tried that met another one of the same object.
const ROUNDS: usize = 3;

#[derive(Debug, Clone)]
pub struct EvidenceBucket {
    client: Client,
    bucket: String,
}

#[derive(Debug, thiserror::Error)]
#[error("writing to the evidence bucket failed")]
pub struct EvidenceError(#[from] Box<SdkError<PutObjectError>>);

impl EvidenceBucket {
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Stores a record, unless it is stored.
    pub async fn put(&self, record: &EvidenceRecord) -> Result<(), EvidenceError> {
        let mut rounds = 1;
        loop {
            let answer = self.put_once(record).await;
            let status = answer.as_ref().err().and_then(|error| error.raw_response()).map(|raw| raw.status().as_u16());
            match (answer, status) {
                // Amazon S3, "How to prevent object overwrites with conditional writes": the object exists.
                (_, Some(412)) => return Ok(()),
                // The same page: another request is writing it, and may fail.
                (Err(_), Some(409)) if rounds < ROUNDS => rounds += 1,
                (answer, _) => return Ok(answer.map_err(Box::new)?),
            }
        }
    }

    async fn put_once(&self, record: &EvidenceRecord) -> Result<(), SdkError<PutObjectError>> {
        let put = self.client.put_object().bucket(&self.bucket).key(&record.key).if_none_match("*");
        // Amazon S3 API Reference, "PutObject": a checksum is required for an object with a retention period.
        let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256).content_type("application/json");
        put.body(ByteStream::from(record.record.to_string().into_bytes())).send().await?;
        Ok(())
    }
}
