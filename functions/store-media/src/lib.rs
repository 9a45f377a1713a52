//! The files of people's messages: fetched from Twilio, and written into the media bucket.
//!
//! `publish` puts each file of a message on the media queue. For each of them the function
//!
//! 1. reads the message and what became of the file ([`stores::messages`]),
//! 2. fetches the file, with the account's credentials from Twilio alone ([`fetch`], [`origins`], [`public_address`]),
//! 3. writes it into the bucket while it arrives ([`parts`], [`uploads`]),
//! 4. records what became of it: an item beside the message, of which `publish` makes an event,
//! 5. deletes the file at Twilio, if the settings say so.
//!
//! Whatever stops in between is repeated when SQS delivers the message again: the same file is written under the same key, the
//! item is written once, and a deletion of what is deleted changes nothing. A file that can never be stored is recorded with the
//! reason ([`job`]), and its message leaves the queue.
//!
//! Environment: `MESSAGES_TABLE`, `MEDIA_BUCKET`, `TWILIO_SECRET_ID`, and optionally `SECRET_MAX_AGE_SECONDS` (300),
//! `TWILIO_API_BASE_URL` (Twilio's), `TENANTS_TABLE`, and for the accounts that its document does not name
//! `DELETE_MEDIA_AT_TWILIO` (`false`).

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{media::MediaKey, trace_id::TraceId};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    deadline::Deadline, log::traced, queues::MediaReference, report::Chain, tenants::TenantCache,
    twilio::TwilioAccounts,
};
use stores::messages::{MediaLookup, MediaOutcome, MediaRecord, Messages, StoredMedia, StoredMessage};
use tracing::Instrument as _;
use twilio_types::sid::MediaSid;
use twilio_webhook::{
    form::Form,
    inbound_message::{InboundMessage, ReceivedMedia},
    signature::TrustedForm,
};

mod cards;
mod config;
mod error;
mod fetch;
mod job;
mod origins;
mod parts;
mod public_address;
mod uploads;

use error::StoreMediaError;
use fetch::{MediaFetcher, next_bytes};
use job::MediaJob;
use parts::FileParts;
use uploads::{MediaUploads, UploadedMedia};

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Then no more of the file is read.
const READ_RESERVE: Duration = Duration::from_secs(20);

/// Until then what was read is written, or an upload is abandoned. After it there is time to record the file, and for the deletion at
/// Twilio.
const RESERVE: Duration = Duration::from_secs(15);

/// Then a line in the log says what was not done.
const LOG_RESERVE: Duration = Duration::from_secs(1);

/// The function.
#[derive(Debug)]
pub struct StoreMediaFunction {
    messages: Messages,
    fetcher: MediaFetcher,
    uploads: MediaUploads,
    twilio: TwilioAccounts,
    tenants: TenantCache,
}

/// A file of a stored message.
struct InboundFile<'a> {
    reference: &'a MediaReference,
    message: InboundMessage,
    stored: StoredMessage,
    media: ReceivedMedia,
}

