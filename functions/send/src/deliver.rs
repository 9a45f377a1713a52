//! One call to Twilio, and what it means for the notification.

use std::time::Duration;

use domain::failure_response::{FailureResponse, Remedy, needs_operator, retry_pause};
use jiff::Timestamp;
use shared::{report::Chain, twilio::AccountCallError};
use stores::notifications::{Lease, NotificationOutcome, Subject};
use twilio_client::{NewMessage, TwilioError};
use twilio_types::{error_code::ErrorCode, sid::MessageSid};

use crate::{Next, SendError, SendFunction, ends::log_end, schedule::Draft};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Twilio has it.
    Taken(MessageSid),
    /// Refused for good, as it stands.
    Refused {
        /// What Twilio said.
        reason: String,
        /// Its code.
        code: Option<ErrorCode>,
        /// What else of the notification could go out instead.
        cure: Option<Remedy>,
    },
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

fn judge(error: TwilioError, attempts: usize) -> Delivery {
    match error {
        TwilioError::Rejected(refusal) => {
            let cure = match FailureResponse::of_code(refusal.code) {
                FailureResponse::NextOption(cure) => Some(cure),
                // Twilio refused before it tried: nothing was sent, and the same call may be answered otherwise later.
                FailureResponse::RetryAfter(pause) => {
                    let pause = retry_pause(pause, attempts).unsigned_abs();
                    return Delivery::NotDone { code: refusal.code, retry_after: Some(pause) };
                }
                FailureResponse::OptOut | FailureResponse::OptOutOfMarketing | FailureResponse::GiveUp => None,
            };
            Delivery::Refused { reason: refusal.to_string(), code: refusal.code, cure }
        }
        TwilioError::Unauthorized(refusal) => {
            tracing::error!(alarm = "configuration", refusal = %refusal, "Twilio refuses the account's credentials");
            Delivery::NotDone { code: refusal.code, retry_after: None }
        }
        TwilioError::NotDone { retry_after, response, .. } => {
            Delivery::NotDone { code: response.and_then(|response| response.code), retry_after }
        }
        TwilioError::Unknown { .. } => Delivery::Unknown,
    }
}

impl SendFunction {
    /// Asks Twilio to create the message.
    pub(crate) async fn deliver(&self, subject: &Subject, message: &NewMessage, attempts: usize) -> Delivery {
        let account_sid = &subject.account_sid;
        let created = self.twilio.call(account_sid, async |twilio| twilio.create(message).await).await;
        match created {
            Ok(message) => Delivery::Taken(message.sid),
            Err(error) => {
                tracing::warn!(notification_id = %subject.id, error = %Chain(&error), "not taken by Twilio");
                match error {
                    AccountCallError::Twilio(error) => judge(error, attempts),
                    AccountCallError::NoCredentials(_) => Delivery::NotDone { code: None, retry_after: None },
                }
            }
        }
    }

    /// The end of a notification that Twilio refused: an opt-out that Twilio knows of counts as one said to us.
    pub(crate) async fn end_refused(
        &self,
        draft: &Draft<'_>,
        held: &Lease,
        reason: String,
        code: Option<ErrorCode>,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let subject = &draft.job.subject;
        if let Some(code) = code.filter(|code| needs_operator(*code)) {
            tracing::error!(notification_id = %subject.id, %code, alarm = "configuration", "refused by Twilio");
        }
        let outcome = match FailureResponse::of_code(code) {
            FailureResponse::OptOut | FailureResponse::OptOutOfMarketing => {
                NotificationOutcome::Suppressed { reason, code }
            }
            _ => NotificationOutcome::Rejected { reason, code },
        };
        let settled = self.notifications.settle_claim(subject, held, &outcome, Vec::new(), now).await?;
        log_end(subject, &outcome, settled);
        Ok(Next::Done)
    }
}
