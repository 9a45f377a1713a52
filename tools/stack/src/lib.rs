//! The local stack: `template.yaml` deployed to an emulator of AWS, connected to the sandbox or to a real Twilio account.
//!
//! `make run` keeps the stack running for people, `make test` runs the tests inside it. Both deploy the same template and
//! start the stack with [`run::start`]. A test connects to the running stack with [`Stack::from_env`].

pub mod account;
pub mod bridge;
pub mod clock;
pub mod demo;
pub mod deploy;
pub mod emulator;
pub mod functions;
pub mod invitation;
mod media_domain;
pub mod movable;
mod plans;
pub mod ports;
pub mod process;
pub mod progress;
pub mod run;
pub mod shell;
pub mod signed;
pub mod stack;
pub mod tunnel;
pub mod watch;

pub use stack::{Administrator, Outputs, REGION, Stack, aws_environment};
