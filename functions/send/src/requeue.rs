//! The last stage: each queue message is deleted, or comes again when it should.

use shared::{queues::LaneQueues, report::Chain};

use crate::{
    dead_letters::DeadLetters,
    next::{Ended, Next},
};

/// Makes messages come again.
#[derive(Debug)]
pub(crate) struct Requeue {
    pub(crate) queues: LaneQueues,
    pub(crate) dead_letters: DeadLetters,
}

impl Requeue {
    /// Sees to it that a message which is not done with comes again when it should. Gives whether Lambda may delete it.
    pub(crate) async fn finish(&self, ended: &Ended<'_>) -> bool {
        let Ended { message, next, .. } = ended;
        let delay = match next {
            Next::Done => return true,
            Next::Again(delay) => *delay,
            Next::GiveUp(reason) => match self.dead_letters.write(message, reason).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "a dead letter was not written, and is tried again");
                    return false;
                }
            },
        };
        if let Err(error) = self.queues.change_visibility(message.lane, message.receipt_handle, delay).await {
            tracing::warn!(error = %Chain(&error), "a message's delay was not set, so the queue's default applies");
        }
        false
    }
}
