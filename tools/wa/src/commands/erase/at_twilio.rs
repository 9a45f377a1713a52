//! The person's messages at Twilio.

use std::collections::BTreeMap;

use domain::identities::PersonIdentities;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use twilio_client::{AccountClient, Deletion, MessageFilter, MessageResource};
use twilio_types::sid::MessageSid;

use super::receipt::Step;
use crate::{error::CommandError, session::Session};

/// The largest page of Twilio.
const PAGE: u16 = 1_000;
/// How many messages are deleted at the same time. Twilio accepts some 100 requests at the same time of an account, and the
/// functions send by the same account.
const CONCURRENCY: usize = 8;
const SCHEDULED: &str = "scheduled";

/// The messages to and from a person.
pub(in crate::commands) struct TwilioMessages {
    messages: BTreeMap<MessageSid, MessageResource>,
}

impl TwilioMessages {
    pub(in crate::commands) fn none() -> Self {
        Self { messages: BTreeMap::new() }
    }

    /// Lists them by every address of the person.
    pub(in crate::commands) async fn find(
        session: &Session,
        identities: &PersonIdentities,
    ) -> Result<Self, CommandError> {
        let account = session.twilio().await?;
        let mut found = Self::none();
        for address in identities.at_twilio() {
            let filters = [
                MessageFilter::default().with_to(address.to_string()),
                MessageFilter::default().with_from(address.to_string()),
            ];
            for filter in filters {
                found.list(&account, &filter.with_page_size(PAGE)).await?;
            }
        }
        Ok(found)
    }

    async fn list(&mut self, account: &AccountClient, filter: &MessageFilter) -> Result<(), CommandError> {
        let mut page = account.list(filter).await?;
        loop {
            self.messages.extend(page.messages.into_iter().map(|message| (message.sid.clone(), message)));
            let Some(next) = page.next else { return Ok(()) };
            page = account.list_page(&next).await?;
        }
    }

    pub(in crate::commands) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(in crate::commands) fn sids(&self) -> impl Iterator<Item = &MessageSid> {
        self.messages.keys()
    }

    /// The messages to the person.
    pub(super) fn sent(&self) -> impl Iterator<Item = &MessageSid> {
        self.messages.values().filter(|message| message.direction != "inbound").map(|message| &message.sid)
    }

    /// The messages that have files.
    pub(in crate::commands) fn with_files(&self) -> impl Iterator<Item = &MessageSid> {
        self.messages.values().filter(|message| message.num_media > 0).map(|message| &message.sid)
    }

    /// Deletes each with its files. One that Twilio has still to send is left.
    pub(in crate::commands) async fn delete(&self, session: &Session, is_kept: bool) -> Result<Step, CommandError> {
        let step = Step::at_twilio(is_kept);
        if self.messages.is_empty() {
            return Ok(step);
        }
        let account = session.twilio().await?;
        let bar = session.terminal.progress(self.messages.len(), "messages at Twilio");
        let deleted: Vec<_> = stream::iter(self.messages.values())
            .map(|message| delete(&account, message))
            .buffer_unordered(CONCURRENCY)
            .inspect(|_| bar.inc(1))
            .try_collect()
            .await?;
        bar.finish_and_clear();
        let left = deleted.iter().filter(|deletion| **deletion == Deletion::NotYet).count();
        Ok(Step { left, ..step.done(deleted.len() - left) })
    }
}

async fn delete(account: &AccountClient, message: &MessageResource) -> Result<Deletion, CommandError> {
    if message.status.as_str() == SCHEDULED {
        account.cancel(&message.sid).await?;
    }
    if message.num_media > 0 {
        for file in account.media(&message.sid).await? {
            if let Some(media_sid) = file.sid() {
                account.delete_media(&message.sid, &media_sid).await?;
            }
        }
    }
    Ok(account.delete(&message.sid).await?)
}
