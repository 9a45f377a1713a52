//! A stand-in for Twilio's WhatsApp and SMS. It accepts messages through an API like Twilio's, reports their statuses, and posts
//! people's messages to the system under test, signed as Twilio signs them.
//!
//! Data comes first, and imports nothing of the [`state`] that holds it; requests, webhooks and scenarios are functions over it.
//!
//! - Twilio's [`products`]: messages ([`api`]), templates ([`content`]), Messaging Services ([`services`]), [`senders`],
//!   [`typing`] indicators, [`event_streams`], [`verify`], [`studio`], the account's [`auth_tokens`] and [`api_keys`], and the debugger's [`alerts`].
//!   They authenticate callers ([`auth`]), list in pages ([`paging`]) and refuse with Twilio's codes ([`api_error`]). Twilio's
//!   client libraries work with them.
//! - SendGrid ([`sendgrid`]) is another product, with its own key: e-mails, suppression lists and signed events.
//! - What happens to a message: WhatsApp's [`rules`], [`choices`] where Twilio's documentation is open, its statuses and
//!   [`callbacks`]. A person's message is [`inbound`]. A [`webhook`] has the time-outs and retries that its URL asks for
//!   ([`overrides`]); [`twiml`] reads its answer, and [`opt_out`] is Twilio's own answer.
//! - The other side: [`business`] sends as the business, by a command of the system under test. [`shared_clock`] is the system's.
//! - Fault injection: [`faults`] of calls and webhooks, [`outages`] of calls about messages, [`drops`] of webhooks by chance
//!   ([`chance`] follows from the seed). [`limits`] enforces Twilio's limits, and [`rates`] measures the callers. A [`scenario`]
//!   does such things step by step, and [`presets`] are the scenarios that the sandbox has.
//! - [`state`] locks the [`memory`] of [`messages`], [`people`] with the ids of their [`portfolio`] ([`user_id`]), [`files`] and the
//!   [`timeline`], as much as [`capacity`] allows. [`published_files`] is what became of files in the system under test. [`unsent`] hides messages from the list.
//!   [`calls`] adds API calls to the timeline. [`clock`] and [`sids`] give time and SIDs.
//! - The [`page`] shows a [`snapshot`] and follows the [`stream`] of changes. [`access`] refuses what a browser requests for
//!   another site's page.
//! - [`control`] is the HTTP interface for tests and for the page:
//!
//! | request | what it does |
//! |---|---|
//! | `POST /sandbox/inbound` | sends a person's message: `{"from": "whatsapp:+14155550123", "body": "hi"}`, with `media`, `location`, `button`, `list_item`, `flow`, `order`, `reaction`, `referral`, `replied_to`, `forwarded` and `frequently_forwarded` as in `inbound::person_message` |
//! | `POST /sandbox/files` | uploads the bytes of a file with their `Content-Type`; gives `{"url", "content_type", "size"}`, for `media` |
//! | `POST /sandbox/people` | adds a person: `{"name": "Dan", "without_number": true}`; `DELETE /sandbox/people/{address}` removes one |
//! | `PUT /sandbox/people/{address}` | changes a person: `{"hides_number": true}`, `{"number": "whatsapp:+14155550199"}` |
//! | `PUT /sandbox/templates/{sid}` | changes a submitted template as WhatsApp does: `{"status": "paused"}`, with `category`, `quality` and `rejection_reason` as in `content::approval` |
//! | `PUT /sandbox/template-events` | loses or repeats the events of templates: `{"delivery": "lost"}`, `"repeated"` or `"normal"` |
//! | `PUT /sandbox/portfolio` | links a parent portfolio: `{"parent_linked": true, "to": "whatsapp:+1..."}`; `to` is optional |
//! | `POST /sandbox/senders` | adds a WhatsApp sender: `{"address": "whatsapp:+14155238887"}` |
//! | `GET /sandbox/messages?address=` | the messages to or from an address, the oldest first |
//! | `POST /sandbox/messages/{sid}/status` | reports a status: `{"status": "failed", "error_code": 63016}` |
//! | `POST /sandbox/messages/{sid}/release` | lets a message be sent that waits in the queue |
//! | `PUT /sandbox/unsent` | hides unsent messages from the list: `{"hidden": true, "to": "whatsapp:+1...", "seconds": 60}`; `to` and `seconds` are optional |
//! | `GET /sandbox/webhooks?message_sid=` | the webhooks that were posted or dropped |
//! | `GET /sandbox/state` | a snapshot: people, messages, timeline, faults, rules, templates |
//! | `GET /sandbox/stream` | server-sent events: a `snapshot`, then each change |
//! | `POST /sandbox/faults` | plans a fault: `{"to": "whatsapp:+1...", "times": 2, "chance": 0.5, "fault": {"kind": "silent"}}`; with `times` null it has no end |
//! | `GET /sandbox/faults` | the planned faults; `DELETE` removes all, or one with `/sandbox/faults/{id}` |
//! | `PUT /sandbox/drops` | drops webhooks: `{"to_prefix": "whatsapp:+1999", "fraction": 0.2, "seed": 42}`; 0 ends it |
//! | `PUT /sandbox/outages` | lets calls about messages fail: `{"list": true, "fetch": false, "update": false, "to": "whatsapp:+1..."}`; `to` is optional |
//! | `PUT /sandbox/limits` | `{"messages_per_second": 80, "concurrent_requests": 25, "on_excess": "fail"}`, or `"refuse"` or `"queue"` |
//! | `GET`, `PUT /sandbox/rules` | the [`WhatsAppRules`] in effect |
//! | `GET`, `PUT /sandbox/choices` | what the sandbox does where Twilio's documentation leaves it open: `{"broken_rule": "undelivered"}` |
//! | `GET /sandbox/rates?from=&service=&to_prefix=` | how fast messages were created |
//! | `GET`, `POST /sandbox/clock` | the clock; moves it forward: `{"advance_seconds": 86400}`, or sets it back: `{"now": true}` |
//! | `POST /sandbox/business/preview`, `POST /sandbox/business/send` | sends as the business: the JSON of a notification |
//! | `POST /sandbox/auth-token` | replaces the auth token at once: `{"token": "..."}`, or `{}` for a random one |
//! | `GET /sandbox/timeline?before=&limit=` | the newest entries of the timeline before a number, the oldest first |
//! | `POST /sandbox/timeline/{number}/again` | sends a webhook, a callback or an API call of the timeline again |
//! | `POST /sandbox/timeline` | adds what the system under test did, as a [`TimelineEvent`] |
//! | `POST /sandbox/scenario` | plays a [`Scenario`]; `DELETE` stops it |
//! | `GET /sandbox/presets`, `POST /sandbox/presets/{name}` | the scenarios that the sandbox has; plays one |
//! | `GET /sandbox/emails?to=` | the e-mails that SendGrid accepted; `POST /sandbox/emails/{id}/open`: the person opens one |
//! | `POST /sandbox/email-faults` | plans what goes wrong with the next e-mail: `{"to": "ava@example.com", "fault": {"kind": "bounce"}}`, or `refuse`, `lose_answer`, `vanish` with a `status`, `silent`, `defer` |
//! | `PUT /sandbox/email-lists` | puts an address on a suppression list, or off it: `{"list": "bounces", "address": "ava@example.com", "listed": true}` |
//! | `POST /sandbox/studio-faults` | plans an answer to the next execution: `{"to": "whatsapp:+1...", "status": 503, "started": true}`, and with `"hides_context": true` an empty context in lists |
//! | `POST /sandbox/reset` | forgets what happened and what was planned, and sets the clock back |
//!
//! A sandbox has one account, and one sender for each channel, for all its users. Other accounts are [`neighbours`], each a
//! sandbox with a page. Tests that run at the same time are separated by
//! the person's address (`to`, `to_prefix`); they share the limits, the rules and the clock.

