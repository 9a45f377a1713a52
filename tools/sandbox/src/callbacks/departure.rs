//! When a message leaves Twilio's queue: at its scheduled time, and when nothing holds it any more.

use jiff::Timestamp;
use twilio_types::sid::MessageSid;

use crate::{
    messages::{Hold, Message},
    state::Sandbox,
};

/// Source: Twilio, error 30036.
pub(crate) const VALIDITY_EXPIRED: u32 = 30036;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// The message is sent.
    Due,
    /// Its validity ended before it could be sent.
    Expired,
}

/// Waits until a message leaves the queue. None where the message was deleted, or forgotten by a reset.
pub(super) async fn wait(sandbox: &Sandbox, sid: &MessageSid) -> Option<Departure> {
    let send_at = sandbox.memory().messages.get(sid)?.send_at;
    if let Some(send_at) = send_at {
        sandbox.clock.sleep_until(send_at).await;
    }
    let mut released = sandbox.released.subscribe();
    loop {
        let (end, departure) = match sandbox.memory().messages.get(sid)? {
            Message { hold: Some(hold), valid_until, .. } => end(*hold, *valid_until),
            _ => return Some(Departure::Due),
        };
        if sandbox.now() >= end {
            sandbox.memory().messages.get_mut(sid)?.hold = None;
            return Some(departure);
        }
        tokio::select! {
            () = sandbox.clock.sleep_until(end) => {}
            // It cannot fail: the sandbox has the sender.
            _ = released.changed() => {}
        }
    }
}

/// The end of a hold or of the validity, whichever comes first.
fn end(hold: Hold, valid_until: Option<Timestamp>) -> (Timestamp, Departure) {
    match (hold.until, valid_until) {
        (Some(until), Some(valid)) if until > valid => (valid, Departure::Expired),
        (Some(until), _) => (until, Departure::Due),
        (None, valid) => (valid.unwrap_or(Timestamp::MAX), Departure::Expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_expires_where_its_validity_ends_before_its_hold() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let departure = |until: Option<i64>, valid: Option<i64>| end(Hold { until: until.map(at) }, valid.map(at));
        assert_eq!(departure(Some(1), Some(2)), (at(1), Departure::Due));
        assert_eq!(departure(Some(2), Some(2)), (at(2), Departure::Due));
        assert_eq!(departure(Some(3), Some(2)), (at(2), Departure::Expired));
        assert_eq!(departure(None, Some(2)), (at(2), Departure::Expired));
        assert_eq!(departure(Some(3), None), (at(3), Departure::Due));
    }
}
