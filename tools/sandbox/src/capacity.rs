//! How much is remembered. Beyond that the oldest is forgotten: a sandbox that runs for weeks must not grow, and still hold
//! what a load test of ten minutes has sent.

/// Ten minutes at the 80 messages a second of one WhatsApp sender, at about 2 KB each, and a list of 100,000 older ones, which
/// have no files.
pub(crate) const MESSAGES: usize = 150_000;
/// As many as messages, since a load test reads the webhooks of its own messages.
pub(crate) const WEBHOOKS: usize = 50_000;
/// The creation times that a rate is measured from: small, and needed for all of a run.
pub(crate) const CREATION_TIMES: usize = 100_000;
/// Timeline entries: a campaign of some hundred notifications, with about 15 entries each.
pub(crate) const ENTRIES: usize = 10_000;
/// The bytes of the requests and responses of all timeline entries together.
pub(crate) const EXCHANGE_BYTES: usize = 64 * 1024 * 1024;
/// Files that people sent.
pub(crate) const FILES: usize = 1_000;
/// The bytes of all files together: sixteen of the largest.
pub(crate) const FILE_BYTES: usize = 256 * 1024 * 1024;
/// Alerts of the debugger: the most that Twilio's API gives. Source: Twilio, "Monitor REST API: Alerts".
pub(crate) const ALERTS: usize = 10_000;
/// People with a phone on the page.
pub(crate) const PEOPLE: usize = 100;
/// Pairs of a sender and a person that the pair limit counts; pairs that may send again are forgotten first.
pub(crate) const PAIRS: usize = 10_000;
pub(crate) const VERIFICATIONS: usize = 1_000;
pub(crate) const EXECUTIONS: usize = 1_000;
pub(crate) const API_KEYS: usize = 1_000;
