//! The calls of one account.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use twilio_types::{
    error_code::ErrorCode,
    sid::{AccountSid, MediaSid, MessageSid},
};

use crate::{
    ApiRequest, CallObserver, CallRecord, CreatedMessage, Credentials, MediaFile, MessageFilter, MessagePage,
    MessageResource, NewMessage, PagePath, Product, TransportError, TwilioClient, TwilioError,
    media::{MediaPage, MediaResource},
    request::Body,
};

/// Twilio's REST API on behalf of one account.
///
/// No method tries twice: whether a second try is safe, and whether it is still of use, only the caller knows.
#[derive(Debug, Clone)]
pub struct AccountClient {
    client: TwilioClient,
    account_sid: AccountSid,
    credentials: Credentials,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

/// The outcome of redacting a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// Its text is deleted at Twilio.
    Redacted,
    /// The message does not exist any more.
    Deleted,
}

/// The outcome of canceling a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The message will not be sent.
    Canceled,
    /// The message is not scheduled any more (error 30409), or it does not exist.
    TooLate,
}

/// The outcome of deleting a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The message does not exist any more.
    Deleted,
    /// Twilio has not sent the message yet, and deletes none before (error 20009).
    NotYet,
}

const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;

impl AccountClient {
    pub(crate) fn new(client: TwilioClient, account_sid: AccountSid, credentials: Credentials) -> Self {
        Self { client, account_sid, credentials, timeout: None, deadline: None }
    }

    /// The credentials of its calls.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The account.
    pub fn account_sid(&self) -> &AccountSid {
        &self.account_sid
    }

    /// The same account with other credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same account, whose requests may each take this long in place of the client's
    /// [`request_timeout`](crate::TwilioClientBuilder::request_timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same account, whose requests all end by this time. After it a request is not sent, which is
    /// [`TwilioError::NotDone`]; one that is under way then is given up, which is [`TwilioError::Unknown`], even if its
    /// connection was still being opened.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The path of one of the account's own resources: of `Messages.json` it is
    /// `/2010-04-01/Accounts/AC.../Messages.json`.
    pub fn resource_path(&self, resource: &str) -> String {
        format!("/2010-04-01/Accounts/{}/{resource}", self.account_sid)
    }

    /// Creates a message. After [`TwilioError::Unknown`] it may exist all the same: Twilio has no idempotency key for this
    /// call. An answer that names the message is never an error, even if the rest of it cannot be read.
    pub async fn create(&self, message: &NewMessage) -> Result<CreatedMessage, TwilioError> {
        let path = self.resource_path("Messages.json");
        self.call(ApiRequest::post(Product::Api, path).form(message.parameters())).await
    }

    /// Fetches a message. One that does not exist is [`TwilioError::Rejected`] with the status 404.
    pub async fn fetch(&self, message_sid: &MessageSid) -> Result<MessageResource, TwilioError> {
        self.call(ApiRequest::get(Product::Api, self.message_path(message_sid))).await
    }

    /// The first page of the messages that pass a filter, the newest first.
    pub async fn list(&self, filter: &MessageFilter) -> Result<MessagePage, TwilioError> {
        let path = self.resource_path("Messages.json");
        self.call(ApiRequest::get(Product::Api, path).query(filter.parameters())).await
    }

    /// A further page of a list, by the path that [`MessagePage::next`] gave. Twilio forgets such a path after some time, which
    /// is [`TwilioError::Rejected`].
    pub async fn list_page(&self, path: &PagePath) -> Result<MessagePage, TwilioError> {
        self.call(ApiRequest::get(Product::Api, path.as_str())).await
    }

    /// The files of a message, as its webhook names them; none if they or the message are deleted.
    pub async fn media(&self, message_sid: &MessageSid) -> Result<Vec<MediaFile>, TwilioError> {
        let path = self.resource_path(&format!("Messages/{message_sid}/Media.json"));
        let page: MediaPage = match self.call(ApiRequest::get(Product::Api, path)).await {
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => return Ok(Vec::new()),
            page => page?,
        };
        let into_file = |media: MediaResource| media.into_file(|path| self.client.url(Product::Api, path));
        Ok(page.media_list.into_iter().map(into_file).collect())
    }

    /// Deletes a file of a message, or does nothing where it or the message does not exist any more.
    ///
    /// Source: Twilio, "Media subresource", "Delete a Media resource".
    pub async fn delete_media(&self, message_sid: &MessageSid, media_sid: &MediaSid) -> Result<(), TwilioError> {
        let path = self.resource_path(&format!("Messages/{message_sid}/Media/{media_sid}.json"));
        match self.call(ApiRequest::delete(Product::Api, path)).await {
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => Ok(()),
            deleted => deleted,
        }
    }

