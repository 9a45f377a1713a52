//! Inbound messages: the list of messages to each of our senders, page by page, the newest first.
//!
//! First the newest part of every list is read, down to where the last run began, so that an opt-out of the last minutes
//! waits for no backlog. Then what is left of the budget goes to what earlier runs have left unread. A sender that Twilio does
//! not list does not hold up the others.

use std::collections::BTreeMap;

use domain::trace_id::TraceId;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use shared::{log::traced, twilio::AccountCallError};
use stores::messages::{MessageEvent, MessageSubject};
use tracing::Instrument as _;
use twilio_client::{MessageFilter, MessagePage, MessageResource, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    Budget, ReconcileFunction,
    account::{Account, AccountSweep, Stop, TextsAtTwilio},
    budget::Share,
    found::is_inbound_within,
    reading::{ListPosition, SenderReading, oldest},
    redactable::is_redacted,
    report::Outcome,
    restore::Restored,
};

/// More would only wait for the function's processor.
pub(crate) const CONCURRENT_WRITES: usize = 16;

/// Which parts of a list a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Newest,
    Everything,
}

impl Pass {
    fn is_over(self, reading: &SenderReading) -> bool {
        match self {
            Self::Newest => reading.is_newest_read(),
            Self::Everything => reading.next().is_none(),
        }
    }
}

impl AccountSweep {
    /// Leaves out the messages whose texts were deleted at Twilio: they were stored before, and must not be stored again without
    /// their texts. An operator hears of each, because it is missing here.
    pub(crate) fn with_text<'a>(&mut self, missing: Vec<&'a MessageResource>) -> Vec<&'a MessageResource> {
        let (redacted, with_text): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|message| self.texts == TextsAtTwilio::Deleted && is_redacted(message));
        for message in redacted {
            let _trace = traced(&TraceId::of_message(&self.report.account_sid, &message.sid)).entered();
            tracing::error!(
                message_sid = %message.sid, alarm = "redaction",
                "an inbound message is missing, and is not recorded: its text was deleted at Twilio"
            );
            self.report.without_text += 1;
            self.postponed.remove(&message.sid);
        }
        with_text
    }
}

impl ReconcileFunction {
    /// Records the missing inbound messages of an account.
    pub(crate) async fn read_inbound(
        &self,
        account: &Account,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let senders = self.senders_of(account, budget).await?;
        sweep.resume(senders);
        let mut ended = Ok(());
        for pass in [Pass::Newest, Pass::Everything] {
            let senders: Vec<_> = sweep.readings.keys().cloned().collect();
            for (index, sender) in senders.iter().enumerate() {
                let share = budget.share(Share::one_of(senders.len() - index));
                let read = share.deadline().run(self.read_list(account, sender, pass, sweep, &share)).await;
                budget.add(&share);
                match read.unwrap_or_else(|exceeded| Err(exceeded.into())) {
                    Err(Stop::Failed(error)) => return Err(Stop::Failed(error)),
                    // In the first pass a list may have more than its share: the second pass reads on.
                    Err(Stop::Paused(Outcome::BudgetSpent)) if pass == Pass::Newest => {}
                    paused => ended = ended.and(paused),
                }
            }
            if pass == Pass::Newest {
                match self.retry_postponed(account, sweep, budget).await {
                    Err(Stop::Failed(error)) => return Err(Stop::Failed(error)),
                    retried => ended = ended.and(retried),
                }
            }
        }
        ended
    }

