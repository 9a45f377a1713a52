//! Twilio's REST API, called with the credentials of an account that is in the secret.

use twilio_client::{AccountClient, Credentials, TwilioClient, TwilioError};
use twilio_types::sid::AccountSid;

use crate::{report::Chain, secrets::Secrets};

/// The accounts of the secret, and the client that calls Twilio for them.
#[derive(Debug)]
pub struct TwilioAccounts {
    client: TwilioClient,
    secrets: Secrets,
}

/// A call to Twilio for an account failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountCallError {
    /// The operator must add the account, or its keys, to the secret. Twilio was not called.
    #[error("the Twilio secret has no API key and no auth token for account {0}: add one")]
    NoCredentials(AccountSid),
    #[error(transparent)]
    Twilio(#[from] TwilioError),
}

impl TwilioAccounts {
    pub fn new(client: TwilioClient, secrets: Secrets) -> Self {
        Self { client, secrets }
    }

    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether a call for the account can be made.
    pub fn has(&self, account_sid: &AccountSid) -> bool {
        self.secrets.accounts().credentials(account_sid).is_some()
    }

    /// Makes a request with the account's credentials.
    ///
    /// Twilio answers 401 when the credentials were replaced after the secret was read. Then the secret is read again, and
    /// the request is repeated once with the new credentials. The repetition is safe for every request, also for the
    /// creation of a message: a request that Twilio refuses with 401 has done nothing.
    pub async fn call<T>(
        &self,
        account_sid: &AccountSid,
        request: impl AsyncFn(&AccountClient) -> Result<T, TwilioError>,
    ) -> Result<T, AccountCallError> {
        let credentials = self.secrets.accounts().credentials(account_sid);
        let credentials = credentials.ok_or_else(|| AccountCallError::NoCredentials(account_sid.clone()))?;
        let account = self.client.account(account_sid.clone(), credentials);
        let refused = match request(&account).await {
            Err(error @ TwilioError::Unauthorized(_)) => error,
            answered => return Ok(answered?),
        };
        match self.reread_credentials(account_sid).await {
            Some(credentials) => Ok(request(&account.with_credentials(credentials)).await?),
            None => Err(refused.into()),
        }
    }

    /// Reads the secret again and gives the account's credentials. None where the account has none, or where the secret
    /// was read again a short time ago and so holds nothing new.
    pub async fn reread_credentials(&self, account_sid: &AccountSid) -> Option<Credentials> {
        match self.secrets.reread().await {
            Ok(accounts) => accounts?.credentials(account_sid),
            Err(error) => {
                tracing::warn!(%account_sid, error = %Chain(&error), "the Twilio secret was not read again");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use secrecy::ExposeSecret as _;
    use twilio_client::ErrorResponse;

    use super::*;
    use crate::secrets::tests::{ONE, TWO, secrets};

    const OLD: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["old"]}}}"#;
    const NEW: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["new"]}}}"#;

    async fn accounts(secret: &[&str]) -> TwilioAccounts {
        let client = TwilioClient::new("http://127.0.0.1:9".parse().unwrap()).unwrap();
        TwilioAccounts::new(client, secrets(secret).await)
    }

    fn unauthorized() -> TwilioError {
        TwilioError::Unauthorized(ErrorResponse::new(401, None))
    }

    /// Calls an imitation of Twilio that accepts the token `new`. Gives the answer, and how often Twilio was asked.
    async fn call(accounts: &TwilioAccounts, account_sid: &str) -> (Result<(), AccountCallError>, usize) {
        let requests = AtomicUsize::new(0);
        let answer = accounts
            .call(&account_sid.parse().unwrap(), async |account| {
                requests.fetch_add(1, Relaxed);
                if account.credentials().password.expose_secret() == "new" { Ok(()) } else { Err(unauthorized()) }
            })
            .await;
        (answer, requests.load(Relaxed))
    }

    #[tokio::test]
    async fn replaced_token_is_read_again_and_the_request_repeated() {
        let accounts = accounts(&[OLD, NEW]).await;
        let (answer, requests) = call(&accounts, ONE).await;
        assert!(answer.is_ok());
        assert_eq!(requests, 2);
        assert_eq!(call(&accounts, ONE).await.1, 1, "the new token is kept");
    }

    #[tokio::test]
    async fn refused_token_that_was_not_replaced_is_an_error() {
        let accounts = accounts(&[OLD, OLD, NEW]).await;
        for expected in [2, 1] {
            let (answer, requests) = call(&accounts, ONE).await;
            assert!(matches!(answer, Err(AccountCallError::Twilio(TwilioError::Unauthorized(_)))));
            assert_eq!(requests, expected, "the secret is not read again for every request");
        }
    }

    #[tokio::test]
    async fn account_without_credentials_is_named_and_twilio_not_called() {
        let (answer, requests) = call(&accounts(&[NEW]).await, TWO).await;
        assert_eq!(requests, 0);
        let error = answer.unwrap_err().to_string();
        assert!(error.contains(TWO) && error.contains("Twilio secret"), "{error}");
    }
}
