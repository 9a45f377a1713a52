//! Records a message together with the wish it holds.

use aws_sdk_dynamodb::Client;
use shared::{
    contacts::Contacts,
    dynamodb::{Refusal, StoreError, Transacted, transact},
    inbound::InboundMessage,
    messages::{Messages, Recorded, StoredMessage},
    preference::{Effect, Preference, RecordedPreference, effect},
};

use crate::wish::{Confirmation, Wish};

/// Writes to the Messages and the Contacts table in one transaction.
#[derive(Debug)]
pub(crate) struct PreferenceWriter {
    client: Client,
    messages: Messages,
    contacts: Contacts,
}

/// A wish is decided again each time somebody else changed the preference meanwhile. Each round means that another wish
/// of the same person was written, so a handful is already a storm.
const ROUNDS: usize = 8;

impl PreferenceWriter {
    pub(crate) fn new(client: Client, messages: Messages, contacts: Contacts) -> Self {
        Self { client, messages, contacts }
    }

    /// Records both or neither, and says what to answer. What is known of the person is not read first: the first try
    /// assumes that it is nothing, and its refusal brings what there is.
    pub(crate) async fn record(
        &self,
        message: &InboundMessage,
        mut stored: StoredMessage,
        wish: Wish,
    ) -> Result<(Option<String>, Recorded), StoreError> {
        let mut known: Option<RecordedPreference> = None;
        for _ in 0..ROUNDS {
            let effect = effect(wish.preference, stored.received_at, known.as_ref());
            stored.preference = (effect == Effect::Changed).then_some(wish.preference);
            stored.answer = confirmation(wish, effect);
            if effect == Effect::Stale {
                return Ok((None, self.messages.record(&stored).await?));
            }
            match self.write(message, &stored, wish.preference, known.as_ref()).await? {
                Written::Both => return Ok((stored.answer, Recorded::First)),
                Written::Duplicate(first) => return Ok((None, Recorded::Duplicate(first))),
                Written::Changed(found) => known = found,
            }
        }
        Err(StoreError::contended("recording a preference"))
    }

    async fn write(
        &self,
        message: &InboundMessage,
        stored: &StoredMessage,
        preference: Preference,
        known: Option<&RecordedPreference>,
    ) -> Result<Written, StoreError> {
        let new = RecordedPreference {
            preference,
            changed_at: stored.received_at.max(known.map_or(stored.received_at, |known| known.changed_at)),
            message_sid: Some(message.message_sid.clone()),
        };
        let contact = message.contact();
        let actions = vec![
            self.messages.recording(stored)?,
            self.contacts.set_preference(&contact, &message.from.channel, &new, known)?,
        ];
        match transact(&self.client, "recording a preference", actions).await? {
            Transacted::Written => Ok(Written::Both),
            Transacted::Refused(refusals) => Written::refused(refusals),
        }
    }
}

/// What became of a try.
enum Written {
    Both,
    Duplicate(Box<StoredMessage>),
    /// The preference is not what it was taken for, but this.
    Changed(Option<RecordedPreference>),
}

impl Written {
    /// The message's own condition goes first: a duplicate stays one whatever has become of the preference since.
    fn refused(refusals: Vec<Option<Refusal>>) -> Result<Self, StoreError> {
        let mut refusals = refusals.into_iter();
        if let Some(refusal) = refusals.next().flatten() {
            return Messages::read(refusal.found).map(|first| Self::Duplicate(Box::new(first)));
        }
        let found = refusals.next().flatten().map(|refusal| refusal.found).filter(|found| !found.is_empty());
        found.map(Contacts::read_preference).transpose().map(Self::Changed)
    }
}

/// A first STOP is confirmed, a repeated one is not; a START needs no words.
fn confirmation(wish: Wish, effect: Effect) -> Option<String> {
    match (wish.preference, effect, wish.confirmation) {
        (Preference::OptedOut, Effect::Changed, Confirmation::Ours(language)) => {
            Some(language.opt_out_confirmation().to_owned())
        }
        _ => None,
    }
}
