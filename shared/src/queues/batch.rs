//! Sends a batch of messages and reads what SQS answers to each.

use std::collections::BTreeMap;

use aws_sdk_sqs::{
    Client,
    error::BuildError,
    types::{BatchResultErrorEntry, SendMessageBatchRequestEntry},
};
use stores::fault::AwsFault;

use super::{BATCH_BYTES, BATCH_MESSAGES, MESSAGE_BYTES, PUBLISHING, error::QueueError};

/// Sends entries whose ids are their places in the batch. Gives those that SQS did not accept.
pub(super) async fn send(
    client: &Client,
    url: &str,
    operation: &'static str,
    entries: Result<Vec<SendMessageBatchRequestEntry>, BuildError>,
) -> Result<Vec<EntryFailure>, QueueError> {
    let entries = entries.map_err(|error| QueueError::new(operation, error))?;
    let answer = client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
    let answer = answer.map_err(|error| QueueError::of_sdk(operation, error))?;
    Ok(answer.failed().iter().filter_map(EntryFailure::read).collect())
}

/// Divides messages into batches that SQS accepts, in their order. A message that is longer than a batch may be is alone in its
/// batch.
pub(super) fn divide<T>(messages: &[T], bytes_of: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |message: &&T| {
            bytes += bytes_of(message);
            bytes <= BATCH_BYTES
        };
        let size = rest.iter().take(BATCH_MESSAGES).take_while(fits).count().max(1);
        let (batch, remaining) = rest.split_at(size);
        batches.push(batch);
        rest = remaining;
    }
    batches
}

/// An entry of a batch that SQS did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryFailure {
    /// Its place in the batch.
    pub(super) index: usize,
    /// Why, without anything that the message says.
    pub(super) reason: String,
    /// Whether SQS would refuse the same message at every retry.
    pub(super) is_permanent: bool,
}

impl EntryFailure {
    fn read(entry: &BatchResultErrorEntry) -> Option<Self> {
        Some(Self {
            index: entry.id().parse().ok()?,
            reason: format!("SQS refused it with the code {}", entry.code()),
            is_permanent: entry.sender_fault() && !is_about_the_queue(entry.code()),
        })
    }

    /// As the error of a whole operation.
    pub(super) fn to_error(&self, operation: &'static str) -> QueueError {
        let fault = if self.is_permanent { AwsFault::Invalid } else { AwsFault::Unavailable };
        QueueError::of_entry(operation, fault, &self.reason)
    }

    /// A message that is alone in its batch and longer than SQS accepts.
    pub(super) fn too_long(bytes: usize) -> Self {
        let reason = format!("its JSON has {bytes} bytes, and SQS accepts {MESSAGE_BYTES}");
        Self { index: 0, reason, is_permanent: true }
    }
}

/// SQS calls it the sender's fault as well when the sender is too fast, lacks a permission, or when the queue or its key
/// is not usable. None of these is about the message: it is accepted once the load is lower or the operator has acted.
///
/// Source: Amazon SQS API Reference, "`SendMessage`", and "Common Errors".
fn is_about_the_queue(code: &str) -> bool {
    const PARTS: [&str; 14] = [
        "Throttl",
        "OverLimit",
        "Kms",
        "KMS",
        "AccessDenied",
        "NotAuthorized",
        "OptInRequired",
        "Token",
        "Signature",
        "Expired",
        "InvalidSecurity",
        "InvalidAddress",
        "UnsupportedOperation",
        "Queue",
    ];
    // SQS writes some codes with the name of the service in front.
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    PARTS.iter().any(|part| code.contains(part))
}

/// What became of events that were published in order.
#[derive(Debug)]
pub struct Publication<E = QueueError> {
    /// How many of them, from the first one on, were accepted or can never be accepted.
    pub decided: usize,
    /// Those among them that can never be accepted, by their place, and why.
    pub refused: BTreeMap<usize, String>,
    /// Why the next one was not accepted; it may be accepted later.
    pub error: Option<E>,
}

impl<E> Default for Publication<E> {
    fn default() -> Self {
        Self { decided: 0, refused: BTreeMap::new(), error: None }
    }
}

impl<E> Publication<E> {
    /// The same for all `events`, of which only those at `places` were published: the others were decided before.
    #[must_use]
    pub fn among(self, places: &[usize], events: usize) -> Self {
        let place = |index: usize| places.get(index).copied().unwrap_or(events);
        let refused = self.refused.into_iter().map(|(index, reason)| (place(index), reason)).collect();
        Self { decided: place(self.decided), refused, error: self.error }
    }

    /// What became of the same events at two destinations: an event is decided as soon as both have decided it.
    #[must_use]
    pub fn and<F>(mut self, other: Publication<F>) -> Self {
        self.decided = self.decided.min(other.decided);
        for (place, reason) in other.refused {
            let reasons = self.refused.entry(place).or_default();
            let separator = if reasons.is_empty() { "" } else { "; " };
            reasons.push_str(separator);
            reasons.push_str(&reason);
        }
        self
    }
}