    /// Reads one list on. A page that was not done to its end is read again, by this run or the next, which finds less
    /// missing.
    async fn read_list(
        &self,
        account: &Account,
        sender: &str,
        pass: Pass,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        loop {
            let Some(reading) = sweep.readings.get(sender).filter(|reading| !pass.is_over(reading)) else {
                return Ok(());
            };
            budget.request()?;
            let until = reading.until();
            let page = match self.page(account, sender, reading, budget).await {
                // Twilio may not keep the paths of its pages without end.
                Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) => {
                    tracing::warn!(%refusal, "Twilio refuses to list the messages to a sender, or does not know the page any more");
                    if reading.next() == Some(ListPosition::Newest) {
                        return Err(Stop::Paused(Outcome::TwilioUnavailable));
                    }
                    if let Some(reading) = sweep.readings.get_mut(sender) {
                        reading.lose_place();
                    }
                    continue;
                }
                page => page?,
            };
            sweep.report.pages += 1;
            sweep.report.listed += page.messages.len() + page.unreadable;
            self.restore_page(account, &page, until, sweep, budget).await?;
            let oldest_on_page = page.messages.iter().filter_map(MessageResource::happened_at).min();
            if let Some(reading) = sweep.readings.get_mut(sender) {
                reading.advance(page.next, oldest_on_page);
            }
        }
    }

    async fn page(
        &self,
        account: &Account,
        sender: &str,
        reading: &SenderReading,
        budget: &Budget,
    ) -> Result<MessagePage, AccountCallError> {
        let deadline = budget.deadline();
        match reading.next() {
            Some(ListPosition::Page(path)) => {
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list_page(&path).await).await
            }
            Some(ListPosition::Newest) | None => {
                let filter = MessageFilter::default().with_to(sender).with_sent_since(reading.first_day());
                let filter = filter.with_page_size(self.requests.page_size);
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list(&filter).await).await
            }
        }
    }

    /// Records what is missing of a page. What cannot be recorded is postponed.
    async fn restore_page(
        &self,
        account: &Account,
        page: &MessagePage,
        until: Timestamp,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let within = oldest(sweep.now)..=until;
        let due: Vec<_> = page.messages.iter().filter(|message| is_inbound_within(message, &within)).collect();
        let missing = sweep.with_text(self.missing(account, due).await?);
        let results = self.restore_all(account, missing, budget).await?;
        for sid in &page.unreadable_sids {
            let _trace = traced(&TraceId::of_message(&account.sid, sid)).entered();
            tracing::error!(message_sid = %sid, "a message of the list cannot be understood");
        }
        let unreadable = page.unreadable_sids.iter().map(|sid| (sid.clone(), Restored::Postponed));
        for (sid, restored) in results.into_iter().chain(unreadable) {
            sweep.count(&sid, restored)?;
        }
        Ok(())
    }

    /// Those of the messages that are not recorded.
    pub(crate) async fn missing<'a>(
        &self,
        account: &Account,
        due: Vec<&'a MessageResource>,
    ) -> Result<Vec<&'a MessageResource>, Stop> {
        let key = |message: &MessageResource| {
            (MessageSubject::Message(account.sid.clone(), message.sid.clone()), MessageEvent::Inbound)
        };
        let keys = due.iter().map(|message| key(message)).collect();
        let recorded = self.messages.recorded(&keys).await?;
        let is_missing = |message: &&MessageResource| {
            let (subject, event) = key(message);
            !recorded.contains(&(subject.to_string(), event.to_string()))
        };
        Ok(due.into_iter().filter(is_missing).collect())
    }

    /// Records messages, those of different people at the same time, and each person's in the order in which they were sent.
    pub(crate) async fn restore_all(
        &self,
        account: &Account,
        messages: Vec<&MessageResource>,
        budget: &Budget,
    ) -> Result<Vec<(MessageSid, Restored)>, Stop> {
        let restore = async |of_person: Vec<&MessageResource>| {
            let mut results = Vec::with_capacity(of_person.len());
            for message in of_person.into_iter().rev() {
                budget.time()?;
                let span = traced(&TraceId::of_message(&account.sid, &message.sid));
                let restored = self.restore_inbound(account, message, budget).instrument(span).await?;
                results.push((message.sid.clone(), restored));
            }
            Ok::<_, Stop>(results)
        };
        let restored = stream::iter(by_person(messages)).map(restore).buffered(CONCURRENT_WRITES);
        let restored: Vec<_> = restored.try_collect().await?;
        Ok(restored.into_iter().flatten().collect())
    }
}

/// The messages of each person, the people in the order of their newest messages.
fn by_person(messages: Vec<&MessageResource>) -> Vec<Vec<&MessageResource>> {
    let mut people: Vec<Vec<&MessageResource>> = Vec::new();
    let mut index_of: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for message in messages {
        let index = *index_of.entry(message.from.as_deref()).or_insert(people.len());
        match people.get_mut(index) {
            Some(of_person) => of_person.push(message),
            None => people.push(vec![message]),
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stores::sweeps::{AccountMarks, PostponedMessage, RedactionMark};

    use super::*;
    use crate::{AccountReport, SweepRequest};

    #[test]
    fn messages_are_grouped_by_person_in_the_order_of_the_list() {
        let message = |number: u32, from: &str| -> MessageResource {
            serde_json::from_value(json!({
                "sid": format!("SM{number:032}"), "status": "received", "direction": "inbound", "from": from,
                "to": "whatsapp:+14155238886"
            }))
            .unwrap()
        };
        let listed = [message(4, "+1"), message(3, "+2"), message(2, "+1"), message(1, "+3")];
        let numbers: Vec<Vec<char>> = by_person(listed.iter().collect())
            .iter()
            .map(|of_person| of_person.iter().filter_map(|message| message.sid.as_str().chars().last()).collect())
            .collect();
        assert_eq!(numbers, [vec!['4', '2'], vec!['3'], vec!['1']]);
    }

    #[test]
    fn message_without_its_text_is_counted_and_left_out() {
        let redacted: MessageResource = serde_json::from_value(json!({
            "sid": "SM00000000000000000000000000000001", "status": "received", "direction": "inbound",
            "from": "whatsapp:+14155550123", "to": "whatsapp:+14155238886", "body": "",
            "date_sent": "Fri, 20 Nov 2026 09:00:00 +0000", "date_updated": "Sat, 21 Nov 2026 09:00:00 +0000"
        }))
        .unwrap();
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let mark: RedactionMark = serde_json::from_value(json!({"until": "2026-11-20"})).unwrap();
        for (mark, without_text) in [(None, 0), (Some(mark), 1)] {
            let postponed = PostponedMessage { found_at: now, failures: 1, retry_at: now };
            let marks = AccountMarks {
                redaction: mark,
                postponed: [(redacted.sid.clone(), postponed)].into(),
                ..AccountMarks::default()
            };
            let report = AccountReport::new("AC00000000000000000000000000000001".parse().unwrap());
            let mut sweep = AccountSweep::new(report, SweepRequest::default(), now, marks);
            assert_eq!(sweep.with_text(vec![&redacted]).len(), 1 - without_text);
            assert_eq!((sweep.report.without_text, sweep.postponed.len()), (without_text, 1 - without_text));
        }
    }
}
