//! Twilio's REST API, called with the credentials of an account that is in the secret.

use std::sync::Arc;

use twilio_client::{AccountClient, Credentials, TwilioClient, TwilioError};
use twilio_types::sid::AccountSid;

use crate::{
    deadline::Deadline,
    report::Chain,
    secrets::{Secrets, SecretsError},
};

/// The accounts of the secret, and the client that calls Twilio for them.
#[derive(Debug)]
pub struct TwilioAccounts {
    client: TwilioClient,
    secrets: Arc<Secrets>,
}

/// A call to Twilio for an account failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountCallError {
    /// The operator must add the account, or its keys, to the secret. Twilio was not called.
    #[error("the Twilio secret has no API key and no auth token for account {0}: add one")]
    NoCredentials(AccountSid),
    /// The secret cannot be read, and what was read before counts no more. Twilio was not called.
    #[error("the Twilio secret cannot be read")]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Twilio(#[from] TwilioError),
}

impl TwilioAccounts {
    pub fn new(client: TwilioClient, secrets: impl Into<Arc<Secrets>>) -> Self {
        Self { client, secrets: secrets.into() }
    }

    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether a call for the account can be made.
    pub async fn has(&self, account_sid: &AccountSid) -> Result<bool, SecretsError> {
        Ok(self.secrets.current().await?.credentials(account_sid).is_some())
    }

    /// Makes a request, or several in a row, with the account's credentials. All of them end by the deadline.
    ///
    /// After the deadline nothing is sent any more, which is [`TwilioError::NotDone`]: a message was certainly not created.
    /// A request that is under way at the deadline is given up, which is [`TwilioError::Unknown`]: a message may have been
    /// created.
    ///
    /// Twilio answers 401 when the credentials were replaced after the secret was read. Then the secret is read again, and
    /// the request is repeated once with the new credentials. The repetition is safe for every request, also for the
    /// creation of a message: a request that Twilio refuses with 401 has done nothing. If the deadline passes before the
    /// secret is read, the error is Twilio's 401.
    pub async fn call<T>(
        &self,
        account_sid: &AccountSid,
        deadline: Deadline,
        request: impl AsyncFn(&AccountClient) -> Result<T, TwilioError>,
    ) -> Result<T, AccountCallError> {
        let account = self.account(account_sid, deadline).await?;
        let refused = match request(&account).await {
            Err(error @ TwilioError::Unauthorized(_)) => error,
            answered => return Ok(answered?),
        };
        match self.with_new_credentials(account, deadline).await {
            Some(account) => Ok(request(&account).await?),
            None => Err(refused.into()),
        }
    }

    /// As [`TwilioAccounts::call`], for the functions that `lambda_http` runs: it needs futures that are `Send`, which the
    /// future of an async closure that borrows is not.
    pub async fn call_owned<T, F>(
        &self,
        account_sid: &AccountSid,
        deadline: Deadline,
        request: impl Fn(AccountClient) -> F,
    ) -> Result<T, AccountCallError>
    where
        F: Future<Output = Result<T, TwilioError>>,
    {
        let account = self.account(account_sid, deadline).await?;
        let refused = match request(account.clone()).await {
            Err(error @ TwilioError::Unauthorized(_)) => error,
            answered => return Ok(answered?),
        };
        match self.with_new_credentials(account, deadline).await {
            Some(account) => Ok(request(account).await?),
            None => Err(refused.into()),
        }
    }

    async fn account(&self, account_sid: &AccountSid, deadline: Deadline) -> Result<AccountClient, AccountCallError> {
        let credentials = self.secrets.current().await?.credentials(account_sid);
        let credentials = credentials.ok_or_else(|| AccountCallError::NoCredentials(account_sid.clone()))?;
        Ok(self.client.account(account_sid.clone(), credentials).with_deadline(deadline.instant()))
    }

    /// The account with the credentials that the secret holds now, if they are new.
    async fn with_new_credentials(&self, account: AccountClient, deadline: Deadline) -> Option<AccountClient> {
        let credentials = deadline.run(self.reread_credentials(account.account_sid())).await.ok().flatten()?;
        Some(account.with_credentials(credentials))
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
mod tests;