    /// Deletes a message with its text and its addresses. Its files are deleted before, by [`Self::delete_media`].
    ///
    /// Source: Twilio, "Messages resource", "Delete a Message resource".
    pub async fn delete(&self, message_sid: &MessageSid) -> Result<Deletion, TwilioError> {
        match self.call(ApiRequest::delete(Product::Api, self.message_path(message_sid))).await {
            Ok(()) => Ok(Deletion::Deleted),
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => Ok(Deletion::Deleted),
            Err(TwilioError::Rejected(response)) if response.status == CONFLICT => Ok(Deletion::NotYet),
            Err(error) => Err(error),
        }
    }

    /// Deletes what a message says, and keeps its record. Its files are deleted by [`Self::delete_media`].
    ///
    /// Source: Twilio, "Messages resource", "Update a Message resource".
    pub async fn redact(&self, message_sid: &MessageSid) -> Result<Redaction, TwilioError> {
        let request = ApiRequest::post(Product::Api, self.message_path(message_sid)).form([("Body", "")]);
        match self.change(request).await {
            Ok(()) => Ok(Redaction::Redacted),
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => Ok(Redaction::Deleted),
            Err(error) => Err(error),
        }
    }

    /// Keeps a scheduled message from being sent.
    ///
    /// Source: Twilio, "Message scheduling".
    pub async fn cancel(&self, message_sid: &MessageSid) -> Result<Cancellation, TwilioError> {
        let request = ApiRequest::post(Product::Api, self.message_path(message_sid)).form([("Status", "canceled")]);
        match self.change(request).await {
            Ok(()) => Ok(Cancellation::Canceled),
            Err(TwilioError::Rejected(response))
                if response.status == NOT_FOUND || response.code == Some(ErrorCode::CANNOT_BE_CANCELED) =>
            {
                Ok(Cancellation::TooLate)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends any request, and gives the JSON of its answer. An answer without a body, as that to a deletion, is read as
    /// `null`.
    ///
    /// The errors are sorted as those of every other call; for a request that changes nothing [`TwilioError::Unknown`] simply
    /// means that there was no usable answer.
    pub async fn call<T: DeserializeOwned>(&self, request: ApiRequest) -> Result<T, TwilioError> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| TwilioError::of_answer(TransportError::of_http(error)))?;
        let body = if body.is_empty() { b"null".as_slice() } else { &body };
        serde_json::from_slice(body).map_err(|error| TwilioError::of_answer(TransportError::of_json(&error)))
    }

    /// Sends a request of whose answer the status says everything. The body is read so that the connection can be used again.
    async fn change(&self, request: ApiRequest) -> Result<(), TwilioError> {
        let _ = self.send(request).await?.bytes().await;
        Ok(())
    }

    /// Sends a request. The answer has a 2xx status, and its body is not read yet.
    async fn send(&self, request: ApiRequest) -> Result<Response, TwilioError> {
        let builder = self.prepare(request)?;
        let response = match self.client.observer() {
            None => builder.send().await,
            Some(observer) => self.observe(builder, observer).await,
        };
        let response = response.map_err(TwilioError::of_send)?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    async fn observe(&self, builder: RequestBuilder, observer: CallObserver) -> Result<Response, reqwest::Error> {
        let request = builder.build()?;
        let (method, url, began) = (request.method().clone(), request.url().clone(), Instant::now());
        let answer = self.client.http().execute(request).await;
        observer(&CallRecord {
            method: method.as_str(),
            url: url.as_str(),
            status: answer.as_ref().ok().map(|answer| answer.status().as_u16()),
            request_id: answer.as_ref().ok().and_then(request_id),
            duration: began.elapsed(),
        });
        answer
    }

    fn prepare(&self, request: ApiRequest) -> Result<RequestBuilder, TwilioError> {
        let url = self.client.url(request.product, &request.path);
        let mut builder = self.client.http().request(request.method, url);
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        builder = match request.body {
            Body::None => builder,
            Body::Form(parameters) => builder.form(&parameters),
            Body::Json(body) => builder.json(&body),
        };
        let Credentials { username, password } = &self.credentials;
        Ok(builder.timeout(self.time_left()?).basic_auth(username, Some(password.expose_secret())))
    }

    /// How long a request that is sent now may take.
    fn time_left(&self) -> Result<Duration, TwilioError> {
        let timeout = self.timeout.unwrap_or_else(|| self.client.request_timeout());
        let Some(deadline) = self.deadline else { return Ok(timeout) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(TwilioError::deadline_passed()) } else { Ok(timeout.min(left)) }
    }

    fn message_path(&self, message_sid: &MessageSid) -> String {
        self.resource_path(&format!("Messages/{message_sid}.json"))
    }
}

fn request_id(response: &Response) -> Option<&str> {
    response.headers().get("twilio-request-id")?.to_str().ok()
}

async fn refused(response: Response) -> TwilioError {
    let (status, headers) = (response.status(), response.headers().clone());
    // Without its body the answer still has its status.
    let body = response.bytes().await.unwrap_or_default();
    TwilioError::of_response(status, &headers, &body)
}
