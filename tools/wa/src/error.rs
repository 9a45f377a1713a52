//! How a command fails: for people one line that says what is wrong and what would be right, for scripts an exit code.

use std::{error::Error, fmt, io};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use shared::{queues::QueueError, report::Chain, secrets::SecretsError};
use stores::{dynamodb::StoreError, fault::AwsFault};

/// Why a command ended without having done what it was asked. Each reason has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// The program that reads the output closed it, as `head` does.
    OutputClosed,
    /// The command did its work, and the answer is "no".
    AnswerIsNo,
    /// Wrong usage, or input that cannot be used.
    Usage,
    /// The thing that the command is about does not exist.
    NotFound,
    /// AWS or Twilio refused: the credentials, the permission, or the request itself.
    Refused,
    /// AWS or Twilio did not answer in time.
    NoAnswer,
    /// Ctrl-C.
    Interrupted,
}

impl ExitReason {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::AnswerIsNo => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::NoAnswer => 5,
            Self::Interrupted => 130,
        }
    }
}

/// A command that failed. `Display` is the message alone, [`Self::describe`] has the causes too.
///
/// `Debug` shows the reason alone: a message may name a phone number, and the `Debug` of an AWS SDK error holds the raw
/// answer, which may be a secret.
#[derive(thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    reason: ExitReason,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CommandError {
    fn new(reason: ExitReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), source: None }
    }

    /// The command did its work, and the answer is "no".
    pub fn answer_is_no(message: impl Into<String>) -> Self {
        Self::new(ExitReason::AnswerIsNo, message)
    }

    /// Wrong usage, or input that cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitReason::Usage, message)
    }

    /// The thing that the command is about does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ExitReason::NotFound, message)
    }

    /// AWS or Twilio refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ExitReason::Refused, message)
    }

    /// AWS or Twilio did not answer in time.
    pub fn no_answer(message: impl Into<String>) -> Self {
        Self::new(ExitReason::NoAnswer, message)
    }

    /// Ctrl-C ended the command.
    pub fn interrupted() -> Self {
        Self::new(ExitReason::Interrupted, "interrupted")
    }

    /// The same error with its cause, whose text follows the message.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The same error with a message before its own, as in `3 of 5 were recorded`. The exit code stays.
    #[must_use]
    pub fn after(self, message: impl Into<String>) -> Self {
        match self.reason {
            ExitReason::OutputClosed | ExitReason::Interrupted => self,
            reason => Self::new(reason, message).because(self),
        }
    }

    /// Why the command failed.
    pub const fn reason(&self) -> ExitReason {
        self.reason
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        self.reason.code()
    }

    /// The message and its causes, in one line.
    pub fn describe(&self) -> String {
        Chain(self).to_string()
    }

    /// A call to AWS that failed. `what` is what was tried, as in `reading the stack`.
    pub fn of_sdk<E, R>(what: &str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let fault = AwsFault::of(&error);
        match error.as_service_error() {
            Some(service) => {
                let answer = AwsAnswer { code: owned(service.code()), message: owned(service.message()) };
                Self::of_fault(fault, what, answer)
            }
            None => Self::of_fault(fault, what, error),
        }
    }

    fn of_fault(fault: AwsFault, what: &str, cause: impl Error + Send + Sync + 'static) -> Self {
        if lacks_credentials(&cause) {
            let remedy = "name a profile with --profile, log in with `aws sso login`, or set AWS_ACCESS_KEY_ID";
            // The cause is left out: it may repeat what a credential process wrote.
            return Self::refused(format!("{what}: no AWS credentials that can be used: {remedy}"));
        }
        let error = match fault {
            AwsFault::Unavailable => Self::no_answer(format!("{what}: no answer from AWS")),
            AwsFault::Denied => Self::refused(format!("{what}: refused by AWS")),
            AwsFault::Invalid => Self::usage(what),
        };
        error.because(cause)
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// What an AWS service answered when it refused: its code and its message, without the SDK's own wrapping.
#[derive(Debug)]
struct AwsAnswer {
    code: Option<String>,
    message: Option<String>,
}

impl fmt::Display for AwsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("no reason was given"),
        }
    }
}

impl Error for AwsAnswer {}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// The SDK reports credentials that it cannot find as a request that could not be sent.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<aws_credential_types::provider::error::CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::of_fault(error.fault(), "DynamoDB", error)
    }
}

impl From<QueueError> for CommandError {
    fn from(error: QueueError) -> Self {
        Self::of_fault(error.fault(), "SQS", error)
    }
}

impl From<SecretsError> for CommandError {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Unreadable(cause) => Self::of_sdk("reading the stack's Twilio secret", *cause),
            malformed @ SecretsError::Malformed { .. } => Self::refused(malformed.to_string()),
            unanswered @ (SecretsError::Late { .. } | SecretsError::Unavailable { .. }) => {
                Self::no_answer(unanswered.to_string())
            }
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Self::new(ExitReason::OutputClosed, "the program that reads the output closed it")
            }
            io::ErrorKind::Interrupted => Self::interrupted(),
            _ => Self::usage("reading or writing failed").because(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exit_reason_has_the_code_that_scripts_expect() {
        use ExitReason::{AnswerIsNo, Interrupted, NoAnswer, NotFound, OutputClosed, Refused, Usage};
        let reasons = [OutputClosed, AnswerIsNo, Usage, NotFound, Refused, NoAnswer, Interrupted];
        assert_eq!(reasons.map(ExitReason::code), [0, 1, 2, 3, 4, 5, 130]);
    }

    #[test]
    fn an_output_that_was_closed_is_no_error_to_a_script() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.code(), 0);
    }

    #[test]
    fn an_error_keeps_its_cause_and_its_code_under_a_new_message() {
        let cause = io::Error::other("disk full");
        let error = CommandError::refused("storing the secret").because(cause).after("1 of 2 were stored");
        assert_eq!((error.code(), error.to_string().as_str()), (4, "1 of 2 were stored"));
        assert_eq!(error.describe(), "1 of 2 were stored: storing the secret: disk full");
        assert_eq!(format!("{error:?}"), "CommandError { reason: Refused, .. }");
        let innermost = error.source().and_then(Error::source).unwrap();
        assert!(innermost.is::<io::Error>());
    }

    #[test]
    fn an_answer_of_aws_is_its_code_and_message() {
        let answer = AwsAnswer { code: owned(Some("AccessDenied")), message: owned(Some("not you")) };
        let error = CommandError::of_fault(AwsFault::Denied, "reading the stack", answer);
        assert_eq!(
            (error.code(), error.describe().as_str()),
            (4, "reading the stack: refused by AWS: AccessDenied: not you")
        );
    }
}
