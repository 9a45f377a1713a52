//! A person wrote: the notifications whose content follows an answer go on.

use std::time::Duration;

use domain::{
    contact_key::ContactKey,
    progress::{Phase, Progress, Purpose},
    trace_id::TraceId,
    waiting::WaitReason,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use shared::{log::traced, queues::LaneQueues};
use stores::{
    contacts::Contacts,
    notifications::{Notifications, StoredNotification},
};
use tracing::Instrument as _;
use twilio_types::address::Channel;
use twilio_webhook::inbound_message::InboundMessage;

use crate::{enqueue::enqueue, error::EventError};

/// Puts the notifications that await an answer on the queues of their lanes.
#[derive(Debug)]
pub(crate) struct ReplyHandler {
    pub(crate) contacts: Contacts,
    pub(crate) notifications: Notifications,
    pub(crate) queues: LaneQueues,
}

/// What an answer means for a notification that the person's item names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerEffect {
    /// Its content can be sent now.
    Wake,
    /// It comes again by itself, or an operator holds it: its next decision finds the window open.
    GoesOnByItself,
    /// It awaits no answer any more.
    Forget,
}

/// What follows after a notification was read once more to wake it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextStep {
    Enqueue,
    Nothing,
}

impl ReplyHandler {
    /// Wakes what awaits the answer of the person who wrote this message. `inbound` opened the service window in the
    /// transaction that stored the message, so it is open here. Only WhatsApp has a window.
    pub(crate) async fn wake_awaiting(&self, message: &InboundMessage) -> Result<(), EventError> {
        if message.to.channel != Channel::WhatsApp {
            return Ok(());
        }
        let contact = ContactKey::of_sender(message);
        let awaiting = self.contacts.person(&contact).await?.person.awaiting;
        let read = awaiting.into_iter().map(async |id| {
            let stored = self.notifications.get(&message.account_sid, &id).await?;
            Ok::<_, EventError>((id, stored))
        });
        let mut finished = Vec::new();
        for (id, stored) in try_join_all(read).await? {
            match (stored.as_ref().map_or(AnswerEffect::Forget, |stored| effect_of_answer(&stored.progress)), stored) {
                (AnswerEffect::Wake, Some(stored)) => {
                    let trace_id = TraceId::of_notification(&message.account_sid, &id);
                    self.wake(stored).instrument(traced(&trace_id)).await?;
                }
                (AnswerEffect::Wake | AnswerEffect::GoesOnByItself, _) => {}
                (AnswerEffect::Forget, _) => finished.push(id),
            }
        }
        if !finished.is_empty() {
            self.contacts.stop_awaiting(&contact, &finished, Timestamp::now()).await?;
        }
        Ok(())
    }

    async fn wake(&self, stored: StoredNotification) -> Result<(), EventError> {
        let now = Timestamp::now();
        let woken = self.notifications.change_read(stored, now, |stored| bring_forward(stored, now)).await?;
        let Some((stored, NextStep::Enqueue)) = woken else { return Ok(()) };
        enqueue(&self.queues, &stored, Duration::ZERO).await?;
        let notification_id = &stored.subject.id;
        tracing::info!(%notification_id, "the recipient answered: the notification is queued again");
        Ok(())
    }
}

fn effect_of_answer(progress: &Progress) -> AnswerEffect {
    let asks = progress.last().is_some_and(|attempt| attempt.purpose == Purpose::AskForReply);
    match progress.phase {
        // An answer may be faster than the result of the request that asked for it. The function that sends a claimed
        // notification waits until its lease ends, and then finds the window open.
        Phase::AwaitingReply | Phase::Claimed if asks => AnswerEffect::Wake,
        Phase::Ready { .. } | Phase::Unknown => AnswerEffect::GoesOnByItself,
        Phase::AwaitingReply | Phase::Claimed | Phase::Accepted | Phase::Ended => AnswerEffect::Forget,
    }
}

