//! How a command ends, for people (one line that says what was wrong and what is right) and for scripts (a code).

use std::{error::Error, io};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use shared::{queues::QueueError, report::Chain, secrets::SecretsError};
use stores::{dynamodb::StoreError, fault::AwsFault};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was done, and the answer is "no".
    #[error("{0}")]
    No(String),
    /// Wrong usage or bad input.
    #[error("{0}")]
    Usage(String),
    /// What it was to be done to is not there.
    #[error("{0}")]
    NotFound(String),
    /// AWS or Twilio refused: credentials, permission, or the request itself.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered in time.
    #[error("{0}")]
    NoAnswer(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read the output has had enough of it, as `head` does.
    #[error("the reader of the output has gone")]
    Unread,
}

impl CommandError {
    /// The exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::No(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Refused(_) => 4,
            Self::NoAnswer(_) => 5,
            Self::Interrupted => 130,
        }
    }

    /// The same with something said before it, as in `3 of 5 were recorded`. The exit code stays.
    #[must_use]
    pub fn after(self, what: &str) -> Self {
        match self {
            Self::No(said) => Self::No(format!("{what}: {said}")),
            Self::Usage(said) => Self::Usage(format!("{what}: {said}")),
            Self::NotFound(said) => Self::NotFound(format!("{what}: {said}")),
            Self::Refused(said) => Self::Refused(format!("{what}: {said}")),
            Self::NoAnswer(said) => Self::NoAnswer(format!("{what}: {said}")),
            Self::Interrupted | Self::Unread => self,
        }
    }

    /// A call to AWS that failed. `what` is what was tried, as in `reading the stack`.
    pub fn of_sdk<E, R>(what: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let said = match error.as_service_error() {
            Some(service) => [service.code(), service.message()].into_iter().flatten().collect::<Vec<_>>().join(": "),
            None => Chain(error).to_string(),
        };
        Self::of_fault(AwsFault::of(error), what, &said, error)
    }

    fn of_fault(fault: AwsFault, what: &str, said: &str, error: &(dyn Error + 'static)) -> Self {
        if lacks_credentials(error) {
            let remedy = "name a profile with --profile, log in with `aws sso login`, or set AWS_ACCESS_KEY_ID";
            return Self::Refused(format!("{what}: no AWS credentials that can be used: {remedy}"));
        }
        match fault {
            AwsFault::Unavailable => Self::NoAnswer(format!("{what}: no answer from AWS: {said}")),
            AwsFault::Denied => Self::Refused(format!("{what}: refused by AWS: {said}")),
            AwsFault::Invalid => Self::Usage(format!("{what}: {said}")),
        }
    }
}

/// The SDK reports credentials that cannot be had as a request that could not be sent.
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
        Self::of_fault(error.fault(), "DynamoDB", &Chain(&error).to_string(), &error)
    }
}

impl From<QueueError> for CommandError {
    fn from(error: QueueError) -> Self {
        Self::of_fault(error.fault(), "SQS", &Chain(&error).to_string(), &error)
    }
}

impl From<SecretsError> for CommandError {
    fn from(error: SecretsError) -> Self {
        match &error {
            SecretsError::Unreadable(cause) => Self::of_sdk("reading the stack's Twilio secret", cause),
            SecretsError::Malformed { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Usage(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_the_code_that_scripts_expect() {
        let text = String::new;
        let codes = [
            CommandError::Unread,
            CommandError::No(text()),
            CommandError::Usage(text()),
            CommandError::NotFound(text()),
            CommandError::Refused(text()),
            CommandError::NoAnswer(text()),
            CommandError::Interrupted,
        ];
        assert_eq!(codes.map(|failure| failure.code()), [0, 1, 2, 3, 4, 5, 130]);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.code(), 0);
    }
}
