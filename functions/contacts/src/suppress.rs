//! `PUT /contacts/{contact}/suppression` suppresses a person as a STOP does, and `DELETE` lifts a suppression, which may be the
//! person's own STOP. Both are entries of the person's history with the reason and the caller.

use domain::{
    contact_key::ContactKey, preference::Preference, suppression::Scope, suppression_request::SuppressionRequest,
};
use jiff::Timestamp;
use lambda_http::{Request, RequestExt as _, http::StatusCode};
use serde::Serialize;
use shared::http_reply::{RequestError, RequestProblem};
use stores::contacts::PreferenceOutcome;
use twilio_types::{address::Recipient, sid::AccountSid};

use crate::{
    ContactsFunction,
    request::{caller, text},
};

/// The answer to both requests: what counts now, and what was stored before.
#[derive(Serialize)]
pub(crate) struct SuppressionAnswer {
    account_sid: AccountSid,
    contact: Recipient,
    scope: Scope,
    /// `current` if the request counts now, `historic` if a newer preference does.
    recorded: &'static str,
    #[serde(flatten)]
    outcome: PreferenceOutcome,
}

impl ContactsFunction {
    pub(crate) async fn suppress(
        &self,
        contact: Recipient,
        request: &Request,
        preference: Preference,
        now: Timestamp,
    ) -> Result<SuppressionAnswer, RequestError> {
        let query = request.query_string_parameters_ref();
        let query = query.into_iter().flat_map(|parameters| parameters.iter());
        let suppression = SuppressionRequest::parse(text(request)?, query)
            .map_err(|invalid| RequestProblem::new(StatusCode::BAD_REQUEST, invalid.field, invalid.problem))?;
        let account_sid = suppression.account_sid.clone().unwrap_or_else(|| self.account_sid.clone());
        self.authorize(&account_sid, request).await?;
        let key = ContactKey::of(&account_sid, &contact);
        let recorded_by = caller(request);
        let outcome = self.contacts.record_suppression(&key, &suppression, preference, recorded_by, now).await?;
        let (scope, recorded) = (suppression.scope, outcome.recorded());
        tracing::info!(
            %account_sid,
            scope = scope.name(),
            ?preference,
            recorded,
            changed = outcome.changed,
            lifted_own_stop = outcome.lifted_own_stop,
            "a suppression is set or lifted by request"
        );
        Ok(SuppressionAnswer { account_sid, contact, scope, recorded, outcome })
    }
}
