//! A file's bytes, from Twilio and from where Twilio redirects to.
//!
//! Twilio answers a request for a file with a redirect to another company's storage. The account's credentials go to Twilio alone,
//! so that redirects are followed here and not by the HTTP client. Sources: Twilio, "Media Resource"; Twilio, "Protect your media
//! with HTTP basic auth".

use std::{error::Error, time::Duration};

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use shared::{
    deadline::{Deadline, DeadlineExceeded},
    twilio::{AccountCallError, TwilioAccounts},
};
use twilio_client::{Credentials, ErrorResponse, TwilioError};
use twilio_types::{base_url::BaseUrl, sid::AccountSid};

use crate::{
    origins::{ForeignUrl, MediaHop, MediaOrigins, RedirectProblem},
    public_address::{NotPublic, PublicResolver},
};

/// How often Twilio and what it redirects to may redirect. Twilio redirects once.
const MAX_REDIRECTS: usize = 3;

/// Before these tries a file that Twilio does not have is waited for: its webhook may be faster than its storage.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection over which nothing comes for so long is broken. The whole file may take longer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The file as it is (RFC 9110, "Accept-Encoding"): its first bytes, its length and its hash are those that count.
const IDENTITY: &str = "identity";

/// Fetches files.
#[derive(Debug)]
pub(crate) struct MediaFetcher {
    http: Client,
    origins: MediaOrigins,
}

/// A file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Its URL is not Twilio's.
    #[error(transparent)]
    Foreign(#[from] ForeignUrl),
    /// Twilio redirects elsewhere.
    #[error(transparent)]
    Redirect(#[from] RedirectProblem),
    /// Twilio does not have it yet, or not any more.
    #[error("Twilio answered with HTTP status {0}")]
    NotFound(StatusCode),
    /// Time helps.
    #[error("Twilio, or what it redirects to, answered with HTTP status {0}")]
    Status(StatusCode),
    /// Its bytes are not those of the file, and no encoding was asked for. Time helps.
    #[error("Twilio, or what it redirects to, sent the file with a content encoding")]
    Encoded,
    /// Time helps.
    #[error("Twilio, or what it redirects to, was not reached")]
    Transport(#[source] reqwest::Error),
    /// The operator must add the account, or its credentials, to the secret.
    #[error(transparent)]
    Account(#[from] AccountCallError),
}

/// A file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Without the URL, which is signed: everyone who has it can fetch the file.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    #[error(transparent)]
    Late(#[from] DeadlineExceeded),
}

/// The next bytes of a file.
pub(crate) async fn next_bytes(
    answer: &mut Response,
    deadline: Deadline,
) -> Result<Option<impl AsRef<[u8]> + use<>>, ReadError> {
    deadline.run(answer.chunk()).await?.map_err(|error| ReadError::Broken(error.without_url()))
}

impl MediaFetcher {
    pub(crate) fn new(api: &BaseUrl) -> Result<Self, reqwest::Error> {
        let origins = MediaOrigins::new(api);
        let http = Client::builder()
            // A proxy would connect to addresses that are not checked here.
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(PublicResolver { stand_in: origins.stand_in_name() })
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent("whatsapp-store-media")
            .build()?;
        Ok(Self { http, origins })
    }

    /// The answer with the file, whose body is not read yet. A file that Twilio does not have is asked for again for some seconds.
    pub(crate) async fn fetch(
        &self,
        twilio: &TwilioAccounts,
        account_sid: &AccountSid,
        url: &str,
        deadline: Deadline,
    ) -> Result<Response, FetchError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let fetched = self.follow(twilio, account_sid, url, deadline).await;
            match (&fetched, pauses.next()) {
                (Err(FetchError::NotFound(_)), Some(pause)) if pause < deadline.remaining() => {
                    tokio::time::sleep(pause).await;
                }
                _ => return fetched,
            }
        }
    }

    async fn follow(
        &self,
        twilio: &TwilioAccounts,
        account_sid: &AccountSid,
        url: &str,
        deadline: Deadline,
    ) -> Result<Response, FetchError> {
        let mut hop = self.origins.first(url)?;
        for _ in 0..=MAX_REDIRECTS {
            let answer = if hop.is_authenticated {
                self.get_from_twilio(twilio, account_sid, &hop, deadline).await?
            } else {
                self.get(&hop, None).await?
            };
            match answer.status() {
                StatusCode::OK if is_encoded(&answer) => return Err(FetchError::Encoded),
                StatusCode::OK => return Ok(answer),
                status if status.is_redirection() => {
                    let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                    hop = self.origins.next(&hop.url, location)?;
                }
                status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => return Err(FetchError::NotFound(status)),
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(RedirectProblem::TooMany.into())
    }

    /// Credentials that were replaced after the secret was read are read again. With 403 Twilio refuses a key that lacks the
    /// permission, or an account: both are the operator's to correct.
    async fn get_from_twilio(
        &self,
        twilio: &TwilioAccounts,
        account_sid: &AccountSid,
        hop: &MediaHop,
        deadline: Deadline,
    ) -> Result<Response, FetchError> {
        let answered = twilio.call(account_sid, deadline, async |account| {
            let answered = self.get(hop, Some(account.credentials())).await;
            let status = answered.as_ref().map(Response::status).unwrap_or_default();
            let refusal = ErrorResponse::new(status.as_u16(), None);
            match status {
                StatusCode::UNAUTHORIZED => Err(TwilioError::Unauthorized(refusal)),
                StatusCode::FORBIDDEN => Err(TwilioError::Rejected(refusal)),
                _ => Ok(answered),
            }
        });
        answered.await?
    }

    async fn get(&self, hop: &MediaHop, credentials: Option<&Credentials>) -> Result<Response, FetchError> {
        let request = self.http.get(hop.url.clone()).header(ACCEPT_ENCODING, IDENTITY);
        let request = match credentials {
            Some(Credentials { username, password }) => request.basic_auth(username, Some(password.expose_secret())),
            None => request,
        };
        // The URL of a redirect is signed: everyone who has it can fetch the file.
        request.send().await.map_err(reqwest::Error::without_url).map_err(|error| {
            if !hop.is_authenticated && is_not_public(&error) {
                RedirectProblem::NotPublic.into()
            } else {
                FetchError::Transport(error)
            }
        })
    }
}

/// Whether the bytes of an answer are those of a file in another form, such as gzip.
fn is_encoded(answer: &Response) -> bool {
    let encodings = answer.headers().get_all(CONTENT_ENCODING).iter();
    encodings.filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes())).count() > 0
}

fn is_not_public(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<NotPublic>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn name_with_a_private_address_is_not_connected_to() {
        let fetcher = MediaFetcher::new(&"https://api.twilio.com".parse().unwrap()).unwrap();
        // A server that would answer, if it were connected to.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hop = MediaHop { url: format!("http://localhost:{port}/").parse().unwrap(), is_authenticated: false };
        let refused = fetcher.get(&hop, None).await.unwrap_err();
        assert!(matches!(refused, FetchError::Redirect(RedirectProblem::NotPublic)), "{refused:?}");
        tokio::select! {
            biased;
            _ = listener.accept() => panic!("a connection was opened"),
            () = std::future::ready(()) => {}
        }
    }
}
