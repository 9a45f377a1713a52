//! The part of SendGrid that the system uses.
//!
//! - [`SendGridClient`] sends an e-mail ([`NewEmail`]) and asks whether an address is on a suppression list.
//! - [`SendGridError`] says what is certain after a call that failed.
//! - [`EventWebhookKey`] verifies the signature of the Event Webhook, and [`EmailEvent`] is one of its events.
//!
//! SendGrid is another product than Twilio's API: it has its own host, API keys and errors.
//!
//! *Imports:* twilio-types (for the URL), futures, reqwest, secrecy and aws-lc-rs. The crate does not log and does not retry.

mod client;
mod email;
mod error;
mod event;
mod suppression;
mod webhook_key;

pub use client::{DEFAULT_BASE_URL, SendGridClient};
pub use email::{EmailSender, NewEmail, SentEmail};
pub use error::{ErrorResponse, SendGridError, TransportError};
pub use event::{EmailEvent, EventKind, InvalidEvents, ParsedEvents, parse_events};
pub use suppression::SuppressionList;
pub use webhook_key::{EventWebhookKey, InvalidWebhookKey, SIGNATURE_HEADER, SignatureMismatch, TIMESTAMP_HEADER};
