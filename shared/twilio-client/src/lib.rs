//! Twilio's Messages API.
//!
//! Source: Twilio, "Messages resource" and "Twilio's response". Twilio has no idempotency key for creating a message, so
//! the errors tell apart what is certain (not sent) from what is not.

#![warn(missing_docs)]

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use twilio_types::{
    address::WhatsAppSender,
    base_url::BaseUrl,
    error_code::{Certainty, ErrorCode},
    sid::{AccountSid, ContentSid, MessageSid, MessagingServiceSid},
};

mod content;
mod credentials;
mod message;
mod message_list;

pub use credentials::Credentials;
pub use message::MessageResource;
pub use message_list::{Cancelled, HistoryPage, MediaFile, Place};

/// Where Twilio is, unless a test says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.twilio.com";

/// A TLS handshake with Twilio takes some 100 ms; one that takes 3 s will not come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Twilio answers within a second. An answer that takes longer than this is given up and its outcome looked up: waiting
/// for it must leave the send function's 30 s room for that.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Twilio's load balancer closes idle connections; one that was idle this long is not trusted with a message.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// A client for one Twilio, whose connections it keeps alive.
#[derive(Debug, Clone)]
pub struct TwilioClient {
    http: Client,
    base_url: BaseUrl,
}

/// The machine has no usable TLS.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for Twilio cannot be built")]
pub struct NoHttpClient(#[from] reqwest::Error);

/// A message to create.
#[derive(Debug)]
pub struct NewMessage {
    /// `To`, as in `whatsapp:+14155550123`, or a plain number for SMS.
    pub to: String,
    /// `From` or `MessagingServiceSid` or both.
    pub sender: Sender,
    /// What it says.
    pub content: NewContent,
    /// Where Twilio reports its status.
    pub status_callback: String,
    /// Seconds for which Twilio may try.
    pub validity_period: Option<u32>,
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// This sender.
    From(WhatsAppSender),
    /// One of the service's.
    Service(MessagingServiceSid),
    /// This sender of the service.
    Both(WhatsAppSender, MessagingServiceSid),
}

/// What a message says.
pub enum NewContent {
    /// `Body`
    Text(String),
    /// `MediaUrl`, repeated, and `Body` as the caption.
    Media(Vec<String>, Option<String>),
    /// `ContentSid` and `ContentVariables`, a JSON object as text.
    Template(ContentSid, String),
}

impl std::fmt::Debug for NewContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::Media(urls, _) => write!(f, "Media({})", urls.len()),
            Self::Template(sid, _) => write!(f, "Template({sid})"),
        }
    }
}

/// A page of a list of messages.
#[derive(Debug, Clone, Deserialize)]
pub struct MessagePage {
    /// Its messages, the newest first.
    pub messages: Vec<MessageResource>,
    /// The path of the next page.
    pub next_page_uri: Option<String>,
}

/// What of the message list is wanted.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// `To`
    pub to: Option<String>,
    /// `From`
    pub from: Option<String>,
    /// `DateSent>`: this day (GMT, `2026-11-20`) or later.
    pub sent_since: Option<String>,
    /// `PageSize`: 1 to 1,000, 50 if none.
    pub page_size: Option<u16>,
}

/// What Twilio said when it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's code, where its answer had one.
    pub code: Option<ErrorCode>,
    /// `Twilio-Request-Id`, for Twilio's support.
    pub request_id: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        match self.code.map(|code| (code, code.title())) {
            Some((code, Some(title))) => write!(f, ", code {code} ({title})")?,
            Some((code, None)) => write!(f, ", code {code}")?,
            None => {}
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request {request_id}")?;
        }
        Ok(())
    }
}

/// A call that did not do what it was to do. The variants say what is certain, and so what may be done next.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// Twilio refused: the same call will be refused again.
    #[error("Twilio refused the request: {0}")]
    Rejected(Refusal),
    /// Twilio does not know us: the operator's to mend.
    #[error("Twilio refused the credentials: {0}")]
    Unauthorized(Refusal),
    /// Certainly nothing was done, and the same call may succeed later.
    #[error("Twilio was not reached or asked for patience")]
    NotDone {
        /// What Twilio asked for, if it did.
        retry_after: Option<Duration>,
        /// What it said, if it answered.
        refusal: Option<Refusal>,
    },
    /// The request went out and no usable answer came: a message may have been sent.
    #[error("Twilio's answer was lost: whether the message was created is not known")]
    Unknown {
        /// What it said, if it answered.
        refusal: Option<Refusal>,
    },
}

