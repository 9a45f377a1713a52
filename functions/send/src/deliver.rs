//! The request to Twilio that creates a message, and what its answer says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    failure_response::asks_to_slow_down,
    progress::{CreateAnswer, CreateFailure},
};
use jiff::{SignedDuration, Timestamp};
use shared::{
    metric::failure_code,
    report::Chain,
    twilio::{AccountCallError, TwilioAccounts},
};
use twilio_client::{ErrorResponse, NewMessage, TwilioError};

use crate::{backoff, claim::Claimed, email::Emails, outgoing::Outgoing, studio::Executions};

/// Calls Twilio, or SendGrid.
#[derive(Debug)]
pub(crate) struct Deliverer {
    pub(crate) twilio: Arc<TwilioAccounts>,
    pub(crate) emails: Arc<Emails>,
    pub(crate) executions: Executions,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Answered(CreateAnswer),
    /// The answer is that the sender sends too fast.
    TooFast(CreateAnswer),
    /// The message may exist. What came instead of an answer that says so.
    OutcomeUnknown(String),
}

impl Delivery {
    /// The line by which requests are counted by their answer, and refusals by their code, and that has the time to the answer.
    fn log(&self, claimed: &Claimed<'_>, time: Duration) {
        let (answer, refusal) = match self {
            Self::TooFast(answer) => ("throttled", refusal_in(answer)),
            Self::Answered(answer @ (CreateAnswer::Accepted(_) | CreateAnswer::AcceptedElsewhere(_))) => {
                ("accepted", refusal_in(answer))
            }
            Self::Answered(answer @ CreateAnswer::Refused(_)) => ("refused", refusal_in(answer)),
            Self::Answered(CreateAnswer::NotDone(..)) => ("not_done", None),
            Self::OutcomeUnknown(_) => ("unknown", None),
        };
        tracing::info!(
            notification_id = %claimed.job.notification.id,
            channel = claimed.plan.route.channel.as_str(),
            answer,
            failure_code = refusal.map(|failure| failure_code(failure.code)),
            request_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            "a message was requested"
        );
    }
}

fn refusal_in(answer: &CreateAnswer) -> Option<&CreateFailure> {
    if let CreateAnswer::Refused(failure) = answer { Some(failure) } else { None }
}

/// A message whose claim took longer than this is not sent now. If DynamoDB did not answer for a while, many functions get their claims at
/// the same moment, and Twilio would get all these messages within one second.
const MAX_CLAIM_TIME: SignedDuration = SignedDuration::from_secs(1);

/// Source: RFC 6585, "429 Too Many Requests".
const TOO_MANY_REQUESTS: u16 = 429;

impl Deliverer {
    pub(crate) fn new(twilio: &Arc<TwilioAccounts>, emails: Arc<Emails>) -> Self {
        Self { twilio: Arc::clone(twilio), emails, executions: Executions { twilio: Arc::clone(twilio) } }
    }

    /// Asks Twilio to create the message, SendGrid to send the e-mail, or Twilio Studio to start the flow, unless the claim came too late after its slot.
    pub(crate) async fn deliver(&self, claimed: &Claimed<'_>) -> Delivery {
        if let Some(answer) = missed_slot(claimed.slot, Timestamp::now()) {
            return Delivery::Answered(answer);
        }
        let began = Instant::now();
        let delivery = match &claimed.message {
            Outgoing::Message(message) => self.create(claimed, message).await,
            Outgoing::Email(email) => Box::pin(self.emails.send(claimed, email)).await,
            Outgoing::Execution(execution) => Box::pin(self.executions.start(claimed, execution)).await,
        };
        delivery.log(claimed, began.elapsed());
        delivery
    }

    async fn create(&self, claimed: &Claimed<'_>, message: &NewMessage) -> Delivery {
        let account_sid = &claimed.job.account_sid;
        let deadline = claimed.job.message.deadline;
        let request = self.twilio.call(account_sid, deadline, async |twilio| twilio.create(message).await);
        // On the heap: ten of these wait at the same time.
        match Box::pin(request).await {
            Ok(created) => Delivery::Answered(CreateAnswer::Accepted(created.sid)),
            Err(error) => {
                tracing::warn!(
                    notification_id = %claimed.job.notification.id,
                    error = %Chain(&error),
                    "Twilio did not accept a message"
                );
                of_error(error, claimed.attempt() + 1)
            }
        }
    }
}

/// The answer instead of a request, if the slot has passed.
fn missed_slot(slot: Timestamp, now: Timestamp) -> Option<CreateAnswer> {
    let reason = "the claim took so long that the message missed its slot";
    let failure = CreateFailure { reason: Some(reason.to_owned()), code: None };
    (now.duration_since(slot) > MAX_CLAIM_TIME).then_some(CreateAnswer::NotDone(failure, SignedDuration::ZERO))
}

