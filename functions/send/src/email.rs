//! E-mails by SendGrid: composed, checked against SendGrid's suppression lists before the claim, and sent after it.
//!
//! SendGrid drops an e-mail to a suppressed address by itself, and reports that as `dropped`. Its lists are asked before all the
//! same, because then the next option follows at once. If they cannot be read, the e-mail is sent.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    email::{
        EmailAddress, EmailTemplateId,
        custom_args::{ACCOUNT, ATTEMPT, NOTIFICATION},
    },
    progress::{CreateAnswer, CreateFailure, ExternalId},
};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use sendgrid_client::{EmailSender, NewEmail, SendGridClient, SendGridError, SentEmail};
use serde_json::{Map, Value};
use shared::{deadline::Deadline, report::Chain, twilio::TwilioAccounts};
use twilio_types::sid::AccountSid;

use crate::{backoff, claim::Claimed, compose::ComposeError, deliver::Delivery, job::Job};

/// How long SendGrid's lists may take. The other messages of the batch wait for them.
const LISTS_TIMEOUT: Duration = Duration::from_secs(2);

/// Composes and sends e-mails.
#[derive(Debug)]
pub(crate) struct Emails {
    pub(crate) sendgrid: SendGridClient,
    /// Its secret has the API keys.
    pub(crate) twilio: Arc<TwilioAccounts>,
}

impl Emails {
    /// The e-mail of an attempt. An e-mail that SendGrid would not deliver is passed over.
    pub(crate) async fn compose(
        &self,
        job: &Job<'_>,
        option: usize,
        (template_id, variables): (&EmailTemplateId, &Map<String, Value>),
        attempt: usize,
    ) -> Result<NewEmail, ComposeError> {
        let settings = &job.settings().email;
        let Some(from) = &settings.from else {
            return Err(not_configured(job, "no address is configured that sends e-mails: set EmailSettings"));
        };
        let Some(to) = job.notification.email_recipient(option) else {
            return Err(ComposeError::Invalid("fallback: an e-mail has no recipient".to_owned()));
        };
        let group = settings.unsubscribe_group(job.notification.category);
        self.check_suppression(job, to, group).await?;
        Ok(NewEmail {
            from: EmailSender { address: from.as_str().to_owned(), name: settings.from_name.clone() },
            to: to.as_str().to_owned(),
            template_id: template_id.as_str().to_owned(),
            variables: variables.clone(),
            unsubscribe_group: group,
            custom_args: BTreeMap::from([
                (ACCOUNT.to_owned(), job.account_sid.to_string()),
                (NOTIFICATION.to_owned(), job.notification.id.to_string()),
                (ATTEMPT.to_owned(), attempt.to_string()),
            ]),
        })
    }

    async fn check_suppression(
        &self,
        job: &Job<'_>,
        to: &EmailAddress,
        group: Option<u32>,
    ) -> Result<(), ComposeError> {
        let Some(key) = self.key(&job.account_sid).await? else {
            return Err(not_configured(job, "the secret has no sendgrid_api_key for the account"));
        };
        let deadline = job.message.deadline.instant().min(Instant::now() + LISTS_TIMEOUT);
        match self.sendgrid.suppression(&key, to.as_str(), group, deadline).await {
            Ok(None) => Ok(()),
            Ok(Some(list)) => Err(ComposeError::PassedOver(list.to_string())),
            Err(error) => {
                tracing::warn!(
                    notification_id = %job.notification.id,
                    error = %Chain(&error),
                    "SendGrid's suppression lists were not read: SendGrid itself drops what they forbid"
                );
                Ok(())
            }
        }
    }

    async fn key(&self, account_sid: &AccountSid) -> Result<Option<SecretString>, ComposeError> {
        let accounts = self.twilio.secrets().current().await.map_err(ComposeError::Secret)?;
        Ok(accounts.sendgrid_api_key(account_sid).cloned())
    }

    /// Sends the e-mail of a claim.
    pub(crate) async fn send(&self, claimed: &Claimed<'_>, email: &NewEmail) -> Delivery {
        let account_sid = &claimed.job.account_sid;
        let Ok(Some(key)) = self.key(account_sid).await else {
            let reason = "the secret has no sendgrid_api_key for the account, or cannot be read".to_owned();
            return Delivery::Answered(not_done(reason, claimed.attempt() + 1, None));
        };
        match self.send_with(&key, account_sid, email, claimed.job.message.deadline).await {
            Ok(sent) => {
                let id = sent.message_id.as_deref().map(ExternalId::new);
                Delivery::Answered(CreateAnswer::AcceptedElsewhere(id))
            }
            Err(error) => {
                tracing::warn!(
                    notification_id = %claimed.job.notification.id,
                    error = %Chain(&error),
                    "SendGrid did not accept an e-mail"
                );
                of_error(&error, claimed.attempt() + 1)
            }
        }
    }

