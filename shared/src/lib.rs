//! What the functions share: domain types, policy, Twilio's signature and API, and the state in DynamoDB.
//!
//! Data goes one way: a request is parsed into types that cannot hold a wrong value, a pure function decides, and one
//! conditional write or one call does.
//!
//! - Domain (no network, no clock, no AWS): [`sid`], [`address`], [`form`], [`signature`], [`inbound`],
//!   [`message_status`], [`status_callback`], [`error_code`], [`opt_out`], [`media`], [`notification`], [`event`],
//!   [`twiml`], [`limits`].
//! - Doing: [`messages`], [`contacts`], [`notifications`] (one DynamoDB table each), [`media_store`] (S3),
//!   [`queues`] (SQS), [`twilio`] (Twilio's REST API), [`secrets`] (Secrets Manager).
//! - Wiring: [`env`], [`aws`].
//!
//! *Invariant:* domain modules import nothing of AWS or HTTP; stores and the Twilio client never import each other, only
//! a function joins them; `lambda_http`, `lambda_runtime` and `aws-config` stay outside of this crate; the environment
//! is read only through [`env`].

pub mod address;
pub mod form;
pub mod message_status;
pub mod sid;
pub mod signature;