/// What a failed request says about its message, after this many attempts.
pub(crate) fn of_error(error: AccountCallError, attempts: usize) -> Delivery {
    let AccountCallError::Twilio(error) = error else {
        return Delivery::Answered(not_done(&error.to_string(), None, attempts, None));
    };
    let text = error.to_string();
    match error {
        TwilioError::Rejected(response) => {
            let failure = CreateFailure { reason: Some(response.to_string()), code: response.code };
            answered(&response, CreateAnswer::Refused(failure))
        }
        TwilioError::Unauthorized(response) => {
            tracing::error!(alarm = "configuration", %response, "Twilio refuses the account's credentials");
            Delivery::Answered(not_done(&text, Some(&response), attempts, None))
        }
        TwilioError::NotDone { retry_after, response, .. } => {
            let answer = not_done(&text, response.as_ref(), attempts, retry_after);
            match response {
                Some(response) => answered(&response, answer),
                None => Delivery::Answered(answer),
            }
        }
        TwilioError::Unknown { .. } => Delivery::OutcomeUnknown(text),
    }
}

/// An answer of something between here and Twilio has no code, so its HTTP status counts too.
fn answered(response: &ErrorResponse, answer: CreateAnswer) -> Delivery {
    let is_too_fast = response.status == TOO_MANY_REQUESTS || response.code.is_some_and(asks_to_slow_down);
    if is_too_fast { Delivery::TooFast(answer) } else { Delivery::Answered(answer) }
}

fn not_done(
    reason: &str,
    response: Option<&ErrorResponse>,
    attempts: usize,
    retry_after: Option<Duration>,
) -> CreateAnswer {
    let failure = CreateFailure { reason: Some(reason.to_owned()), code: response.and_then(|response| response.code) };
    let pause = backoff::full_jitter(attempts).max(retry_after.unwrap_or_default());
    CreateAnswer::NotDone(failure, SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, code: Option<u32>) -> ErrorResponse {
        ErrorResponse::new(status, code.map(|code| code.to_string().parse().unwrap()))
    }

    fn not_done_with(status: u16, code: Option<u32>, retry_after: Option<Duration>) -> Delivery {
        let error = TwilioError::NotDone { retry_after, response: Some(response(status, code)), source: None };
        of_error(error.into(), 1)
    }

    #[test]
    fn message_whose_claim_took_too_long_gets_another_slot_at_once() {
        let slot = Timestamp::from_second(1_790_000_000).unwrap();
        assert_eq!(missed_slot(slot, slot + SignedDuration::from_millis(900)), None);
        let missed = missed_slot(slot, slot + SignedDuration::from_secs(2));
        assert!(matches!(missed, Some(CreateAnswer::NotDone(_, SignedDuration::ZERO))), "{missed:?}");
    }

    #[test]
    fn refusal_keeps_its_code_and_reason() {
        let Delivery::Answered(CreateAnswer::Refused(failure)) =
            of_error(TwilioError::Rejected(response(400, Some(21211))).into(), 1)
        else {
            panic!("expected a refusal");
        };
        assert_eq!(failure.code, "21211".parse().ok());
        assert!(failure.reason.unwrap().starts_with("HTTP 400, code 21211"));
    }

    #[test]
    fn too_many_requests_slow_the_sender_down_also_without_a_code() {
        assert!(matches!(not_done_with(429, None, None), Delivery::TooFast(CreateAnswer::NotDone(..))));
        assert!(matches!(not_done_with(503, Some(20429), None), Delivery::TooFast(_)));
        let rejected = TwilioError::Rejected(response(400, Some(63018)));
        assert!(matches!(of_error(rejected.into(), 1), Delivery::TooFast(CreateAnswer::Refused(_))));
    }

    #[test]
    fn request_that_was_not_sent_is_repeated_and_slows_nothing_down() {
        let not_reached = TwilioError::NotDone { retry_after: None, response: None, source: None };
        let unauthorized = TwilioError::Unauthorized(response(401, Some(20003)));
        let no_account = AccountCallError::NoCredentials("AC00000000000000000000000000000001".parse().unwrap());
        for error in [not_reached.into(), unauthorized.into(), no_account] {
            assert!(matches!(of_error(error, 1), Delivery::Answered(CreateAnswer::NotDone(..))));
        }
    }

    #[test]
    fn pause_is_at_least_as_long_as_twilio_asked() {
        let Delivery::TooFast(CreateAnswer::NotDone(_, pause)) = not_done_with(429, None, Some(Duration::from_mins(5)))
        else {
            panic!("expected a throttled request");
        };
        assert_eq!(pause, SignedDuration::from_mins(5));
    }

    #[test]
    fn lost_answer_leaves_the_outcome_unknown() {
        for response in [None, Some(response(500, None))] {
            let error = TwilioError::Unknown { response, source: None };
            assert!(matches!(of_error(error.into(), 1), Delivery::OutcomeUnknown(_)));
        }
    }
}
