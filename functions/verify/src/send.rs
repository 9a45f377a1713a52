//! `POST /verifications`: sends a code once for each id, on the first channel that is available.
//!
//! The steps of [`CodeSender::send`] are those that [`stores::verifications`] describes.

use std::sync::Arc;

use domain::{
    contact_key::ContactKey,
    suppression::Scope,
    verification::{
        ChannelAttempt, ChannelResult, SentVerification, VerificationId, VerificationRefusal, VerificationRequest,
        was_sent_by,
    },
};
use jiff::Timestamp;
use serde::Serialize;
use shared::{deadline::Deadline, http_reply::RequestError, twilio::TwilioAccounts};
use stores::{
    contacts::Contacts,
    dynamodb::StoreError,
    verifications::{StoredVerification, VerificationClaim, VerificationState, Verifications},
};
use twilio_client::{NewVerification, VerificationResource, VerificationTarget};
use twilio_types::{sid::AccountSid, verification::VerificationChannel};

use crate::{
    LEASE,
    accounts::VerifyAccount,
    problem::{
        FailedCall, VerifyError, VerifyProblem, log_refusal, log_unavailable_channel, log_unsupported_locale, retry_at,
    },
};

#[derive(Debug)]
pub(crate) struct CodeSender {
    pub(crate) twilio: Arc<TwilioAccounts>,
    pub(crate) verifications: Verifications,
    pub(crate) contacts: Contacts,
}

/// The answer to a request whose code was sent, and to each repetition of it.
#[derive(Debug, Serialize)]
pub(crate) struct SendAnswer {
    id: VerificationId,
    account_sid: AccountSid,
    #[serde(flatten)]
    sent: SentVerification,
}

/// How often a claim is tried again because the person wrote, or because another request with the id was faster.
const MAX_ROUNDS: usize = 5;

/// One request and its account.
#[derive(Debug, Clone, Copy)]
struct Sending<'a> {
    request: &'a VerificationRequest,
    account: VerifyAccount<'a>,
    twilio_by: Deadline,
}

impl<'a> Sending<'a> {
    fn key(&self) -> (&'a AccountSid, &'a VerificationId) {
        (self.account.account_sid, &self.request.id)
    }

    fn target(&self) -> VerificationTarget {
        VerificationTarget::To(self.request.to.clone())
    }

    fn sent(
        &self,
        found: &VerificationResource,
        channel: VerificationChannel,
        tried: Vec<ChannelAttempt>,
    ) -> SentVerification {
        let now = Timestamp::now();
        let began_at = found.created_at.unwrap_or(now);
        let sent = ChannelAttempt { channel, result: ChannelResult::Sent, twilio_code: None };
        SentVerification {
            sid: found.sid.clone(),
            status: found.status.clone(),
            channel,
            attempts: tried.into_iter().chain([sent]).collect(),
            sent_at: now,
            valid_until: began_at
                .saturating_add(self.account.settings.code_minutes.duration())
                .unwrap_or(Timestamp::MAX),
        }
    }
}

impl CodeSender {
    pub(crate) async fn send(
        &self,
        request: VerificationRequest,
        account: VerifyAccount<'_>,
        twilio_by: Deadline,
    ) -> Result<SendAnswer, VerifyError> {
        let sent = self.send_once(Sending { request: &request, account, twilio_by }).await?;
        Ok(SendAnswer { account_sid: account.account_sid.clone(), id: request.id, sent })
    }

    async fn send_once(&self, sending: Sending<'_>) -> Result<SentVerification, VerifyError> {
        let (account_sid, id) = sending.key();
        let contact = ContactKey::of_phone(account_sid, &sending.request.to);
        let digest = sending.request.digest();
        for _ in 0..MAX_ROUNDS {
            let now = Timestamp::now();
            let (found, person) = tokio::join!(self.verifications.get(account_sid, id), self.contacts.person(&contact));
            let seen = match VerificationState::of(found?, &digest, now) {
                VerificationState::Sent(sent) => return Ok(sent),
                VerificationState::IdReused => return Err(VerifyProblem::id_reused().into()),
                VerificationState::New => None,
                VerificationState::Unsettled(stored) => {
                    if let Some(sent) = self.find_sent(&sending, &stored, Vec::new()).await? {
                        return Ok(sent);
                    }
                    if stored.lease_until > now {
                        return Err(VerifyProblem::in_progress(stored.lease_until).into());
                    }
                    Some(stored.lease_id)
                }
            };
            let person = person?;
            // A STOP that covers one sender does not cover Verify's, which is not known here.
            if person.person.suppressed_by([&Scope::All]).is_some() {
                return Err(VerifyProblem::suppressed().into());
            }
            let claim = StoredVerification::claimed(digest.clone(), LEASE, now);
            let claimed =
                self.verifications.claim(sending.key(), seen.as_ref(), &claim, (&self.contacts, &person), now).await?;
            if claimed == VerificationClaim::Claimed {
                return self.send_claimed(&sending, &claim).await;
            }
        }
        Err(StoreError::contended("claiming a verification in the Verifications table").into())
    }

