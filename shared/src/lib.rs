//! What the functions share: domain types, policy, Twilio's signature and API, and the state in DynamoDB.
//!
//! Data goes one way: a request is parsed into types that cannot hold a wrong value, a pure function decides, and one
//! conditional write or one call does.
//!
//! - Domain (no network, no clock, no AWS): [`sid`], [`address`], [`region`], [`quiet_hours`], [`base_url`],
//!   [`callback_url`], [`form`], [`signature`], [`inbound`], [`message_status`], [`status_callback`], [`error_code`],
//!   [`reaction`], [`opt_out`], [`wish`], [`preference`], [`suppression`], [`consent`], [`policy`], [`pace`], [`media`],
//!   [`notification`], [`doubt`], [`twiml`], [`limits`]; what people write as JSON is read with `json_fields`.
//! - State: [`messages`], [`contacts`], [`notifications`], [`rate_limits`] (a DynamoDB table each, over
//!   [`mod@dynamodb`]), [`sweeps`] (in the last of them), and what their items become: [`event`] and [`history`].
//! - Judging: [`case`], from what [`contacts`] holds to the facts that [`policy`] decides by.
//! - Clients: [`twilio`] (its REST API), [`queues`] (SQS), [`media_link`], [`media_store`] and [`archive`]
//!   (S3), [`secrets`] (Secrets Manager).
//! - Recording: [`inbound_recorder`] and [`status_recorder`], over several tables at once, for what comes by webhook and
//!   what is found later.
//! - Wiring: [`webhook`] (API Gateway's event to a form that Twilio signed), [`api`] (the routes that people call),
//!   [`mod@env`], [`aws`], [`log`], [`report`].
//!
//! *Invariant:* domain modules import nothing of AWS or HTTP; stores and the Twilio client never import each other, only
//! a function joins them; `lambda_runtime` stays outside of this crate; the environment is read only
//! through [`mod@env`].

pub mod address;
pub mod api;
pub mod archive;
pub mod aws;
pub mod base_url;
pub mod callback_url;
pub mod case;
pub mod consent;
pub mod contacts;
pub mod digest;
pub mod doubt;
pub mod dynamodb;
pub mod env;
pub mod error_code;
pub mod event;
pub mod form;
pub mod history;
pub mod inbound;
pub mod inbound_recorder;
mod json_fields;
pub mod limits;
pub mod log;
pub mod media;
pub mod media_link;
pub mod media_store;
pub mod message_status;
pub mod messages;
pub mod notification;
pub mod notifications;
pub mod opt_out;
pub mod pace;
pub mod policy;
pub mod preference;
pub mod queues;
pub mod quiet_hours;
pub mod rate_limits;
pub mod reaction;
pub mod region;
pub mod report;
pub mod secrets;
pub mod sid;
pub mod signature;
pub mod status_callback;
pub mod status_recorder;
pub mod suppression;
pub mod sweeps;
pub mod twilio;
pub mod twiml;
pub mod webhook;
pub mod wish;
