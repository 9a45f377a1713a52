//! A queue of dead letters. Reading takes nothing from it: a letter is hidden for as long as it is read, and then put back.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
        QueueAttributeName,
    },
};
use jiff::Timestamp;
use shared::queues::REASON;

use crate::{error::CommandError, redaction::redacted_debug, terminal::Terminal};

/// For how long SQS hides a letter from other readers. If this program is stopped, the letter is visible again after it.
pub(in crate::commands) const HIDDEN: Duration = Duration::from_mins(2);
/// With a wait SQS asks all its servers, so an empty answer means that no visible letter is left. Source: Amazon SQS, "Short
/// and long polling".
const WAIT_SECONDS: i32 = 1;
/// The maximum of SQS in one request.
const PAGE: usize = 10;
/// After this number of pages with known letters alone, the others are hidden by another reader.
const REPEATED_PAGES: usize = 20;
const READING: &str = "reading the dead letters";

/// A message of the queue.
pub(in crate::commands) struct RawLetter {
    pub(in crate::commands) message_id: String,
    pub(in crate::commands) receipt_handle: String,
    pub(in crate::commands) body: String,
    /// When it was put on this queue; or on its first queue, if SQS moved it here.
    pub(in crate::commands) sent_at: Timestamp,
    pub(in crate::commands) attributes: HashMap<String, MessageAttributeValue>,
    /// SQS moved it here after too many receives, and not a function of ours with a reason.
    pub(in crate::commands) is_moved_by_sqs: bool,
}

redacted_debug!(RawLetter);

impl RawLetter {
    pub(in crate::commands) fn reason(&self) -> Option<&str> {
        self.attributes.get(REASON)?.string_value.as_deref()
    }

    #[cfg(test)]
    pub(in crate::commands) fn with_body(body: &str) -> Self {
        Self {
            message_id: String::new(),
            receipt_handle: String::new(),
            body: body.to_owned(),
            sent_at: Timestamp::UNIX_EPOCH,
            attributes: HashMap::new(),
            is_moved_by_sqs: false,
        }
    }

    fn read(message: Message) -> Option<Self> {
        let of_system = |name| message.attributes.as_ref()?.get(&name);
        let sent_at = of_system(MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
        Some(Self {
            is_moved_by_sqs: of_system(MessageSystemAttributeName::DeadLetterQueueSourceArn).is_some(),
            sent_at: Timestamp::from_millisecond(sent_at).ok()?,
            message_id: message.message_id?,
            receipt_handle: message.receipt_handle?,
            body: message.body.unwrap_or_default(),
            attributes: message.message_attributes.unwrap_or_default(),
        })
    }
}

/// How many letters a queue has.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct QueueDepth {
    pub(in crate::commands) visible: u64,
    pub(in crate::commands) hidden: u64,
}

/// The queue, and what was read of it.
pub(in crate::commands) struct LetterQueue<'a> {
    client: Client,
    url: String,
    terminal: &'a Terminal,
    seen: HashSet<String>,
}

impl<'a> LetterQueue<'a> {
    pub(in crate::commands) fn new(client: Client, url: String, terminal: &'a Terminal) -> Self {
        Self { client, url, terminal, seen: HashSet::new() }
    }

    /// Reads at most `most` letters that were not read before, and ten at a time; none if no more are visible.
    pub(in crate::commands) async fn next_page(&mut self, most: usize) -> Result<Vec<RawLetter>, CommandError> {
        for _ in 0..REPEATED_PAGES {
            let letters = self.receive(most.min(PAGE)).await?;
            if letters.is_empty() {
                return Ok(letters);
            }
            // A letter is received again when the time is over for which it was hidden.
            let new: Vec<_> =
                letters.into_iter().filter(|letter| self.seen.insert(letter.message_id.clone())).collect();
            if !new.is_empty() {
                return Ok(new);
            }
        }
        Ok(Vec::new())
    }

    async fn receive(&self, most: usize) -> Result<Vec<RawLetter>, CommandError> {
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .visibility_timeout(i32::try_from(HIDDEN.as_secs()).unwrap_or(i32::MAX))
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = receive.send().await.map_err(|error| CommandError::of_sdk(READING, error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(RawLetter::read).collect())
    }

    /// Makes letters visible to other readers at once. Without it they are visible after [`HIDDEN`], so a failure is only a
    /// warning.
    pub(in crate::commands) async fn put_back(&self, receipt_handles: &[String]) {
        for batch in receipt_handles.chunks(PAGE) {
            let entry = |(index, handle): (usize, &String)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(0)
                    .build()
            };
            let Ok(entries) = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>() else { return };
            let change = self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
            if let Err(error) = change.send().await {
                let error = CommandError::of_sdk("putting dead letters back", error).describe();
                self.terminal.warn(&format!("{error}: other readers see them in two minutes"));
                return;
            }
        }
    }

    pub(in crate::commands) async fn delete(&self, letter: &RawLetter) -> Result<(), CommandError> {
        let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt_handle);
        let deleted = delete.send().await.map(drop);
        deleted.map_err(|error| CommandError::of_sdk("deleting a dead letter", error))
    }

    /// Puts a further letter on the queue.
    pub(in crate::commands) async fn put(&self, body: &str) -> Result<(), CommandError> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await.map(drop);
        sent.map_err(|error| CommandError::of_sdk("writing a dead letter", error))
    }

    /// SQS counts approximately.
    pub(in crate::commands) async fn depth(&self) -> Result<QueueDepth, CommandError> {
        let [visible, hidden] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let get = self.client.get_queue_attributes().queue_url(&self.url);
        let get = get.attribute_names(visible.clone()).attribute_names(hidden.clone());
        let answer = get.send().await.map_err(|error| CommandError::of_sdk("counting the dead letters", error))?;
        let found = answer.attributes.unwrap_or_default();
        let number = |name| found.get(&name).and_then(|text: &String| text.parse().ok()).unwrap_or_default();
        Ok(QueueDepth { visible: number(visible), hidden: number(hidden) })
    }
}
