//! A value that is cached, and read again when it is too old.
//!
//! One request at a time reads it, the others wait and then use what it has read. While it cannot be read, the last one counts.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use crate::moment::Moment;

mod age;

use age::{AgedUse, ReadTimes, Reread};
pub use age::{Ages, REREAD_AFTER};

/// Two attempts of the SDK ([`crate::aws`]). A request waits for it while its own answer is due, and the old value is there.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a cached value is read from.
pub trait AgedSource: Sync {
    type Value: Send + Sync;
    type Error: Error + 'static;

    /// Reads the value. A source that knows the version of `known`, the value that was read before, may give that again
    /// without reading the rest.
    fn read(
        &self,
        known: Option<&Arc<Self::Value>>,
    ) -> impl Future<Output = Result<Arc<Self::Value>, Self::Error>> + Send;

    /// The error of a value that was not read.
    fn not_read(&self, reason: NotRead) -> Self::Error;

    /// Writes the log line, with the field `alarm`, about a value that cannot be read again.
    fn log_failure(&self, failure: &FailedReading<'_, Self::Error>);
}

/// Why a value was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRead {
    /// The source did not answer in time.
    Late,
    /// An attempt failed a moment ago, and the value is so old that it counts no more, or is known to be wrong.
    FailedRecently,
}

/// A value cannot be read again.
#[derive(Debug)]
pub struct FailedReading<'a, E> {
    pub error: &'a E,
    /// The age of the value that was read before.
    pub age: Duration,
    /// Whether the value that was read before still counts.
    pub still_counts: bool,
}

/// A cached value.
pub struct AgedValue<S: AgedSource> {
    source: S,
    ages: Ages,
    known: Mutex<KnownValue<S::Value>>,
    /// Held by the one that reads. The others wait, and then use what it has read.
    reading: tokio::sync::Mutex<()>,
}

struct KnownValue<T> {
    value: Arc<T>,
    times: ReadTimes,
}

impl<S: AgedSource + fmt::Debug> fmt::Debug for AgedValue<S> {
    /// Leaves the value out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgedValue").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S: AgedSource> AgedValue<S> {
    /// Reads the value for the first time, at the cold start: the first event then waits for no TLS handshake.
    pub async fn first_read(source: S, ages: Ages) -> Result<Self, S::Error> {
        let times = ReadTimes::new(Moment::now());
        // On the heap, here and below: it is seldom polled, and a request's future has several kilobytes.
        let value = Box::pin(source.read(None)).await?;
        let known = Mutex::new(KnownValue { value, times });
        Ok(Self { source, ages, known, reading: tokio::sync::Mutex::default() })
    }

    /// The value that counts now. It is read again if it is older than its maximum age. If it cannot be read, the old one
    /// counts for as long as [`Ages::longest_use`] says.
    pub async fn current(&self) -> Result<Arc<S::Value>, S::Error> {
        if let (AgedUse::Current, value) = self.decide() {
            return Ok(value);
        }
        let _reading = self.reading.lock().await;
        // Another request may have tried to read it while this one waited.
        let (decided, value) = self.decide();
        match decided {
            AgedUse::Current | AgedUse::Old => Ok(value),
            AgedUse::Refused => Err(self.source.not_read(NotRead::FailedRecently)),
            AgedUse::ReadFirst => match self.read_again(&value).await {
                Err(_) if self.known().times.is_usable(Moment::now(), self.ages) => Ok(value),
                read => read,
            },
        }
    }

    /// The value that counts now, or the last one that was read, however old. For a source whose values count until there is a
    /// newer one ([`Ages::longest_use`] is none).
    pub async fn current_or_last(&self) -> Arc<S::Value> {
        match self.current().await {
            Ok(value) => value,
            Err(_) => Arc::clone(&self.known().value),
        }
    }

    /// Reads the value again, after that of [`AgedValue::current`] turned out to be wrong. None where that happened less
    /// than 30 seconds ago: then the source holds nothing newer.
    pub async fn reread(&self) -> Result<Option<Arc<S::Value>>, S::Error> {
        let _reading = self.reading.lock().await;
        let (decided, value) = {
            let known = self.known();
            (known.times.reread_at(Moment::now()), Arc::clone(&known.value))
        };
        match decided {
            Reread::Read => self.read_again(&value).await.map(Some),
            Reread::Unchanged => Ok(None),
            Reread::Unknown => Err(self.source.not_read(NotRead::FailedRecently)),
        }
    }

    fn decide(&self) -> (AgedUse, Arc<S::Value>) {
        let known = self.known();
        (known.times.use_at(Moment::now(), self.ages), Arc::clone(&known.value))
    }

    async fn read_again(&self, value: &Arc<S::Value>) -> Result<Arc<S::Value>, S::Error> {
        let began = Moment::now();
        // Already now, for the case that this future is dropped at a deadline.
        self.known().times.attempt(began);
        let late = |_| Err(self.source.not_read(NotRead::Late));
        match timeout(READ_TIMEOUT, Box::pin(self.source.read(Some(value)))).await.unwrap_or_else(late) {
            Ok(value) => {
                let mut known = self.known();
                known.value = Arc::clone(&value);
                known.times.succeed(began);
                Ok(value)
            }
            Err(error) => {
                self.note_failure(&error);
                Err(error)
            }
        }
    }

    fn note_failure(&self, error: &S::Error) {
        let now = Moment::now();
        let mut known = self.known();
        known.times.attempt(now);
        if known.times.begin_log_line(now) {
            let (age, still_counts) = (known.times.age(now), known.times.is_usable(now, self.ages));
            self.source.log_failure(&FailedReading { error, age, still_counts });
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownValue<S::Value>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if the process had been frozen for this time.
    #[cfg(test)]
    pub(crate) fn freeze_for(&self, duration: Duration) {
        self.known().times.freeze_for(duration);
    }
}
