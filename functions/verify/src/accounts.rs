//! The account of a request, with what it sets for one-time passwords.

use domain::{tenants::Tenants, verify_settings::VerifySettings};
use lambda_http::http::StatusCode;
use shared::http_reply::RequestProblem;
use twilio_types::sid::{AccountSid, VerifyServiceSid};

/// An account with the service that sends its codes. A Verify service belongs to one account, so that no other account can
/// use it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerifyAccount<'a> {
    pub(crate) account_sid: &'a AccountSid,
    pub(crate) service_sid: &'a VerifyServiceSid,
    pub(crate) settings: &'a VerifySettings,
}

impl<'a> VerifyAccount<'a> {
    /// An account, if it has a service.
    pub(crate) fn of(tenants: &'a Tenants, account_sid: &'a AccountSid) -> Result<Self, RequestProblem> {
        let settings = &tenants.of(account_sid).verify;
        match &settings.service_sid {
            Some(service_sid) => Ok(Self { account_sid, service_sid, settings }),
            None => Err(RequestProblem::new(StatusCode::NOT_FOUND, "account_sid", NO_SERVICE)),
        }
    }
}

const NO_SERVICE: &str = "the account has no Verify service here: its operator sets VerifyServiceSid, or verify.service_sid of the \
                          account in the tenants document";
