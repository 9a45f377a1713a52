//! A secret of Secrets Manager that is read again when its content is too old.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_secretsmanager::Client;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    SecretsError,
    age::{ReadTimes, Reread, SecretMaxAge, SecretUse},
    read,
};
use crate::{moment::Moment, report::Chain};

/// Two attempts of the SDK ([`crate::aws`]). A request waits for it while its own answer is due, and the old content is there.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// A secret with JSON, and what was last read of it.
pub struct AgedSecret<T> {
    client: Client,
    secret_id: String,
    max_age: SecretMaxAge,
    known: Mutex<KnownContent<T>>,
    /// Held by the one that reads. The others wait, and then use what it has read.
    reading: tokio::sync::Mutex<()>,
}

struct KnownContent<T> {
    content: Arc<T>,
    times: ReadTimes,
}

impl<T> fmt::Debug for AgedSecret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgedSecret").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> AgedSecret<T> {
    /// Reads the secret for the first time, at the cold start: the first event then waits for no TLS handshake.
    pub async fn load(client: Client, secret_id: String, max_age: SecretMaxAge) -> Result<Self, SecretsError> {
        let times = ReadTimes::new(Moment::now());
        let content = Arc::new(read(&client, &secret_id).await?);
        let known = Mutex::new(KnownContent { content, times });
        Ok(Self { client, secret_id, max_age, known, reading: tokio::sync::Mutex::default() })
    }

    /// The content that counts now. It is read again if it is older than its maximum age. If it cannot be read, the old
    /// content counts until an hour after it was read.
    pub async fn current(&self) -> Result<Arc<T>, SecretsError> {
        if let (SecretUse::Current, content) = self.decide() {
            return Ok(content);
        }
        let _reading = self.reading.lock().await;
        // Another request may have tried to read it while this one waited.
        let (decided, content) = self.decide();
        match decided {
            SecretUse::Current | SecretUse::Old => Ok(content),
            SecretUse::Refused => Err(self.unavailable()),
            SecretUse::ReadFirst => match self.read_again().await {
                Err(_) if self.known().times.is_usable(Moment::now()) => Ok(content),
                read => read,
            },
        }
    }

    /// Reads the secret again, after a key of [`AgedSecret::current`] turned out to be wrong. None where that happened less
    /// than 30 seconds ago: then the content holds nothing newer.
    pub async fn reread(&self) -> Result<Option<Arc<T>>, SecretsError> {
        let _reading = self.reading.lock().await;
        let decided = self.known().times.reread_at(Moment::now());
        match decided {
            Reread::Read => self.read_again().await.map(Some),
            Reread::Unchanged => Ok(None),
            Reread::Unknown => Err(self.unavailable()),
        }
    }

    fn decide(&self) -> (SecretUse, Arc<T>) {
        let known = self.known();
        (known.times.use_at(Moment::now(), self.max_age), Arc::clone(&known.content))
    }

    async fn read_again(&self) -> Result<Arc<T>, SecretsError> {
        let began = Moment::now();
        // Already now, for the case that this future is dropped at a deadline.
        self.known().times.attempt(began);
        let late = |_| Err(SecretsError::Late { secret_id: self.secret_id.clone() });
        match timeout(READ_TIMEOUT, read(&self.client, &self.secret_id)).await.unwrap_or_else(late) {
            Ok(content) => {
                let content = Arc::new(content);
                let mut known = self.known();
                known.content = Arc::clone(&content);
                known.times.succeed(began);
                Ok(content)
            }
            Err(error) => {
                let now = Moment::now();
                let mut known = self.known();
                known.times.attempt(now);
                tracing::error!(
                    secret_id = self.secret_id,
                    age_seconds = known.times.age(now).as_secs(),
                    still_counts = known.times.is_usable(now),
                    error = %Chain(&error),
                    alarm = "secret",
                    "a secret cannot be read again: what was read before counts until it is an hour old"
                );
                Err(error)
            }
        }
    }

    fn unavailable(&self) -> SecretsError {
        SecretsError::Unavailable { secret_id: self.secret_id.clone() }
    }

    fn known(&self) -> MutexGuard<'_, KnownContent<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if the process had been frozen for this time.
    #[cfg(test)]
    pub(crate) fn freeze_for(&self, duration: Duration) {
        self.known().times.freeze_for(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        secrets::{
            Accounts, Secrets,
            tests::{ONE, TWO, secrets},
        },
        test_log::logged,
    };

    const FIVE_MINUTES: Duration = Duration::from_mins(5);

    fn with_account(sid: &str) -> String {
        format!(r#"{{"accounts": {{"{sid}": {{"auth_tokens": ["token"]}}}}}}"#)
    }

    fn sid(accounts: &Accounts) -> String {
        accounts.sids().next().unwrap().to_string()
    }

    async fn current(secrets: &Secrets) -> String {
        sid(&secrets.current().await.unwrap())
    }

    #[tokio::test]
    async fn old_content_is_read_again_before_it_is_used() {
        let secrets = secrets(&[&with_account(ONE), &with_account(TWO)]).await;
        assert_eq!(current(&secrets).await, ONE);
        secrets.freeze_for(FIVE_MINUTES);
        assert_eq!(current(&secrets).await, TWO, "what was removed counts no more");
        assert_eq!(current(&secrets).await, TWO, "a third reading would fail");
    }

    #[tokio::test]
    async fn requests_at_the_same_time_read_once() {
        let three = "AC00000000000000000000000000000003";
        let secrets = secrets(&[&with_account(ONE), &with_account(TWO), &with_account(three)]).await;
        secrets.freeze_for(FIVE_MINUTES);
        let requests = [(); 3].map(|()| current(&secrets));
        let [a, b, c] = requests;
        assert_eq!(tokio::join!(a, b, c), (TWO.to_owned(), TWO.to_owned(), TWO.to_owned()));
    }

    #[tokio::test]
    async fn unreadable_secret_counts_for_an_hour_with_an_alarm() {
        let secrets = secrets(&[&with_account(ONE)]).await;
        secrets.freeze_for(FIVE_MINUTES);
        let (counts, lines) = logged(current(&secrets)).await;
        assert_eq!(counts, ONE);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(r#""alarm":"secret""#) && lines[0].contains(r#""still_counts":true"#), "{lines:?}");
        let (counts, lines) = logged(current(&secrets)).await;
        assert_eq!((counts.as_str(), lines.len()), (ONE, 0), "it is not tried again at once");

        secrets.freeze_for(Duration::from_mins(54));
        assert_eq!(logged(current(&secrets)).await.1.len(), 1, "each attempt that fails has its line");
        secrets.freeze_for(Duration::from_mins(1));
        let (refused, lines) = logged(secrets.current()).await;
        assert!(matches!(refused, Err(SecretsError::Malformed { .. })), "{refused:?}");
        assert!(lines[0].contains(r#""still_counts":false"#), "{lines:?}");
        assert!(matches!(secrets.current().await, Err(SecretsError::Unavailable { .. })), "not tried again at once");
    }

    #[tokio::test]
    async fn reading_that_is_dropped_is_not_repeated_at_once() {
        let secrets = secrets(&[&with_account(ONE), &with_account(TWO)]).await;
        secrets.freeze_for(FIVE_MINUTES);
        {
            let mut reading = Box::pin(secrets.current());
            let polled = std::future::poll_fn(|context| std::task::Poll::Ready(reading.as_mut().poll(context)));
            assert!(polled.await.is_pending());
        }
        assert_eq!(current(&secrets).await, ONE);
        secrets.freeze_for(Duration::from_secs(10));
        assert_eq!(current(&secrets).await, TWO);
    }

    #[tokio::test]
    async fn wrong_key_is_an_unknown_key_while_the_secret_cannot_be_read() {
        let secrets = secrets(&[&with_account(ONE)]).await;
        assert!(matches!(secrets.reread().await, Err(SecretsError::Malformed { .. })));
        assert!(matches!(secrets.reread().await, Err(SecretsError::Unavailable { .. })));
        assert_eq!(current(&secrets).await, ONE, "young content counts");
    }
}
