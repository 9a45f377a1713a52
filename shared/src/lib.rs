//! What the functions have in common on AWS: their environment, their clients, and how they answer.
//!
//! - The cold start: [`mod@env`], [`aws`], [`secrets`], [`start`], [`log`].
//! - Requests: [`webhook`] (an event of API Gateway to a form that Twilio signed) and [`http_reply`].
//! - Services: [`queues`] (SQS) and [`archive`] (S3).
//! - Errors in the log: [`report`].
//!
//! The inner packages hold the rest: `twilio-types`, `twilio-webhook` and `twilio-client` (Twilio, without a type of
//! ours), `domain` (the rules), `stores` (the tables). Cargo keeps their order: none of them can import this one.
//!
//! *Invariant:* the environment is read only through [`mod@env`].

pub mod archive;
pub mod aws;
pub mod env;
pub mod http_reply;
pub mod log;
pub mod queues;
pub mod report;
pub mod secrets;
pub mod start;
pub mod twilio;
pub mod webhook;
