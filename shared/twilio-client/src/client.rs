//! The client: where Twilio is, how long it is waited for, and the connections to it.

use std::time::Duration;

use reqwest::Client;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};

use crate::{AccountClient, Credentials, Product, TransportError};

/// Twilio's main host, in its default region.
///
/// For another region name the whole host, as in `https://api.dublin.ie1.twilio.com`. Source: Twilio, "Using the Twilio
/// REST API in a non-US Region".
pub const DEFAULT_BASE_URL: &str = "https://api.twilio.com";

/// How long a connection may take to open. A TLS handshake with Twilio takes some 100 ms; one that takes 3 s is not going
/// to succeed.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a request may take, from the opening of its connection to the last byte of the answer. Twilio mostly answers
/// within a second.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept. The load balancer closes idle connections, and a request on a connection that
/// is just being closed is lost with an unknown outcome.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// A client for Twilio's REST API, whose connections it keeps open. Clones share them.
#[derive(Debug, Clone)]
pub struct TwilioClient {
    http: Client,
    base_url: BaseUrl,
    request_timeout: Duration,
    observer: Option<CallObserver>,
}

/// A call that has ended, for a program that shows its calls. It has neither the headers nor the bodies; the query of the URL
/// may hold phone numbers.
#[derive(Debug, Clone, Copy)]
pub struct CallRecord<'a> {
    /// The method, as in `GET`.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The status of the answer. None if there was none.
    pub status: Option<u16>,
    /// Twilio's id of the request, from the header `Twilio-Request-Id` of the answer.
    pub request_id: Option<&'a str>,
    /// The time until the headers of the answer arrived.
    pub duration: Duration,
}

/// Is called after each call, as soon as the headers of its answer are there.
pub type CallObserver = fn(&CallRecord<'_>);

/// The HTTP client cannot be built: the machine has no usable TLS, or the user agent is not a valid header value.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for Twilio cannot be built")]
pub struct HttpClientError(#[source] reqwest::Error);

/// The settings of a [`TwilioClient`].
#[derive(Debug, Clone)]
pub struct TwilioClientBuilder {
    base_url: BaseUrl,
    connect_timeout: Duration,
    request_timeout: Duration,
    idle_timeout: Duration,
    user_agent: String,
    observer: Option<CallObserver>,
}

impl TwilioClient {
    /// A client with the default settings. `base_url` is where Twilio's main API is: [`DEFAULT_BASE_URL`], a region's, or
    /// a stand-in's for tests.
    pub fn new(base_url: BaseUrl) -> Result<Self, HttpClientError> {
        Self::builder(base_url).build()
    }

    /// A client with other settings.
    pub fn builder(base_url: BaseUrl) -> TwilioClientBuilder {
        TwilioClientBuilder {
            base_url,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            user_agent: concat!("twilio-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            observer: None,
        }
    }

    /// The calls of one account, made with these credentials. It costs no connection and no request.
    pub fn account(&self, account_sid: AccountSid, credentials: Credentials) -> AccountClient {
        AccountClient::new(self.clone(), account_sid, credentials)
    }

    /// The HTTP client, for other requests with the same TLS settings and time-outs. It sends no credentials, and it
    /// does not follow redirects.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Opens a connection to the main API, so that the first call does not wait for its handshake. Any answer counts. After
    /// an error the next call opens its own connection.
    pub async fn warm(&self) -> Result<(), TransportError> {
        self.warm_product(Product::Api).await
    }

    /// As [`TwilioClient::warm`], for the host of another product.
    pub async fn warm_product(&self, product: Product) -> Result<(), TransportError> {
        let path = if product == Product::Api { "/2010-04-01" } else { "/" };
        self.http.head(self.url(product, path)).send().await.map(drop).map_err(TransportError::of_http)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(crate) fn observer(&self) -> Option<CallObserver> {
        self.observer
    }

    /// The URL of a path of a product.
    pub(crate) fn url(&self, product: Product, path: &str) -> String {
        product.base_url(&self.base_url).join(path)
    }
}

impl TwilioClientBuilder {
    /// How long a connection may take to open: [`DEFAULT_CONNECT_TIMEOUT`] if it is not set. After a request time-out that is
    /// shorter than this one, a connection that never opened cannot be told from an answer that never came.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take: [`DEFAULT_REQUEST_TIMEOUT`] if it is not set. See also [`AccountClient::with_timeout`] and
    /// [`AccountClient::with_deadline`].
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long an idle connection is kept: [`DEFAULT_IDLE_TIMEOUT`] if it is not set.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The `User-Agent` of each request: this crate's name and version if it is not set.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// A function that is called after each call of an [`AccountClient`]: none if it is not set.
    #[must_use]
    pub fn observer(mut self, observer: CallObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The client. No connection is opened yet.
    pub fn build(self) -> Result<TwilioClient, HttpClientError> {
        let http = Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .pool_idle_timeout(self.idle_timeout)
            // The credentials go to no other host than the one they are for.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(self.user_agent)
            .build()
            .map_err(HttpClientError)?;
        Ok(TwilioClient {
            http,
            base_url: self.base_url,
            request_timeout: self.request_timeout,
            observer: self.observer,
        })
    }
}
