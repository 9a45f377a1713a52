//! Who has to act on an error of AWS.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why AWS did not do what it was asked, so that a person can be told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsFault {
    /// AWS gave no answer, or could not serve the request: the same call may succeed later.
    Unavailable,
    /// AWS refused the request: a permission or a resource is missing.
    Denied,
    /// The request or the stored data is not valid.
    Invalid,
}

impl AwsFault {
    pub fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Invalid,
            // The faults of a service (AWS, "Common errors"), after the retries of the SDK.
            SdkError::ServiceError(service) => match service.err().code() {
                Some("InternalFailure" | "InternalServerError" | "ServiceUnavailable" | "ThrottlingException")
                | None => Self::Unavailable,
                Some(_) => Self::Denied,
            },
            _ => Self::Unavailable,
        }
    }
}
