//! The account's auth tokens at Twilio. Source: Twilio, "Auth Tokens" and "Secondary Auth Token".

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, Credentials, ErrorResponse, Product, TwilioClient, TwilioError};
use twilio_types::sid::AccountSid;

use crate::{error::CommandError, rotation::TokenStatus};

const SECONDARY: &str = "/v1/AuthTokens/Secondary";
const PROMOTE: &str = "/v1/AuthTokens/Promote";

/// Twilio's API with the account's own tokens: it accepts no API key for them.
pub(super) struct TokensAtTwilio {
    client: TwilioClient,
    pub(super) account_sid: AccountSid,
}

/// The outcome of creating a secondary token.
pub(super) enum SecondaryToken {
    Created(SecretString),
    /// The account has one already, whose value Twilio does not show again.
    Exists(ErrorResponse),
}

#[derive(Deserialize)]
struct CreatedToken {
    secondary_auth_token: SecretString,
}

#[derive(Deserialize)]
struct PromotedToken {
    auth_token: Option<SecretString>,
}

impl TokensAtTwilio {
    pub(super) fn new(client: TwilioClient, account_sid: AccountSid) -> Self {
        Self { client, account_sid }
    }

    fn account(&self, token: &SecretString) -> AccountClient {
        let credentials = Credentials::auth_token(&self.account_sid, token.clone());
        self.client.account(self.account_sid.clone(), credentials)
    }

    pub(super) async fn status(&self, token: &SecretString) -> Result<TokenStatus, CommandError> {
        let account = self.account(token);
        let request = ApiRequest::get(Product::Api, account.resource_path("Messages.json")).query([("PageSize", "1")]);
        match account.call::<Value>(request).await {
            Ok(_) => Ok(TokenStatus::Accepted),
            Err(TwilioError::Unauthorized(_)) => Ok(TokenStatus::Refused),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn create_secondary(&self, token: &SecretString) -> Result<SecondaryToken, CommandError> {
        let request = ApiRequest::post(Product::Accounts, SECONDARY);
        match self.account(token).call::<CreatedToken>(request).await {
            Ok(created) => Ok(SecondaryToken::Created(created.secondary_auth_token)),
            Err(TwilioError::Rejected(response)) if is_conflict(&response) => Ok(SecondaryToken::Exists(response)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn delete_secondary(&self, token: &SecretString) -> Result<(), CommandError> {
        let request = ApiRequest::delete(Product::Accounts, SECONDARY);
        self.account(token).call::<Value>(request).await?;
        Ok(())
    }

    /// Makes the secondary token the primary one. Gives the token that Twilio signs with from now on, if the answer has it.
    pub(super) async fn promote(&self, token: &SecretString) -> Result<Option<SecretString>, CommandError> {
        let request = ApiRequest::post(Product::Accounts, PROMOTE);
        let answer: Option<PromotedToken> = self.account(token).call(request).await?;
        Ok(answer.and_then(|promoted| promoted.auth_token))
    }
}

fn is_conflict(response: &ErrorResponse) -> bool {
    response.status == 409 || response.code.is_some_and(|code| code.get() == 20409)
}
