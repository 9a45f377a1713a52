//! A queue of dead letters with what its letters mean.

use std::collections::HashSet;

use clap::ValueEnum;
use domain::digest::sha256_hex;
use serde_json::Value;
use shared::queues::LaneUrls;

use super::{
    outbound::{self, DeadNotification},
    queue::{LetterQueue, RawLetter},
    spool::{self, DeadWebhook},
    unpublished::UnpublishedRecord,
};
use crate::{error::CommandError, redaction::redacted_debug, session::Session, stack::DeployedStack};

/// The queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum DeadLetterQueueName {
    /// Notifications that could not be sent.
    #[default]
    Outbound,
    /// Records that could not be published as events.
    Unpublished,
    /// Webhooks that were spooled, and could not be applied.
    Spool,
}

impl DeadLetterQueueName {
    const fn output(self) -> &'static str {
        match self {
            Self::Outbound => "OutboundDeadLetterQueueUrl",
            Self::Unpublished => "UnpublishedQueueUrl",
            Self::Spool => "SpoolDeadLetterQueueUrl",
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Unpublished => "unpublished",
            Self::Spool => "spool",
        }
    }
}

/// A letter, read.
pub(super) struct DeadLetter {
    pub(super) raw: RawLetter,
    content: LetterContent,
}

redacted_debug!(DeadLetter);

enum LetterContent {
    Notification(Box<DeadNotification>),
    Record(UnpublishedRecord),
    Webhook(DeadWebhook),
}

/// What a retry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RetryOutcome {
    Retried,
    /// Nothing, for this reason. The letter stays.
    Refused(String),
}

impl DeadLetter {
    /// The id of its notification, of its event or of the webhook's message, or else of the message of the queue.
    pub(super) fn id(&self) -> String {
        let id = match &self.content {
            LetterContent::Notification(found) => found.id.as_ref().map(|id| id.as_str().to_owned()),
            LetterContent::Record(record) => record.id(),
            LetterContent::Webhook(webhook) => webhook.id(),
        };
        id.unwrap_or_else(|| self.raw.message_id.clone())
    }

    pub(super) fn category(&self) -> Option<&str> {
        match &self.content {
            LetterContent::Notification(found) => found.category(),
            LetterContent::Record(_) | LetterContent::Webhook(_) => None,
        }
    }

    pub(super) fn table(&self) -> Option<&str> {
        match &self.content {
            LetterContent::Record(record) => record.table(),
            LetterContent::Notification(_) | LetterContent::Webhook(_) => None,
        }
    }

    /// What a webhook is.
    pub(super) fn webhook(&self) -> Option<&'static str> {
        match &self.content {
            LetterContent::Webhook(webhook) => webhook.kind(),
            LetterContent::Notification(_) | LetterContent::Record(_) => None,
        }
    }

    pub(super) fn recipient(&self) -> Option<String> {
        match &self.content {
            LetterContent::Notification(found) => found.recipient(),
            LetterContent::Record(_) | LetterContent::Webhook(_) => None,
        }
    }

    pub(super) fn reason(&self) -> String {
        match &self.content {
            LetterContent::Notification(_) => outbound::reason(&self.raw).to_owned(),
            LetterContent::Record(record) => record.reason(),
            LetterContent::Webhook(_) => spool::reason(&self.raw).to_owned(),
        }
    }

    /// Everything that the letter says.
    pub(super) fn body(&self) -> Option<Value> {
        match &self.content {
            LetterContent::Notification(found) => found.request(&self.raw),
            LetterContent::Webhook(webhook) => Some(webhook.content(&self.raw)),
            LetterContent::Record(_) => {
                Some(serde_json::from_str(&self.raw.body).unwrap_or_else(|_| Value::String(self.raw.body.clone())))
            }
        }
    }

    /// Why a retry would change nothing, if that is known.
    pub(super) fn refusal(&self) -> Option<String> {
        match &self.content {
            LetterContent::Notification(found) => found.lane(&self.raw.body).err(),
            LetterContent::Record(_) | LetterContent::Webhook(_) => None,
        }
    }
}

/// A queue of the stack.
pub(super) struct DeadLetters<'a> {
    session: &'a Session,
    name: DeadLetterQueueName,
    pub(super) queue: LetterQueue<'a>,
    client: aws_sdk_sqs::Client,
    lanes: LaneUrls,
    /// The digests of the letters that were retried.
    retried: HashSet<String>,
}

impl<'a> DeadLetters<'a> {
    pub(super) async fn open(session: &'a Session, name: DeadLetterQueueName) -> Result<Self, CommandError> {
        let stack = session.stack().await?;
        let client = aws_sdk_sqs::Client::new(session.aws().await?);
        let url = stack.output(name.output())?.to_owned();
        Ok(Self {
            session,
            name,
            queue: LetterQueue::new(client.clone(), url, &session.terminal),
            client,
            lanes: lanes(stack)?,
            retried: HashSet::new(),
        })
    }

    /// Reads at most `most` letters that were not read before, and ten at a time; none if no more are visible.
    pub(super) async fn next_page(&mut self, most: usize) -> Result<Vec<DeadLetter>, CommandError> {
        let letters = self.queue.next_page(most).await?;
        let read = letters.into_iter().map(|raw| self.read(raw));
        futures::future::try_join_all(read).await
    }

    async fn read(&self, raw: RawLetter) -> Result<DeadLetter, CommandError> {
        let content = match self.name {
            DeadLetterQueueName::Outbound => {
                LetterContent::Notification(Box::new(DeadNotification::read(self.session, &raw).await?))
            }
            DeadLetterQueueName::Unpublished => LetterContent::Record(UnpublishedRecord::read(&raw.body)),
            DeadLetterQueueName::Spool => LetterContent::Webhook(DeadWebhook::read(&raw.body)),
        };
        Ok(DeadLetter { raw, content })
    }

    /// First the retry, then the deletion: if the command stops in between, the letter is retried a second time, which changes
    /// nothing if the first retry had an effect.
    pub(super) async fn retry(&mut self, letter: &DeadLetter) -> Result<RetryOutcome, CommandError> {
        // What is rejected again is a new letter with the same text. Retried by the same command, it would never end.
        let digest = sha256_hex(letter.raw.body.as_bytes());
        if self.retried.contains(&digest) {
            return Ok(RetryOutcome::Refused(
                "the same letter was just retried: see what became of it first".to_owned(),
            ));
        }
        let outcome = match &letter.content {
            LetterContent::Notification(found) => found.retry(&self.client, &self.lanes, &letter.raw).await?,
            LetterContent::Record(record) => record.retry(self.session).await?,
            LetterContent::Webhook(webhook) => {
                let url = self.session.stack().await?.output("SpoolQueueUrl")?;
                webhook.retry(&self.client, url, &letter.raw).await?
            }
        };
        if outcome == RetryOutcome::Retried {
            self.retried.insert(digest);
            self.queue.delete(&letter.raw).await?;
        }
        Ok(outcome)
    }
}

fn lanes(stack: &DeployedStack) -> Result<LaneUrls, CommandError> {
    let optional = |output| stack.output(output).ok().map(str::to_owned);
    Ok(LaneUrls {
        standard: stack.output("OutboundQueueUrl")?.to_owned(),
        urgent: optional("UrgentQueueUrl"),
        marketing: optional("MarketingQueueUrl"),
    })
}
