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
pub mod archive;
pub mod aws;
pub mod base_url;
pub mod callback_url;
pub mod contacts;
pub mod digest;
pub mod dynamodb;
pub mod env;
pub mod error_code;
pub mod event;
pub mod form;
pub mod inbound;
pub mod limits;
pub mod media;
pub mod media_store;
pub mod message_status;
pub mod messages;
pub mod notification;
pub mod notifications;
pub mod opt_out;
pub mod preference;
pub mod queues;
pub mod report;
pub mod secrets;
pub mod sid;
pub mod signature;
pub mod status_callback;
pub mod twilio;
pub mod twiml;
pub mod webhook;
