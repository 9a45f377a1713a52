//! `DELETE /notifications/{id}`: cancels a notification that was not sent yet, or what may follow its message.

use domain::{notification::NotificationId, progress::CancelOutcome, trace_id::TraceId};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use shared::{
    http_reply::{RequestError, RequestProblem},
    log::traced,
};
use stores::{
    cancel_notification::describe_refusal, notification_log::NotificationLog, notifications::StoredNotification,
};
use twilio_types::sid::AccountSid;

use crate::ContactsFunction;

/// A notification that was just put on a queue is not known here before `send` has read it.
const NOT_STORED: &str =
    "there is no such notification; one that was just put on a queue is stored within seconds: try again";

impl ContactsFunction {
    /// Gives the log of the cancelled notification, as `GET` does. A repeated request changes nothing.
    pub(crate) async fn cancel(
        &self,
        account_sid: &AccountSid,
        ids: &[NotificationId],
        caller: Option<&str>,
        now: Timestamp,
    ) -> Result<NotificationLog, RequestError> {
        let not_stored = || RequestProblem::new(StatusCode::NOT_FOUND, "id", NOT_STORED);
        let found = self.find(account_sid, ids).await?.ok_or_else(not_stored)?;
        let (stored, outcome) = self.canceller.cancel(found, caller, now).await?.ok_or_else(not_stored)?;
        log(&stored, outcome);
        if let CancelOutcome::Refused(refusal) = outcome {
            let refusal = describe_refusal(&stored, refusal);
            return Err(RequestProblem::new(StatusCode::CONFLICT, "id", refusal).into());
        }
        Ok(self.logs.log_of(stored).await?)
    }
}

fn log(stored: &StoredNotification, outcome: CancelOutcome) {
    let (notification_id, state) = (&stored.subject.id, stored.state().as_str());
    let trace = traced(&TraceId::of_notification(&stored.subject.account_sid, notification_id));
    trace.in_scope(|| match outcome {
        CancelOutcome::Cancelled => tracing::info!(%notification_id, state, "a notification is cancelled"),
        CancelOutcome::AlreadyCancelled => {}
        CancelOutcome::Refused(_) => {
            tracing::info!(%notification_id, state, "a notification cannot be cancelled any more");
        }
    });
}
