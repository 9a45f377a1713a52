//! A stand-in for Twilio's side of WhatsApp and SMS: it takes messages as Twilio's API does, reports their status, and lets
//! people write in, signed as Twilio signs.
//!
//! - [`products`] are Twilio's: messages ([`api`]), templates ([`content`]), Messaging Services ([`services`]) and
//!   [`senders`], [`verify`], [`studio`] and the account's [`auth_tokens`], with Twilio's refusals ([`refusal`]) and its ways
//!   to authenticate ([`auth`]). Its own client libraries work against them.
//! - [`rules`] are WhatsApp's: what a message has to be to get through.
//! - [`callbacks`] is what becomes of a message, [`inbound`] is a person writing, [`webhook`] calls the system under test,
//!   as patiently as [`overrides`] says. [`twiml`] is what its answers say to the person, and [`opt_out`] what Twilio itself
//!   answers.
//! - Misbehaviour on request: [`faults`] of the calls that create a message and of the webhooks about it, [`outages`] of those
//!   that read, [`drops`] of webhooks. [`chance`] follows from the seed. [`limits`] holds callers to Twilio's limits, and
//!   [`rates`] measures them against these. [`scenario`] is a play that was written down.
//! - [`state`] is all that is remembered ([`kept`] says how much): [`messages`], [`people`], [`files`] and the [`timeline`]
//!   among it, to which [`calls`] adds what the API is asked. [`clock`] and [`sids`] are its own time and chance.
//! - [`snapshot`] and [`stream`] are for who watches: all there is, once, and then each change.
//! - [`page`] serves the phones, the timeline and the switches to a browser.
//! - [`access`] refuses what a browser asks for another site's page.
//! - [`control`] is the HTTP interface for whoever directs the play:
//!
//! | request | what it does |
//! |---|---|
//! | `POST /sandbox/inbound` | a person writes: `{"from": "whatsapp:+14155550123", "body": "hi"}`; `media`, `location`, `button`, `replied_to` and `forwarded` as in `inbound` |
//! | `POST /sandbox/files` | takes the bytes of a file with their `Content-Type`: `{"url", "content_type", "size"}`, for `media` |
//! | `POST /sandbox/people` | somebody comes: `{"name": "Dan", "without_number": true}`; `DELETE /sandbox/people/{address}` |
//! | `GET /sandbox/messages?address=` | the messages to or from an address, the oldest first |
//! | `POST /sandbox/messages/{sid}/status` | reports a status: `{"status": "failed", "error_code": 63016}` |
//! | `GET /sandbox/webhooks?message_sid=` | the webhooks that were sent or dropped |
//! | `GET /sandbox/state` | all there is: people, messages, timeline, faults, rules, templates |
//! | `GET /sandbox/stream` | the same as server-sent events: `snapshot`, then each change |
//! | `POST /sandbox/faults` | plans a fault: `{"to": "whatsapp:+1...", "times": 2, "chance": 0.5, "fault": {"kind": "silent"}}`; `times` is null for one that goes on |
//! | `GET /sandbox/faults` | those that are planned; `DELETE` takes back all, or `/sandbox/faults/{id}` one |
//! | `PUT /sandbox/drops` | loses webhooks: `{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 42}`; 0 ends it |
//! | `PUT /sandbox/outages` | reading fails: `{"list": true, "fetch": false, "to": "whatsapp:+1..."}`; `to` is optional |
//! | `PUT /sandbox/limits` | `{"messages_per_second": 80, "concurrent_requests": 25, "on_excess": "fail"}`, or `"refuse"` |
//! | `GET`, `PUT /sandbox/rules` | which of WhatsApp's [`Rules`] hold |
//! | `GET /sandbox/rates?from=&service=&to_prefix=` | how fast messages were asked for |
//! | `GET`, `POST /sandbox/clock` | lets time pass: `{"advance_seconds": 86400}` |
//! | `POST /sandbox/auth-token` | the auth token is another one at once: `{"token": "..."}`, or a new one |
//! | `POST /sandbox/timeline` | somebody tells what the system under test did, as in [`Happening`] |
//! | `POST /sandbox/scenario` | plays a [`Scenario`] |
//! | `POST /sandbox/reset` | forgets what happened and what was planned; the clock goes back |
//!
//! Everything holds for one account, one sender of each channel and all who use the sandbox at the time: what can be told
//! apart by the person's address (`to`, `to_prefix`) leaves other tests alone, the limits do not.

mod access;
mod api;
mod api_error;
mod auth;
mod auth_tokens;
mod callbacks;
mod calls;

mod capacity;
mod chance;
mod clock;
mod config;
mod content;
mod control;
mod dates;
mod drops;
mod faults;
mod files;
mod http_client;
mod inbound;
mod limits;
mod memory;
mod messages;
mod operations;
mod opt_out;
mod outages;
mod overrides;
mod page;
mod paging;
mod people;
mod products;
mod rates;
mod rules;
mod scenario;
mod senders;
mod server;
mod services;
mod sids;
mod snapshot;
mod state;
mod stream;
mod studio;
mod timeline;
mod twiml;
mod verify;
mod webhook;

pub use access::AllowedHost;
pub use config::{Config, Plays};
pub use content::{APPOINTMENT_REMINDER_SID, ORDER_UPDATE_SID, VERIFICATION_CODE_SID};
pub use rules::Rules;
pub use scenario::{InvalidScenario, Scenario, play::play};
pub use server::{SandboxServer, serve, serve_on_free_port};
pub use state::Sandbox;
pub use timeline::{Happening, Outcome};