/// Makes a notification due that awaits the answer. Gives what follows if its item is to be written, and what follows if not:
/// the item of a claimed notification belongs to the function that sends it.
fn bring_forward(stored: &mut StoredNotification, now: Timestamp) -> (Option<NextStep>, NextStep) {
    match (effect_of_answer(&stored.progress), stored.progress.phase) {
        (AnswerEffect::Wake, Phase::AwaitingReply) => {
            let scopes = stored.due.as_ref().map(|due| due.scopes.clone()).unwrap_or_default();
            stored.wait_until(now, WaitReason::Reply, scopes, now);
            // What is due now has no delay.
            let _delay = stored.hand_over(0, now);
            (Some(NextStep::Enqueue), NextStep::Nothing)
        }
        (AnswerEffect::Wake, _) => (None, NextStep::Enqueue),
        (AnswerEffect::GoesOnByItself | AnswerEffect::Forget, _) => (None, NextStep::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use domain::{notification::FallbackChannel, progress::Step};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::test_data::{MESSAGE_SID, at, attempt, stored_notification};

    fn effect(phase: Phase, purpose: Purpose) -> AnswerEffect {
        let mut progress = Progress::default();
        progress.claim(Step { option: 0, purpose }, FallbackChannel::WhatsApp, Timestamp::UNIX_EPOCH);
        progress.phase = phase;
        effect_of_answer(&progress)
    }

    #[test]
    fn a_notification_that_asked_for_the_answer_is_woken() {
        assert_eq!(effect(Phase::AwaitingReply, Purpose::AskForReply), AnswerEffect::Wake);
        let faster_than_the_result = effect(Phase::Claimed, Purpose::AskForReply);
        assert_eq!(faster_than_the_result, AnswerEffect::Wake);
    }

    #[test]
    fn a_notification_whose_content_was_sent_is_forgotten() {
        for phase in [Phase::Claimed, Phase::Accepted, Phase::Ended] {
            assert_eq!(effect(phase, Purpose::Deliver), AnswerEffect::Forget, "{phase:?}");
        }
    }

    #[test]
    fn a_queued_notification_is_not_queued_twice() {
        let step = Step { option: 0, purpose: Purpose::AskForReply };
        let ready = Phase::Ready { step, not_before: None };
        assert_eq!(effect(ready, Purpose::AskForReply), AnswerEffect::GoesOnByItself);
    }

    #[test]
    fn an_answered_notification_is_due_at_once_and_later_again() {
        let mut stored = stored_notification(&json!({
            "state": "awaiting_reply", "attempts": [asking()], "due_at": "2026-11-21T09:00:00.000Z",
            "due_scopes": ["category#utility"], "waits_for": "reply", "waits_since": "2026-11-20T09:00:01Z",
        }));
        assert_eq!(bring_forward(&mut stored, at()), (Some(NextStep::Enqueue), NextStep::Nothing));
        let due = stored.due.unwrap();
        assert_eq!((due.at, due.reason), (at() + SignedDuration::from_mins(15), WaitReason::Reply));
        assert_eq!(due.since, "2026-11-20T09:00:01Z".parse().unwrap());
        assert_eq!(due.scopes, ["category#utility".parse().unwrap()]);
    }

    #[test]
    fn the_item_of_a_claimed_notification_is_not_written() {
        let mut stored = stored_notification(&json!({
            "state": "claimed", "attempts": [asking()], "lease": "L", "lease_until": "2026-11-20T09:01:00Z",
            "resolvable_at": "2026-11-20T09:17:00Z",
        }));
        let before = stored.clone();
        assert_eq!(bring_forward(&mut stored, at()), (None, NextStep::Enqueue));
        assert_eq!(stored, before);
    }

    fn asking() -> serde_json::Value {
        let mut asking = attempt("claimed", Some(MESSAGE_SID));
        asking["purpose"] = json!("ask_for_reply");
        asking
    }
}
