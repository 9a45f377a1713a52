//! `POST /verifications/check`: has Verify check the code that a person entered. Nothing is stored of it.

use std::sync::Arc;

use domain::verification::{CheckRequest, CheckTarget, VerificationRefusal};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use shared::{deadline::Deadline, http_reply::RequestError, twilio::TwilioAccounts};
use stores::verifications::Verifications;
use twilio_client::{VerificationResource, VerificationTarget};
use twilio_types::sid::{AccountSid, VerificationSid};

use crate::{
    accounts::VerifyAccount,
    problem::{FailedCall, VerifyError, VerifyProblem, log_refusal, retry_at},
};

#[derive(Debug)]
pub(crate) struct CodeChecker {
    pub(crate) twilio: Arc<TwilioAccounts>,
    pub(crate) verifications: Verifications,
}

/// The answer to a check.
#[derive(Debug, Serialize)]
pub(crate) struct CheckAnswer {
    account_sid: AccountSid,
    sid: VerificationSid,
    /// `approved`, or `pending` if the code is wrong.
    status: String,
    /// Whether the code is right.
    valid: bool,
}

const APPROVED: &str = "approved";

impl CodeChecker {
    pub(crate) async fn check(
        &self,
        request: CheckRequest,
        account: VerifyAccount<'_>,
        twilio_by: Deadline,
    ) -> Result<CheckAnswer, VerifyError> {
        let target = self.target(account.account_sid, request.target).await?;
        let code = SecretString::from(request.code.expose());
        let checked = self.twilio.call_owned(account.account_sid, twilio_by, |client| {
            let (service, target, code) = (account.service_sid.clone(), target.clone(), code.clone());
            async move { client.check_verification(&service, &target, &code).await }
        });
        match checked.await {
            Ok(VerificationResource { sid, status, .. }) => {
                let account_sid = account.account_sid.clone();
                tracing::info!(%account_sid, %sid, status, "a one-time password was checked");
                Ok(CheckAnswer { account_sid, sid, valid: status == APPROVED, status })
            }
            Err(error) => Err(self.problem(account, &target, error.into(), twilio_by).await),
        }
    }

    async fn target(&self, account_sid: &AccountSid, target: CheckTarget) -> Result<VerificationTarget, VerifyError> {
        let id = match target {
            CheckTarget::Sid(sid) => return Ok(VerificationTarget::Sid(sid)),
            CheckTarget::To(to) => return Ok(VerificationTarget::To(to)),
            CheckTarget::Id(id) => id,
        };
        let now = Timestamp::now();
        let stored = self.verifications.get(account_sid, &id).await?;
        // DynamoDB deletes late, so an expired item may still be stored.
        match stored.filter(|stored| stored.expires_at >= now.as_second()) {
            None => Err(VerifyProblem::not_found().into()),
            Some(stored) => match stored.sent {
                Some(sent) => Ok(VerificationTarget::Sid(sent.sid)),
                None => Err(VerifyProblem::in_progress(stored.lease_until.max(now)).into()),
            },
        }
    }

    async fn problem(
        &self,
        account: VerifyAccount<'_>,
        target: &VerificationTarget,
        error: FailedCall,
        twilio_by: Deadline,
    ) -> VerifyError {
        let now = Timestamp::now();
        match error {
            FailedCall::Refused { refusal, code, retry_after } => {
                log_refusal(refusal, code);
                let until = match refusal {
                    // Until the verification expires.
                    VerificationRefusal::TooManyChecks => {
                        let found = self.twilio.call_owned(account.account_sid, twilio_by, |client| {
                            let (service, target) = (account.service_sid.clone(), target.clone());
                            async move { client.fetch_verification(&service, &target).await }
                        });
                        let began_at = found.await.ok().flatten().and_then(|found| found.created_at);
                        let validity = account.settings.code_minutes.duration();
                        began_at.unwrap_or(now).saturating_add(validity).ok()
                    }
                    refusal => retry_at(refusal, retry_after, now),
                };
                let problem = VerifyProblem::of_refusal(refusal, code, until);
                // Nothing else of a check can be invalid.
                let is_code = refusal == VerificationRefusal::InvalidParameter;
                if is_code { problem.of_field("code").into() } else { problem.into() }
            }
            FailedCall::Unreachable => VerifyProblem::unreachable(now).into(),
            FailedCall::Unknown => VerifyProblem::unknown_check(now).into(),
            FailedCall::Operator(error) => VerifyError::Request(RequestError::Internal(error.into())),
        }
    }
}
