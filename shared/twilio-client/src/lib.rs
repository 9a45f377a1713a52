#![doc = include_str!("../README.md")]
//!
//! ## Where to look
//!
//! - [`TwilioClient`] holds the connections, [`AccountClient`] makes the calls of one account.
//! - [`TwilioError`] says what is certain after a call that failed.
//! - [`ApiRequest`] is a call to any other resource of Twilio's REST API.
//!
//! *Imports:* twilio-types, reqwest, jiff and secrecy, whose types are part of the public interface
//! ([`TwilioClient::http`], [`MessageFilter::with_sent_since`], [`Credentials`]). The crate does not log and does not retry, and it
//! reads the clock only for the caller's deadline.

#![warn(missing_docs)]

mod account;
mod client;
mod content;
mod content_approval;
mod content_change;
mod credentials;
mod error;
mod event_streams;
mod media;
mod message;
mod message_list;
mod new_message;
mod request;
mod typing;
mod verification;

pub use account::{AccountClient, Cancellation, Deletion, Redaction};
pub use client::{
    CallObserver, CallRecord, DEFAULT_BASE_URL, DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_REQUEST_TIMEOUT,
    HttpClientError, TwilioClient, TwilioClientBuilder,
};
pub use content::{ContentPage, ContentResource, MAX_CONTENT_PAGES};
pub use content_approval::{ContentApproval, ContentApprovalPage, ContentWithApproval};
pub use content_change::NewTemplate;
pub use credentials::Credentials;
pub use error::{ErrorResponse, TransportError, TwilioError};
pub use event_streams::{EventSink, EventSubscription, SinkConfiguration, SubscribedEventType};
pub use media::MediaFile;
pub use message::{CreatedMessage, MessageResource};
pub use message_list::{InvalidPagePath, MessageFilter, MessagePage, PagePath};
pub use new_message::{MessageSender, NewContent, NewMessage};
pub use request::{ApiRequest, Product};
pub use verification::{NewVerification, SentCode, VerificationResource, VerificationTarget};