    /// Tries the channels in their order. After a refusal nothing was sent, so that the claim is given back.
    async fn send_claimed(
        &self,
        sending: &Sending<'_>,
        claim: &StoredVerification,
    ) -> Result<SentVerification, VerifyError> {
        let mut tried = Vec::new();
        let mut last_code = None;
        let mut locale = sending.request.locale.clone();
        for &channel in sending.request.channels(sending.account.settings) {
            let error = match self.start_in_language(sending, channel, &mut locale).await {
                Ok(started) => {
                    let sent = sending.sent(&started, started.channel.unwrap_or(channel), tried);
                    let (account_sid, id) = sending.key();
                    tracing::info!(%account_sid, verification_id = %id, sid = %sent.sid, channel = channel.as_str(), "a one-time password was sent");
                    return Ok(self.verifications.settle(sending.key(), &claim.lease_id, sent).await?);
                }
                Err(error) => error,
            };
            match error {
                FailedCall::Refused { refusal: VerificationRefusal::ChannelUnavailable, code, .. } => {
                    log_unavailable_channel(channel.as_str(), code);
                    tried.push(ChannelAttempt { channel, result: ChannelResult::Unavailable, twilio_code: code });
                    last_code = code;
                }
                FailedCall::Unknown => {
                    // It is not certain that a code that is not there now will not be sent, so that only a later request
                    // with the same id may send it again.
                    return match self.find_sent(sending, claim, tried).await? {
                        Some(sent) => Ok(sent),
                        None => Err(VerifyProblem::unknown_outcome(claim.lease_until).into()),
                    };
                }
                error => {
                    self.verifications.release(sending.key(), &claim.lease_id, Timestamp::now()).await?;
                    return Err(self.problem(sending, error).await);
                }
            }
        }
        self.verifications.release(sending.key(), &claim.lease_id, Timestamp::now()).await?;
        Err(VerifyProblem::of_refusal(VerificationRefusal::ChannelUnavailable, last_code, None).into())
    }

    /// Starts the verification in the language of the request, or without one if Verify does not have it.
    async fn start_in_language(
        &self,
        sending: &Sending<'_>,
        channel: VerificationChannel,
        locale: &mut Option<String>,
    ) -> Result<VerificationResource, FailedCall> {
        let started = self.start(sending, channel, locale.clone()).await;
        match started {
            Err(FailedCall::Refused { refusal, code, .. }) if locale.is_some() && refusal.may_be_about_locale(code) => {
                log_unsupported_locale(code);
                *locale = None;
                self.start(sending, channel, None).await
            }
            started => started,
        }
    }

    async fn start(
        &self,
        sending: &Sending<'_>,
        channel: VerificationChannel,
        locale: Option<String>,
    ) -> Result<VerificationResource, FailedCall> {
        let Sending { request, account, twilio_by } = sending;
        let verification =
            NewVerification { to: request.to.clone(), channel, locale, rate_limits: request.rate_limits.clone() };
        let started = self.twilio.call_owned(account.account_sid, *twilio_by, |client| {
            let (service, verification) = (account.service_sid.clone(), verification.clone());
            async move { client.start_verification(&service, &verification).await }
        });
        Ok(started.await?)
    }

    /// Asks Verify whether it has sent a code to the number since the claim, and records it then.
    async fn find_sent(
        &self,
        sending: &Sending<'_>,
        claim: &StoredVerification,
        tried: Vec<ChannelAttempt>,
    ) -> Result<Option<SentVerification>, VerifyError> {
        let Ok(found) = self.fetch(sending).await else {
            return Err(VerifyProblem::unknown_outcome(claim.lease_until.max(Timestamp::now())).into());
        };
        let Some(found) = found else { return Ok(None) };
        let Some(code) = found.sent_codes.iter().rev().find(|code| was_sent_by(claim.began_at, code.at)) else {
            return Ok(None);
        };
        let Some(channel) = code.channel.or(found.channel) else { return Ok(None) };
        let (account_sid, id) = sending.key();
        tracing::info!(%account_sid, verification_id = %id, sid = %found.sid, "a one-time password whose answer was lost was sent");
        let sent = sending.sent(&found, channel, tried);
        Ok(Some(self.verifications.settle(sending.key(), &claim.lease_id, sent).await?))
    }

    async fn fetch(&self, sending: &Sending<'_>) -> Result<Option<VerificationResource>, FailedCall> {
        let fetched = self.twilio.call_owned(sending.account.account_sid, sending.twilio_by, |client| {
            let (service, target) = (sending.account.service_sid.clone(), sending.target());
            async move { client.fetch_verification(&service, &target).await }
        });
        Ok(fetched.await?)
    }

    async fn problem(&self, sending: &Sending<'_>, error: FailedCall) -> VerifyError {
        let now = Timestamp::now();
        match error {
            FailedCall::Refused { refusal, code, retry_after } => {
                // A service that does not exist is answered as a verification that does not.
                let refusal =
                    if refusal == VerificationRefusal::NotFound { VerificationRefusal::Misconfigured } else { refusal };
                log_refusal(refusal, code);
                let until = match refusal {
                    // Until the verification expires.
                    VerificationRefusal::TooManySends => {
                        let found = self.fetch(sending).await.ok().flatten();
                        let began_at = found.and_then(|found| found.created_at).unwrap_or(now);
                        began_at.saturating_add(sending.account.settings.code_minutes.duration()).ok()
                    }
                    refusal => retry_at(refusal, retry_after, now),
                };
                VerifyProblem::of_refusal(refusal, code, until).into()
            }
            FailedCall::Unreachable | FailedCall::Unknown => VerifyProblem::unreachable(now).into(),
            FailedCall::Operator(error) => VerifyError::Request(RequestError::Internal(error.into())),
        }
    }
}