impl Publication {
    /// Adds what SQS answered to the next batch.
    pub(super) fn add_batch(&mut self, size: usize, failures: Vec<EntryFailure>) {
        let stop = failures.iter().filter(|failure| !failure.is_permanent).min_by_key(|failure| failure.index);
        let decided = stop.map_or(size, |failure| failure.index);
        self.error = stop.map(|failure| failure.to_error(PUBLISHING));
        // What stands behind the stop comes again with it, and is judged then.
        let refused = failures.into_iter().filter(|failure| failure.is_permanent && failure.index < decided);
        self.refused.extend(refused.map(|failure| (self.decided + failure.index, failure.reason)));
        self.decided += decided;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(index: usize, code: &str, sender_fault: bool) -> EntryFailure {
        let entry = BatchResultErrorEntry::builder().id(index.to_string()).code(code).sender_fault(sender_fault);
        EntryFailure::read(&entry.build().unwrap()).unwrap()
    }

    #[test]
    fn a_batch_is_within_the_limits_of_sqs() {
        let sizes = |bytes: &[usize]| divide(bytes, |bytes| *bytes).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[1; 23]), [10, 10, 3]);
        assert_eq!(sizes(&[200_000; 10]), [5, 5], "the largest notifications");
        assert_eq!(sizes(&[600_000, 600_000, 1]), [1, 2]);
        assert_eq!(sizes(&[1, 2_000_000, 1]), [1, 1, 1]);
        assert_eq!(sizes(&[]), [0_usize; 0]);
    }

    #[test]
    fn a_fault_of_the_message_alone_is_permanent() {
        for (code, sender_fault, is_permanent) in [
            ("InvalidMessageContents", true, true),
            ("InvalidParameterValue", true, true),
            ("InternalFailure", false, false),
            ("InvalidMessageContents", false, false),
            ("RequestThrottled", true, false),
            ("ThrottlingException", true, false),
            ("KmsThrottled", true, false),
            ("KMS.DisabledException", true, false),
            ("AccessDenied", true, false),
            ("AWS.SimpleQueueService.NonExistentQueue", true, false),
            ("AWS.SimpleQueueService.UnsupportedOperation", true, false),
        ] {
            assert_eq!(failure(3, code, sender_fault).is_permanent, is_permanent, "{code} {sender_fault}");
        }
    }

    #[test]
    fn a_refused_message_is_passed_over() {
        let mut publication = Publication::<QueueError>::default();
        publication.add_batch(10, vec![failure(4, "InvalidMessageContents", true)]);
        publication.add_batch(2, vec![failure(1, "InvalidMessageContents", true)]);
        assert_eq!(publication.decided, 12);
        assert_eq!(publication.refused.keys().collect::<Vec<_>>(), [&4, &11]);
        assert!(publication.error.is_none());
    }

    #[test]
    fn a_message_that_may_be_accepted_later_stops_the_rest() {
        let mut publication = Publication::<QueueError>::default();
        publication.add_batch(1, Vec::new());
        let failures = vec![
            failure(7, "InvalidMessageContents", true),
            failure(5, "RequestThrottled", true),
            failure(2, "InvalidMessageContents", true),
            failure(6, "InternalFailure", false),
        ];
        publication.add_batch(10, failures);
        assert_eq!(publication.decided, 6, "one of the first batch and five of the second");
        assert_eq!(publication.refused.keys().collect::<Vec<_>>(), [&3], "what is behind the stop comes again");
        let error = std::error::Error::source(&publication.error.unwrap()).unwrap().to_string();
        assert_eq!(error, "SQS refused it with the code RequestThrottled");
    }

    #[test]
    fn events_that_were_decided_before_keep_their_places() {
        let of = |decided, refused: &[usize]| {
            let refused = refused.iter().map(|place| (*place, "odd".to_owned())).collect();
            Publication::<QueueError> { decided, refused, error: None }
        };
        // The second and the fourth of five are left, or none.
        for (published, places, decided, refused) in [
            (of(2, &[0, 1]), [1, 3].as_slice(), 5, vec![1, 3]),
            (of(1, &[0]), &[1, 3], 3, vec![1]),
            (of(0, &[]), &[1, 3], 1, vec![]),
            (of(0, &[]), &[], 5, vec![]),
        ] {
            let all = published.among(places, 5);
            assert_eq!((all.decided, all.refused.into_keys().collect::<Vec<_>>()), (decided, refused));
        }
    }

    #[test]
    fn an_event_is_decided_by_both_destinations() {
        let of = |decided, refused: &[(usize, &str)]| {
            let refused = refused.iter().map(|(place, reason)| (*place, (*reason).to_owned())).collect();
            Publication::<QueueError> { decided, refused, error: None }
        };
        let both = of(3, &[(0, "too long"), (1, "odd")]).and(of(2, &[(1, "too long, too")]));
        assert_eq!(both.decided, 2);
        assert_eq!(both.refused, of(0, &[(0, "too long"), (1, "odd; too long, too")]).refused);
    }
}