impl StoreMediaFunction {
    /// Works on a batch, one file after the other, so that one alone is in memory. Only what is tried again is reported as failed.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let end = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(LOG_RESERVE);
        let mut response = SqsBatchResponse::default();
        for message in &event.payload.records {
            if !self.is_done(message, end).await {
                response.add_failure(message.message_id.as_deref().unwrap_or_default());
            }
        }
        Ok(response)
    }

    async fn is_done(&self, message: &SqsMessage, end: Deadline) -> bool {
        let job = match MediaJob::read(message, Timestamp::now()) {
            Ok(job) => job,
            Err(error) => {
                // A later release may have written it, and may be deployed again.
                let error = Chain(&error).to_string();
                tracing::error!(error, alarm = "media", "a message of the media queue cannot be read: it stays there");
                return false;
            }
        };
        let MediaReference { account_sid, message_sid, .. } = &job.reference;
        let span = traced(&TraceId::of_message(account_sid, message_sid));
        self.is_stored(&job, end).instrument(span).await
    }

    async fn is_stored(&self, job: &MediaJob, end: Deadline) -> bool {
        let MediaReference { message_sid, index, .. } = &job.reference;
        let done = match end.run(self.store(job, end)).await {
            Ok(done) => done,
            Err(exceeded) => Err(exceeded.into()),
        };
        if let Err(error) = &done {
            let (error, receives, alarm) = (Chain(error).to_string(), job.receives, job.alarm());
            tracing::error!(%message_sid, index, error, receives, alarm, "a file was not stored, and is tried again");
        }
        done.is_ok()
    }

    async fn store(&self, job: &MediaJob, end: Deadline) -> Result<(), StoreMediaError> {
        let MediaReference { account_sid, message_sid, index } = &job.reference;
        let MediaLookup { message, media } = self.messages.media(account_sid, message_sid, *index).await?;
        let Some(file) = message.and_then(|stored| InboundFile::of(&job.reference, stored)) else {
            tracing::warn!(%message_sid, index, "the message of a file has expired, or has no such file");
            return Ok(());
        };
        let media = match media {
            // Another delivery stored it, and may have stopped before the deletion at Twilio.
            Some(media) => media,
            None => self.record(job, &file, end).await?,
        };
        let settings = self.tenants.of(account_sid).await.media;
        if settings.delete_at_twilio && matches!(media.outcome, MediaOutcome::Stored { .. }) {
            self.delete_at_twilio(&file, end).await?;
        }
        Ok(())
    }

    /// Stores the file, or gives it up, and records what became of it.
    async fn record(
        &self,
        job: &MediaJob,
        file: &InboundFile<'_>,
        end: Deadline,
    ) -> Result<StoredMedia, StoreMediaError> {
        let MediaReference { message_sid, index, .. } = &job.reference;
        let copied = match end.before(RESERVE).run(self.copy(file, end.before(READ_RESERVE))).await {
            Ok(copied) => copied,
            Err(exceeded) => Err(exceeded.into()),
        };
        let outcome = match copied {
            Ok((key, UploadedMedia { content_type, bytes, sha256, contacts })) => {
                tracing::info!(%message_sid, index, bytes, content_type, "a file is stored");
                MediaOutcome::Stored { key, content_type, bytes, sha256, contacts }
            }
            Err(error) => {
                let Some(reason) = job.failure(error.obstacle()) else { return Err(error) };
                let (detail, content_type) = (Chain(&error).to_string(), error.found_type().map(str::to_owned));
                tracing::warn!(%message_sid, index, %reason, detail, "a file cannot be stored");
                MediaOutcome::Failed { reason, detail, content_type }
            }
        };
        let media = StoredMedia::new(&file.message, &file.stored, *index, outcome, Timestamp::now());
        Ok(match self.messages.record_media(&media).await? {
            MediaRecord::First => media,
            // What another delivery recorded is what the event says.
            MediaRecord::Duplicate(recorded) => *recorded,
        })
    }

    /// Copies the file into the bucket. After the deadline nothing more of it is read.
    async fn copy(
        &self,
        file: &InboundFile<'_>,
        deadline: Deadline,
    ) -> Result<(MediaKey, UploadedMedia), StoreMediaError> {
        let MediaReference { account_sid, message_sid, index } = file.reference;
        let mut answer = self.fetcher.fetch(&self.twilio, account_sid, &file.media.url, deadline).await?;
        let key = MediaKey::of_inbound(account_sid, message_sid, *index);
        let parts = FileParts::new(answer.content_length(), async || next_bytes(&mut answer, deadline).await);
        let uploaded = self.uploads.write(&key, file.media.content_type.as_deref(), parts).await?;
        Ok((key, uploaded))
    }

    async fn delete_at_twilio(&self, file: &InboundFile<'_>, deadline: Deadline) -> Result<(), StoreMediaError> {
        let MediaReference { account_sid, message_sid, index } = file.reference;
        let Some(media_sid) = file.media_sid() else {
            tracing::warn!(%message_sid, index, "the URL of a file names no media, so that it is not deleted at Twilio");
            return Ok(());
        };
        let delete = self
            .twilio
            .call(account_sid, deadline, async |account| account.delete_media(message_sid, &media_sid).await);
        delete.await.map_err(StoreMediaError::Delete)
    }
}

impl<'a> InboundFile<'a> {
    /// None where the message has no such file.
    fn of(reference: &'a MediaReference, stored: StoredMessage) -> Option<Self> {
        let form = Form::from(stored.raw.clone());
        let message = InboundMessage::parse(TrustedForm::Stored(&form)).ok()?;
        let index = usize::try_from(reference.index).ok()?;
        let media = message.media.get(index).cloned()?;
        Some(Self { reference, message, stored, media })
    }

    /// Its SID, if its URL is that of a media resource of its message.
    fn media_sid(&self) -> Option<MediaSid> {
        let MediaReference { account_sid, message_sid, .. } = self.reference;
        let path = format!("/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}/Media/");
        let url = url::Url::parse(&self.media.url).ok()?;
        url.path().strip_prefix(&path)?.parse().ok()
    }
}

#[cfg(test)]
mod tests;
