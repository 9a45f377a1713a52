//! The events that the queue has and the event bus has not: their records come again, and only the bus needs them then.
//!
//! The queue drops a repetition for five minutes alone (Amazon SQS, "Exactly-once processing in Amazon SQS"), and the bus may be
//! out of order for hours. This process remembers the events, and Lambda mostly hands a record to the same process again. Another
//! process knows nothing of them and puts them on the queue once more, with the same ids.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::fifo::PreparedEvent;

/// `MaximumRecordAgeInSeconds` in `template.yaml`: a record does not come again after this time.
const LONGEST: SignedDuration = SignedDuration::from_secs(43_200);

/// Events on the queue, by their message group and their deduplication id.
#[derive(Debug, Default)]
pub(crate) struct QueuedEvents(Mutex<BTreeMap<(String, String), Timestamp>>);

impl QueuedEvents {
    pub(crate) fn contains(&self, event: &PreparedEvent) -> bool {
        self.locked().contains_key(&key(event))
    }

    /// Remembers those that come again, and forgets those that both destinations have decided.
    pub(crate) fn update<'a>(
        &self,
        decided: impl IntoIterator<Item = &'a PreparedEvent>,
        come_again: impl IntoIterator<Item = &'a PreparedEvent>,
        now: Timestamp,
    ) {
        let mut queued = self.locked();
        queued.retain(|_, queued_at| now.duration_since(*queued_at) <= LONGEST);
        for event in decided {
            queued.remove(&key(event));
        }
        for event in come_again {
            queued.entry(key(event)).or_insert(now);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(event: &PreparedEvent) -> (String, String) {
    (event.message.group.clone(), event.message.deduplication_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpublished::tests::prepared;

    #[test]
    fn event_is_remembered_until_it_is_decided_or_too_old() {
        let record = prepared("1", Ok(&["a", "b"]));
        let [first, second] = record.events() else { panic!("two events") };
        let (queued, now) = (QueuedEvents::default(), Timestamp::UNIX_EPOCH);
        queued.update([], [first, second], now);
        assert!(queued.contains(first) && queued.contains(second));
        queued.update([first], [], now);
        assert!(!queued.contains(first) && queued.contains(second));
        queued.update([], [second], now + LONGEST);
        assert!(queued.contains(second));
        queued.update([], [], now + LONGEST + SignedDuration::from_secs(1));
        assert!(!queued.contains(second));
    }
}
