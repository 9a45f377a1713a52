//! The whole system, deployed by `sam deploy` to the local stack and driven over HTTP as Twilio drives it.
//!
//! Run by `make test`. All tests share one stack, so each uses people and notifications that no other test uses. The tests in
//! [`clock`] and [`clock_of_page`], in [`waiting`], [`dead_letters`] and some in [`keys`] share another one, because they move its clock, those in
//! [`api_limits`] use it to reach its limits, those in [`unread`] a third one, whose streams are not read, and those in
//! [`tenants`] a fourth one, with two accounts. [`media_domain`] has one with a domain for media links, [`alarms`] one whose
//! parts it stops, and [`redact`] one whose texts are deleted at Twilio.

mod access;
mod alarms;
mod api_limits;
mod base_url;
pub(crate) mod cancel;
mod clock;
mod clock_of_page;
mod consent;
mod contacts;
mod content_types;
mod dead_letters;
mod email;
mod emulator;
pub(crate) mod erased;
mod event_bus;
mod evidence;
mod faults;
mod inbound;
mod kept;
mod keys;
mod limits;
mod media;
mod media_domain;
mod order;
mod outcome;
mod pause;
mod people;
pub(crate) mod receive;
mod reconcile;
mod redact;
mod refused;
mod reply;
mod rotation;
mod send;
mod spool;
mod spool_faults;
mod spool_order;
mod status;
mod stored_media;
mod strict;
mod studio;
mod suppression;
mod templates;
mod templates_table;
mod tenants;
mod throttle;
mod timeline;
mod trace;
mod typing;
mod undelivered;
mod unknown;
mod unpublished;
mod unread;
mod verify;
mod waiting;
mod waiting_at_scale;
mod window;
