//! Who has to act upon an error of AWS.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why AWS did not do what it was asked, for who has to tell a person what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsFault {
    /// It gave no answer, or none that can be used: the same call may succeed later.
    Unavailable,
    /// It answered that it will not: the permission, or the thing itself, is missing.
    Denied,
    /// What was asked of it, or what it holds, cannot be used.
    Invalid,
}

impl AwsFault {
    /// What a call's error says.
    pub fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Invalid,
            // What AWS calls a service's own trouble ("Common errors"), after all that the SDK has tried.
            SdkError::ServiceError(service) => match service.err().code() {
                Some("InternalFailure" | "InternalServerError" | "ServiceUnavailable" | "ThrottlingException")
                | None => Self::Unavailable,
                Some(_) => Self::Denied,
            },
            _ => Self::Unavailable,
        }
    }
}
