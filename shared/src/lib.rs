//! What the functions share on AWS: their configuration, their clients, and how they answer.
//!
//! - Cold start: [`mod@env`], [`aws`], [`secrets`], [`account_settings`], [`tenants`], [`start`].
//! - HTTP: [`webhook`] (from an event of API Gateway to a form that Twilio signed, and that is stored) and [`http_reply`].
//! - Services: [`queues`] (SQS), [`event_bus`] (EventBridge), [`archive`] (S3), [`assumed_role`] (STS), [`media_domain`] (CloudFront) and [`twilio`] (Twilio's API with the credentials of the secret).
//! - Time: [`deadline`], by which every invocation and every call in it ends, and [`aged`], a value that is cached and read
//!   again when it is too old.
//! - In the log: the trace id of each line ([`log`]), errors ([`report`]), and dimensions of metrics ([`metric`]).
//!
//! The inner packages hold the rest: `twilio-types`, `twilio-webhook` and `twilio-client` (Twilio, without a type of this
//! project), `domain` (the rules) and `stores` (the tables). None of them can import this package: Cargo allows no circle.
//!
//! *Invariants.* The environment is read only through [`mod@env`], but for AWS's credentials and region, which the providers
//! of `aws-config` read in [`aws`]. `lambda_runtime` and `lambda_http` are imported by the functions alone: this package
//! has the types of `http` and of `aws_lambda_events`.

pub mod account_settings;
pub mod aged;
pub mod archive;
pub mod assumed_role;
pub mod aws;
pub mod deadline;
pub mod env;
pub mod erasure;
pub mod event_bus;
pub mod evidence;
pub mod http_reply;
pub mod http_request;
pub mod log;
pub mod media_domain;
pub mod media_path;
pub mod metric;
mod moment;
pub mod queues;
pub mod report;
pub mod secrets;
pub mod start;
pub mod templates;
pub mod tenants;
#[cfg(test)]
mod test_log;
pub mod twilio;
pub mod webhook;
