//! The whole system, deployed by `sam deploy` to the local stack and driven over HTTP as Twilio drives it.
//!
//! Run by `make test`. All tests share one stack, so each uses people and notifications that no other test uses.

mod access;
mod contacts;
mod inbound;
mod limits;
mod media;
mod receive;
mod reconcile;
mod refused;
mod rotation;
mod send;
mod status;
mod timeline;
mod unknown;
mod unpublished;
