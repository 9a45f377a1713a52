//! One call to Twilio, and what it means for the notification.

use std::time::Duration;

use shared::{
    error_code::ErrorCode,
    notifications::{Outcome, Subject},
    report::Chain,
    secrets::{Credentials, Secrets},
    sid::{AccountSid, MessageSid},
    twilio::{NewMessage, TwilioClient, TwilioError},
};

/// Twilio's API with the accounts' credentials.
#[derive(Debug)]
pub(crate) struct Twilio {
    pub(crate) client: TwilioClient,
    pub(crate) secrets: Secrets,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Taken or refused for good.
    Ended(Outcome),
    /// Certainly not sent, and worth another try.
    NotDone {
        /// Twilio's code, where it answered.
        code: Option<ErrorCode>,
        /// What Twilio asked for.
        retry_after: Option<Duration>,
    },
    /// Perhaps sent.
    Unknown,
}

impl Twilio {
    pub(crate) fn credentials(&self, account_sid: &AccountSid) -> Option<Credentials> {
        self.secrets.accounts().credentials(account_sid)
    }

    /// Asks Twilio to create the message.
    pub(crate) async fn deliver(&self, subject: &Subject, credentials: Credentials, message: &NewMessage) -> Delivery {
        match self.create(&subject.account_sid, credentials, message).await {
            Ok(message_sid) => Delivery::Ended(Outcome::Accepted(message_sid)),
            Err(error) => {
                tracing::warn!(notification_id = %subject.id, error = %Chain(&error), "not taken by Twilio");
                judge(error)
            }
        }
    }

    /// Credentials that Twilio refuses may have been rotated since they were read: they are read once more, and a call
    /// that was refused for them has done nothing.
    async fn create(
        &self,
        account_sid: &AccountSid,
        credentials: Credentials,
        message: &NewMessage,
    ) -> Result<MessageSid, TwilioError> {
        let refused = match self.client.create(account_sid, &credentials, message).await {
            Err(TwilioError::Unauthorized(refusal)) => TwilioError::Unauthorized(refusal),
            answer => return answer.map(|message| message.sid),
        };
        let reread = self.secrets.reread().await.ok().flatten();
        match reread.and_then(|accounts| accounts.credentials(account_sid)) {
            Some(current) => self.client.create(account_sid, &current, message).await.map(|message| message.sid),
            None => Err(refused),
        }
    }
}

fn judge(error: TwilioError) -> Delivery {
    match error {
        TwilioError::Rejected(refusal) => {
            Delivery::Ended(Outcome::Rejected { reason: refusal.to_string(), code: refusal.code })
        }
        TwilioError::Unauthorized(refusal) => Delivery::NotDone { code: refusal.code, retry_after: None },
        TwilioError::NotDone { retry_after, refusal } => {
            Delivery::NotDone { code: refusal.and_then(|refusal| refusal.code), retry_after }
        }
        TwilioError::Unknown { .. } => Delivery::Unknown,
    }
}