    /// SendGrid refuses a key that was replaced, and has done nothing then. So the request is repeated once with the key that the
    /// secret has now.
    async fn send_with(
        &self,
        key: &SecretString,
        account_sid: &AccountSid,
        email: &NewEmail,
        deadline: Deadline,
    ) -> Result<SentEmail, SendGridError> {
        let refused = match self.sendgrid.send(key, email, deadline.instant()).await {
            Err(error @ SendGridError::Unauthorized(_)) => error,
            answered => return answered,
        };
        let reread = deadline.run(self.twilio.secrets().reread()).await;
        let newer = reread.ok().and_then(Result::ok).flatten();
        let newer = newer.and_then(|accounts| accounts.sendgrid_api_key(account_sid).cloned());
        match newer.filter(|newer| newer.expose_secret() != key.expose_secret()) {
            Some(newer) => self.sendgrid.send(&newer, email, deadline.instant()).await,
            None => Err(refused),
        }
    }
}

/// E-mail is not configured: the next option is sent, and an alarm rings.
fn not_configured(job: &Job<'_>, reason: &str) -> ComposeError {
    tracing::error!(
        notification_id = %job.notification.id,
        reason,
        alarm = "configuration",
        "an e-mail cannot be sent because of a missing setting"
    );
    ComposeError::PassedOver(reason.to_owned())
}

/// What a failed request says about its e-mail, after this many attempts.
fn of_error(error: &SendGridError, attempts: usize) -> Delivery {
    let reason = error.to_string();
    match error {
        SendGridError::Rejected(_) => {
            Delivery::Answered(CreateAnswer::Refused(CreateFailure { reason: Some(reason), code: None }))
        }
        SendGridError::Unauthorized(response) => {
            tracing::error!(alarm = "configuration", %response, "SendGrid refuses the API key or the sender");
            Delivery::Answered(not_done(reason, attempts, None))
        }
        SendGridError::NotDone { retry_after, response, .. } => {
            let answer = not_done(reason, attempts, *retry_after);
            // Only an answer asks to slow down; without a connection there was none.
            if response.is_some() { Delivery::TooFast(answer) } else { Delivery::Answered(answer) }
        }
        SendGridError::Unknown { .. } => Delivery::OutcomeUnknown(reason),
    }
}

fn not_done(reason: String, attempts: usize, retry_after: Option<Duration>) -> CreateAnswer {
    let pause = backoff::full_jitter(attempts).max(retry_after.unwrap_or_default());
    let failure = CreateFailure { reason: Some(reason), code: None };
    CreateAnswer::NotDone(failure, SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use sendgrid_client::ErrorResponse;

    use super::*;

    fn response(status: u16) -> ErrorResponse {
        ErrorResponse { status, field: None }
    }

    #[test]
    fn refused_email_is_not_repeated() {
        let error = SendGridError::Rejected(response(400));
        assert!(matches!(of_error(&error, 1), Delivery::Answered(CreateAnswer::Refused(_))));
    }

    #[test]
    fn email_that_was_certainly_not_accepted_may_be_repeated() {
        let unreached = SendGridError::NotDone { retry_after: None, response: None, source: None };
        for error in [unreached, SendGridError::Unauthorized(response(401))] {
            assert!(matches!(of_error(&error, 1), Delivery::Answered(CreateAnswer::NotDone(..))), "{error}");
        }
        let retry_after = Some(Duration::from_mins(5));
        let throttled = SendGridError::NotDone { retry_after, response: Some(response(429)), source: None };
        let Delivery::TooFast(CreateAnswer::NotDone(_, pause)) = of_error(&throttled, 1) else { panic!() };
        assert!(pause >= SignedDuration::from_mins(5));
    }

    #[test]
    fn lost_answer_leaves_the_outcome_unknown() {
        for response in [None, Some(response(500))] {
            let error = SendGridError::Unknown { response, source: None };
            assert!(matches!(of_error(&error, 1), Delivery::OutcomeUnknown(_)));
        }
    }
}