impl TwilioClient {
    /// A client.
    pub fn new(base_url: BaseUrl) -> Result<Self, NoHttpClient> {
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("whatsapp-on-lambda/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base_url })
    }

    /// The HTTP client, for other calls over the same TLS settings.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Creates a message. Never tries twice: only the caller knows whether that is safe.
    pub async fn create(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        message: &NewMessage,
    ) -> Result<MessageResource, TwilioError> {
        let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages.json"));
        call(self.http.post(url).form(&message.parameters()), credentials).await
    }

    /// Fetches a message.
    pub async fn fetch(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        message_sid: &MessageSid,
    ) -> Result<MessageResource, TwilioError> {
        let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}.json"));
        call(self.http.get(url), credentials).await
    }

    /// The first page of the messages that pass a filter.
    pub async fn list(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        filter: &MessageFilter,
    ) -> Result<MessagePage, TwilioError> {
        let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages.json"));
        call(self.http.get(url).query(&filter.parameters()), credentials).await
    }

    /// The page that a page names as its next.
    pub async fn next_page(
        &self,
        credentials: &Credentials,
        page: &MessagePage,
    ) -> Result<Option<MessagePage>, TwilioError> {
        match &page.next_page_uri {
            Some(uri) => call(self.http.get(self.url(uri)), credentials).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens the connection, so that the first message does not wait for its handshake. Any answer will do; the error
    /// says why there was none, and the next call tries again.
    pub async fn warm(&self) -> Result<(), reqwest::Error> {
        self.http.head(self.url("/2010-04-01")).send().await.map(drop).map_err(reqwest::Error::without_url)
    }

    fn url(&self, path: &str) -> String {
        self.base_url.join(path)
    }
}

async fn call<T: DeserializeOwned>(request: RequestBuilder, credentials: &Credentials) -> Result<T, TwilioError> {
    let request = request.basic_auth(&credentials.username, Some(credentials.password.expose_secret()));
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Err(TwilioError::NotDone { retry_after: None, refusal: None }),
        Err(_) => return Err(TwilioError::Unknown { refusal: None }),
    };
    if response.status().is_success() {
        return response.json().await.map_err(|_| TwilioError::Unknown { refusal: None });
    }
    Err(failure(response).await)
}

/// Twilio's error JSON; a refusal from something in between may have none.
#[derive(Deserialize)]
struct ErrorBody {
    code: Option<ErrorCode>,
}

async fn failure(response: Response) -> TwilioError {
    let status = response.status();
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = text("twilio-request-id");
    let retry_after = text(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let code = response.json::<ErrorBody>().await.ok().and_then(|body| body.code);
    let refusal = Refusal { status: status.as_u16(), code, request_id };
    match (status, code.map(ErrorCode::certainty)) {
        (StatusCode::UNAUTHORIZED, _) => TwilioError::Unauthorized(refusal),
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some(Certainty::NotDone)) => {
            TwilioError::NotDone { retry_after, refusal: Some(refusal) }
        }
        (_, Some(Certainty::Unknown)) | (StatusCode::REQUEST_TIMEOUT, _) => {
            TwilioError::Unknown { refusal: Some(refusal) }
        }
        _ if status.is_client_error() => TwilioError::Rejected(refusal),
        _ => TwilioError::Unknown { refusal: Some(refusal) },
    }
}

impl NewMessage {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("To", self.to.clone()), ("StatusCallback", self.status_callback.clone())];
        match &self.sender {
            Sender::From(from) => parameters.push(("From", from.to_string())),
            Sender::Service(sid) => parameters.push(("MessagingServiceSid", sid.to_string())),
            Sender::Both(from, sid) => {
                parameters.extend([("From", from.to_string()), ("MessagingServiceSid", sid.to_string())]);
            }
        }
        match &self.content {
            NewContent::Text(body) => parameters.push(("Body", body.clone())),
            NewContent::Media(urls, caption) => {
                parameters.extend(urls.iter().map(|url| ("MediaUrl", url.clone())));
                parameters.extend(caption.iter().map(|caption| ("Body", caption.clone())));
            }
            NewContent::Template(sid, variables) => {
                parameters.extend([("ContentSid", sid.to_string()), ("ContentVariables", variables.clone())]);
            }
        }
        parameters.extend(self.validity_period.map(|seconds| ("ValidityPeriod", seconds.to_string())));
        parameters
    }
}

impl MessageFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let page_size = self.page_size.map(|size| size.to_string());
        [("To", &self.to), ("From", &self.from), ("DateSent>", &self.sent_since), ("PageSize", &page_size)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}
