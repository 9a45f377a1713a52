//! The keys that media links to S3 are signed with. Links on the media domain have their own ([`shared::media_domain`]).
//!
//! A link ends with the credentials that signed it. Twilio fetches a file when it sends the message, which may be as late as
//! the end of the message's validity period, so each signer says for how long its links are valid, and how long a message
//! with such a link may be tried:
//!
//! - A role that the function assumes for an hour, the default. Its session is renewed while a link outlives its message.
//! - An IAM user, whose key does not end, by the template's parameter `MediaSigner`.
//! - The function itself, where neither is configured, as on a developer's machine. Its links may end at any time.

use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;
use domain::limits::{MEDIA_LINK_MARGIN, SENT_MEDIA_LINK, SESSION_MEDIA_VALIDITY};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shared::{
    assumed_role::{AssumeRoleError, AssumedRole, SESSION},
    deadline::{Deadline, DeadlineExceeded},
    secrets::{AgedSecret, SecretsError},
};

/// Who signs media links.
#[derive(Debug)]
pub(crate) enum MediaSigner {
    Role(AssumedRole),
    User(AgedSecret<UserKey>),
    Function(Credentials),
}

/// The content of the secret with the user's key, which the template writes.
#[derive(Debug, Deserialize)]
pub(crate) struct UserKey {
    access_key_id: String,
    secret_access_key: SecretString,
}

/// What a link is signed with.
pub(crate) struct LinkKey {
    pub(crate) credentials: Credentials,
    /// How long links are valid that are signed now.
    pub(crate) lasts: Duration,
}

/// No link can be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaSignerError {
    /// STS did not answer, or the operator must allow the function to assume the role.
    #[error(transparent)]
    Role(#[from] AssumeRoleError),
    /// The operator must act.
    #[error(transparent)]
    Secret(#[from] SecretsError),
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
}

const LONG_LINK: Duration = SENT_MEDIA_LINK.unsigned_abs();

/// A session with less time left is renewed.
const SESSION_LINK: Duration = SESSION_MEDIA_VALIDITY.unsigned_abs().saturating_add(MEDIA_LINK_MARGIN.unsigned_abs());

const _: () = assert!(SESSION_LINK.as_secs() < SESSION.as_secs(), "a session is used for some minutes");

impl MediaSigner {
    /// The key for a link to a file.
    pub(crate) async fn key(&self, deadline: Deadline) -> Result<LinkKey, MediaSignerError> {
        Ok(match self {
            Self::Role(role) => {
                let session = deadline.run(role.session(SESSION_LINK)).await??;
                LinkKey { credentials: session.credentials, lasts: session.remaining }
            }
            Self::User(secret) => long_lived(deadline.run(secret.current()).await??.credentials()),
            Self::Function(credentials) => long_lived(credentials.clone()),
        })
    }

    /// The key after S3 refused a link. None if there is no newer one.
    pub(crate) async fn replaced_key(&self, deadline: Deadline) -> Result<Option<LinkKey>, MediaSignerError> {
        let Self::User(secret) = self else { return Ok(None) };
        Ok(deadline.run(secret.reread()).await??.map(|key| long_lived(key.credentials())))
    }

    /// The longest validity period of a message with a link to S3.
    pub(crate) fn longest_validity(&self) -> SignedDuration {
        match self {
            Self::Role(_) => SESSION_MEDIA_VALIDITY,
            Self::User(_) | Self::Function(_) => SENT_MEDIA_LINK - MEDIA_LINK_MARGIN,
        }
    }
}

impl UserKey {
    fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, self.secret_access_key.expose_secret(), None, None, "media signer")
    }
}

fn long_lived(credentials: Credentials) -> LinkKey {
    LinkKey { credentials, lasts: LONG_LINK }
}
