//! What Twilio sends: the signature of a webhook, its form, inbound messages and status callbacks, and TwiML to answer
//! with.
//!
//! The only way to a [`signature::VerifiedForm`] from a request is [`signature::UnverifiedRequest::verify`]. Nothing here
//! does input or output, and no web framework is assumed.
//!
//! *Imports:* `twilio-types` and the crates of the signature. *Imported by:* `domain`, `stores`, `shared`, the functions,
//! the sandbox and `wa`.

#![warn(missing_docs)]

pub mod form;
pub mod inbound_message;
pub mod signature;
pub mod status_callback;
pub mod twiml;
