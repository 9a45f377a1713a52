//! How much is remembered: the oldest goes where there is more. A sandbox that runs for weeks must not grow, and what a
//! load test of an hour sends must still be there when it is looked at.

/// MessageLog: ten minutes at the 80 a second of one WhatsApp sender, at some 2 KB each.
pub(crate) const MESSAGES: usize = 50_000;
/// Webhooks that were sent: as many as the messages, since a load test looks at those of its own messages.
pub(crate) const WEBHOOKS: usize = 50_000;
/// Times at which messages were asked for: small, and a rate is measured over all of a run.
pub(crate) const ARRIVALS: usize = 100_000;
/// What happened: more than a person scrolls back.
pub(crate) const ENTRIES: usize = 2_000;
/// FileStore that people sent: the empty ones, too, take room.
pub(crate) const FILES: usize = 1_000;
/// Bytes of files that people sent: sixteen of the largest.
pub(crate) const FILE_BYTES: usize = 256 * 1024 * 1024;
/// People of the page: more phones than anybody looks at.
pub(crate) const PEOPLE: usize = 100;
/// Pairs of a sender and a person whose pace is watched; those that are not in debt are forgotten first.
pub(crate) const PAIRS: usize = 10_000;
pub(crate) const VERIFICATIONS: usize = 1_000;
/// Executions of flows.
pub(crate) const EXECUTIONS: usize = 1_000;