mod access;
mod again;
mod alerts;
mod api;
mod api_error;
mod api_keys;
mod auth;
mod auth_tokens;
mod business;
mod callbacks;
mod calls;
mod capacity;
mod chance;
mod choices;
mod clock;
mod config;
mod content;
mod control;
mod dates;
mod drops;
mod event_streams;
mod exchange;
mod faults;
mod files;
mod http_client;
mod inbound;
mod limits;
mod memory;
mod messages;
mod neighbours;
mod operations;
mod opt_out;
mod opt_outs;
mod outages;
mod overrides;
mod page;
mod paging;
mod people;
mod portfolio;
mod presets;
mod products;
mod published_files;
mod rates;
mod repeat;
mod rich;
mod rules;
mod scenario;
mod senders;
mod sendgrid;
mod server;
mod services;
mod shared_clock;
mod sids;
mod snapshot;
mod state;
mod stream;
mod studio;
mod timeline;
mod twiml;
mod typing;
mod unsent;
mod user_id;
mod verify;
mod webhook;

pub use access::AllowedHost;
pub use business::BusinessCommand;
pub use config::{Config, SandboxRole};
pub use content::{APPOINTMENT_REMINDER_SID, ORDER_UPDATE_SID, VERIFICATION_CODE_SID};
pub use neighbours::Neighbour;
pub use rules::WhatsAppRules;
pub use scenario::{InvalidScenario, Scenario, play::play};
pub use sendgrid::{SENDGRID_API_KEY, SENDGRID_PUBLIC_KEY};
pub use server::{SandboxServer, serve, serve_on_free_port};
pub use shared_clock::{SharedClock, SharedClockError};
pub use state::Sandbox;
pub use timeline::{EntryCause, TimelineEvent, TimelineOutcome};
