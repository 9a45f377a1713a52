//! The local stack: `template.yaml` deployed to an emulator of AWS, with a stand-in for Twilio beside it, or Twilio itself.
//!
//! `make run` leaves it running for people, `make test` runs the tests inside it; there is one description of it, the
//! template, and one way to start it, [`run::start`]. A test connects to the running one with [`Stack::from_env`].

pub mod account;
pub mod bridge;
pub mod demo;
pub mod deploy;
pub mod emulator;
pub mod functions;
pub mod invitation;
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
