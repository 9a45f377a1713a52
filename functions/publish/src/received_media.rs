//! The files of a message from a person: the function `store-media` stores them, after their message is published. A file that is
//! slow or broken keeps that function alone busy, so it holds up no event.

use domain::media_settings::MediaSettings;
use shared::queues::{MediaQueue, MediaReference, QueueError};
use twilio_webhook::inbound_message::InboundMessage;

/// Puts the files of messages on the queue of `store-media`.
#[derive(Debug)]
pub(crate) struct MediaForwarder {
    /// None where no such queue is set, as for a function that is started by hand.
    pub(crate) queue: Option<MediaQueue>,
}

impl MediaForwarder {
    /// Does nothing for a message without files, and where the account stores none.
    pub(crate) async fn forward(&self, message: &InboundMessage, settings: MediaSettings) -> Result<(), QueueError> {
        match &self.queue {
            Some(queue) if settings.store_inbound && !message.media.is_empty() => queue.put(&files(message)).await,
            _ => Ok(()),
        }
    }
}

fn files(message: &InboundMessage) -> Vec<MediaReference> {
    let file = |(index, _)| MediaReference {
        account_sid: message.account_sid.clone(),
        message_sid: message.message_sid.clone(),
        index,
    };
    (0..).zip(&message.media).map(file).collect()
}

#[cfg(test)]
mod tests {
    use twilio_webhook::{form::Form, signature::TrustedForm};

    use super::*;

    #[test]
    fn each_file_is_named_by_its_place_among_those_of_the_event() {
        let form = Form::parse(
            b"MessageSid=MM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001&From=%2B1\
              &To=%2B2&NumMedia=3&MediaUrl0=a&MediaUrl2=c",
        );
        let message = InboundMessage::parse(TrustedForm::Stored(&form)).unwrap();
        let files = files(&message);
        assert_eq!(files.iter().map(|file| file.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(files[1].message_sid, message.message_sid);
    }
}
