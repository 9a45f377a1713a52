//! A secret of Secrets Manager that is read again when its content is too old.

use std::{fmt, marker::PhantomData, sync::Arc};

use aws_sdk_secretsmanager::Client;
use serde::de::DeserializeOwned;

use super::{SecretMaxAge, SecretsError, read};
use crate::{
    aged::{AgedSource, AgedValue, FailedReading, NotRead},
    report::Chain,
};

/// A secret with JSON, and what was last read of it.
pub type AgedSecret<T> = AgedValue<SecretSource<T>>;

/// A secret in Secrets Manager.
pub struct SecretSource<T> {
    client: Client,
    secret_id: String,
    content: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for SecretSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSource").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + Sync> AgedSecret<T> {
    pub async fn load(client: Client, secret_id: String, max_age: SecretMaxAge) -> Result<Self, SecretsError> {
        Self::first_read(SecretSource { client, secret_id, content: PhantomData }, max_age.into()).await
    }
}

impl<T: DeserializeOwned + Send + Sync> AgedSource for SecretSource<T> {
    type Value = T;
    type Error = SecretsError;

    async fn read(&self, _: Option<&Arc<T>>) -> Result<Arc<T>, SecretsError> {
        read(&self.client, &self.secret_id).await.map(Arc::new)
    }

    fn not_read(&self, reason: NotRead) -> SecretsError {
        let secret_id = self.secret_id.clone();
        match reason {
            NotRead::Late => SecretsError::Late { secret_id },
            NotRead::FailedRecently => SecretsError::Unavailable { secret_id },
        }
    }

    fn log_failure(&self, failure: &FailedReading<'_, SecretsError>) {
        tracing::error!(
            secret_id = self.secret_id,
            age_seconds = failure.age.as_secs(),
            still_counts = failure.still_counts,
            error = %Chain(failure.error),
            alarm = "secret",
            "a secret cannot be read again: what was read before counts until it is an hour old"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
