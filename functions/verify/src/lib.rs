//! One-time passwords by Twilio Verify: `POST /verifications` sends a code ([`send`]), on WhatsApp first and by SMS if WhatsApp
//! is not available, and `POST /verifications/check` checks the code that a person entered ([`check`]).
//!
//! Verify makes the code and checks it. Here it is only passed on: it is never stored, logged or shown.
//!
//! Callers are authorized by IAM, in API Gateway, and for an account by the tenants document. Environment:
//! `VERIFICATIONS_TABLE`, `CONTACTS_TABLE`, `TWILIO_SECRET_ID`, `TWILIO_ACCOUNT_SID`, `TWILIO_API_BASE_URL`, and optionally
//! `TENANTS_TABLE` ([`shared::tenants`]), `VERIFY_SERVICE_SID` (without it the account `TWILIO_ACCOUNT_SID` sends no code),
//! `VERIFY_CHANNELS` (`whatsapp,sms`), `VERIFY_CODE_MINUTES` (10) and `SECRET_MAX_AGE_SECONDS` (300).

use std::{convert::Infallible, sync::Arc, time::Duration};

use domain::{
    tenants::Tenants,
    verification::{CheckRequest, InvalidVerificationRequest, VerificationRequest},
};
use jiff::SignedDuration;
use lambda_http::{
    Body, Request, RequestExt as _, Response,
    http::{Method, StatusCode},
    request::RequestContext,
};
use shared::{
    deadline::Deadline,
    http_reply::{RequestError, RequestProblem, json, respond},
    http_request::{account, caller, one_account, text},
    tenants::{TenantCache, authorize},
};
use twilio_types::sid::AccountSid;

mod accounts;
mod check;
mod config;
mod problem;
mod send;

use accounts::VerifyAccount;
use check::CodeChecker;
use problem::{VerifyError, VerifyProblem, log_operator_fault};
use send::CodeSender;

/// The function's timeout in `template.yaml`: two requests to Twilio, which mostly answers within a second, and the writes. An
/// HTTP API waits for 30 s (Amazon API Gateway, "Quotas for configuring and running an HTTP API").
const TIMEOUT: Duration = Duration::from_secs(20);

/// The answer of Twilio is written down after the last request to Twilio has ended: one write, of at most 4.5 s.
const RESERVE: Duration = Duration::from_secs(5);

/// A claim lasts longer than the function may run, so that after it no function sends the code.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// The function.
#[derive(Debug)]
pub struct VerifyFunction {
    sender: CodeSender,
    checker: CodeChecker,
    tenants: TenantCache,
    /// The account of requests that name none.
    account_sid: AccountSid,
}

impl VerifyFunction {
    /// Answers 201 with what was sent, and 200 with the result of a check.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let deadline_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let deadline = Deadline::of_invocation(deadline_ms, TIMEOUT);
        let twilio_by = deadline.before(RESERVE);
        let answered = deadline.before(Duration::from_millis(500)).run(self.answer(&request, twilio_by)).await;
        let answered = answered.unwrap_or_else(|exceeded| Err(VerifyError::Request(exceeded.into())));
        Ok(match answered {
            Ok(response) => response,
            Err(VerifyError::Problem(problem)) => problem.into_response(),
            Err(VerifyError::Request(error)) => {
                log_operator_fault(&error);
                respond(Err(error))
            }
        })
    }

    async fn answer(&self, request: &Request, twilio_by: Deadline) -> Result<Response<Body>, VerifyError> {
        match (request.method(), request.raw_http_path()) {
            (&Method::POST, "/verifications") => {
                let wanted = VerificationRequest::parse(text(request.body())?).map_err(invalid)?;
                let (tenants, account_sid) = self.account_of(request, wanted.account_sid.clone()).await?;
                let account = VerifyAccount::of(&tenants, &account_sid)?;
                Ok(json(StatusCode::CREATED, &self.sender.send(wanted, account, twilio_by).await?))
            }
            (&Method::POST, "/verifications/check") => {
                let wanted = CheckRequest::parse(text(request.body())?).map_err(invalid)?;
                let (tenants, account_sid) = self.account_of(request, wanted.account_sid.clone()).await?;
                let account = VerifyAccount::of(&tenants, &account_sid)?;
                Ok(json(StatusCode::OK, &self.checker.check(wanted, account, twilio_by).await?))
            }
            _ => {
                let routes = "expected POST /verifications or POST /verifications/check";
                Err(RequestProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method", routes).into())
            }
        }
    }

    /// The account that the request names, or the default one, if the caller may name it; with the settings of all accounts now.
    async fn account_of(
        &self,
        request: &Request,
        of_body: Option<AccountSid>,
    ) -> Result<(Arc<Tenants>, AccountSid), RequestProblem> {
        let query = request.query_string_parameters_ref();
        let of_query = account(query.and_then(|query| query.all("account_sid")))?;
        let account_sid = one_account(of_body, of_query)?.unwrap_or_else(|| self.account_sid.clone());
        let tenants = self.tenants.current().await;
        let caller = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => caller(context),
            _ => None,
        };
        authorize(&tenants, &account_sid, caller)?;
        Ok((tenants, account_sid))
    }
}

fn invalid(InvalidVerificationRequest { field, problem }: InvalidVerificationRequest) -> RequestProblem {
    RequestProblem::new(StatusCode::BAD_REQUEST, field, problem)
}

impl From<RequestProblem> for VerifyError {
    fn from(problem: RequestProblem) -> Self {
        Self::Request(RequestError::Refused(problem))
    }
}

impl From<VerifyProblem> for VerifyError {
    fn from(problem: VerifyProblem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
