//! A person wrote: the notifications whose content follows an answer go on.

use std::time::Duration;

use domain::{
    contact_key::ContactKey,
    progress::{Phase, Progress, Purpose},
};
use futures::future::try_join_all;
use jiff::Timestamp;
use shared::queues::OutboundProducer;
use stores::{contacts::Contacts, notifications::Notifications};
use twilio_types::address::Channel;
use twilio_webhook::inbound_message::InboundMessage;

use crate::{error::EventError, requeue::queue_entry};

/// Puts the notifications that await an answer on the outbound queue again.
#[derive(Debug)]
pub(crate) struct ReplyHandler {
    pub(crate) contacts: Contacts,
    pub(crate) notifications: Notifications,
    pub(crate) outbound: OutboundProducer,
}

/// What an answer means for a notification that the person's item names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerEffect {
    /// Its content can be sent now.
    Wake,
    /// It is on the outbound queue, or an operator holds it: its next decision finds the window open.
    GoesOnByItself,
    /// It awaits no answer any more.
    Forget,
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
            match stored.as_ref().map_or(AnswerEffect::Forget, |stored| effect_of_answer(&stored.progress)) {
                AnswerEffect::Wake => {
                    let entry = stored.and_then(|stored| queue_entry(&stored, Duration::ZERO));
                    if let Some(entry) = entry {
                        self.outbound.enqueue(entry).await?;
                        tracing::info!(notification_id = %id, "the recipient answered: the notification is queued again");
                    }
                }
                AnswerEffect::GoesOnByItself => {}
                AnswerEffect::Forget => finished.push(id),
            }
        }
        if !finished.is_empty() {
            self.contacts.stop_awaiting(&contact, &finished, Timestamp::now()).await?;
        }
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

#[cfg(test)]
mod tests {
    use domain::{notification::FallbackChannel, progress::Step};

    use super::*;

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
}
