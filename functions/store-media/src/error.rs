//! Why a file is not stored, and what follows from it.

use domain::media_failure::MediaFailure;
use shared::{deadline::DeadlineExceeded, twilio::AccountCallError};
use stores::dynamodb::StoreError;
use twilio_client::TwilioError;

use crate::{
    fetch::{FetchError, ReadError},
    job::Obstacle,
    parts::FileError,
    uploads::{BucketError, UploadError},
};

/// A file is not stored, or what is to follow is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreMediaError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Upload(#[from] UploadError<ReadError>),
    #[error("the file was not fetched and written in time")]
    Late(#[from] DeadlineExceeded),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is stored, and not deleted at Twilio.
    #[error("the file was not deleted at Twilio")]
    Delete(#[source] AccountCallError),
}

impl StoreMediaError {
    pub(crate) fn obstacle(&self) -> Obstacle {
        match self {
            Self::Fetch(error) => of_fetch(error),
            Self::Upload(UploadError::Empty) => Obstacle::Final(MediaFailure::Empty),
            Self::Upload(UploadError::Type(_)) => Obstacle::Final(MediaFailure::TypeMismatch),
            Self::Upload(UploadError::File(FileError::TooLarge)) => Obstacle::Final(MediaFailure::TooLarge),
            Self::Upload(UploadError::File(FileError::Broken(_))) | Self::Late(_) => Obstacle::Unavailable,
            Self::Upload(UploadError::Bucket(BucketError { .. })) | Self::Store(_) | Self::Delete(_) => Obstacle::Ours,
        }
    }

    /// What the file is, where it is not what it is claimed to be.
    pub(crate) fn found_type(&self) -> Option<&'static str> {
        match self {
            Self::Upload(UploadError::Type(mismatch)) => mismatch.found,
            _ => None,
        }
    }
}

fn of_fetch(error: &FetchError) -> Obstacle {
    match error {
        FetchError::Foreign(_) => Obstacle::Final(MediaFailure::ForeignUrl),
        FetchError::Redirect(_) => Obstacle::Final(MediaFailure::Redirect),
        FetchError::NotFound(_) => Obstacle::NotFound,
        FetchError::Status(_) | FetchError::Encoded | FetchError::Transport(_) => Obstacle::Unavailable,
        FetchError::Account(AccountCallError::Twilio(TwilioError::NotDone { .. } | TwilioError::Unknown { .. })) => {
            Obstacle::Unavailable
        }
        FetchError::Account(_) => Obstacle::Ours,
    }
}
