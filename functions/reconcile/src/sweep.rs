//! An account's message list, page by page.

use std::ops::RangeInclusive;

use domain::callback_url::CallbackOrigin;
use jiff::{SignedDuration, Timestamp};
use shared::twilio::AccountCallError;
use stores::messages::{MessageEvent, MessageSubject};
use twilio_client::{MessageFilter, MessageResource, TwilioError};

use crate::{
    AccountReport, Budget, ReconcileFunction, SweepRequest,
    account::{Account, Stop},
    found::{ExpectedEvent, expected},
    progress::{ListPosition, Progress, oldest},
};

impl ReconcileFunction {
    /// Reads on until the list or the budget ends. A page that was not done to its end is read again by the next run, which
    /// finds less missing.
    pub(crate) async fn sweep(
        &self,
        account: &Account,
        request: SweepRequest,
        budget: &mut Budget,
        progress: &mut Progress,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let minimum_age = SignedDuration::from_secs(request.minimum_age_seconds.into());
        while let Some(position) = progress.next().cloned() {
            budget.request()?;
            let deadline = budget.deadline();
            let now = Timestamp::now();
            let page = match &position {
                ListPosition::Newest => {
                    let filter = MessageFilter::default().with_sent_since(progress.first_day());
                    let filter = filter.with_page_size(self.requests.page_size);
                    self.twilio.call(&account.sid, deadline, async |twilio| twilio.list(&filter).await).await?
                }
                ListPosition::Page(path) => {
                    match self.twilio.call(&account.sid, deadline, async |twilio| twilio.list_page(path).await).await {
                        // Twilio does not keep the paths of its pages without end.
                        Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) => {
                            tracing::warn!(%refusal, "Twilio does not know the page any more: the sweep starts again at the newest message");
                            progress.restart(now);
                            continue;
                        }
                        page => page?,
                    }
                }
            };
            if page.unreadable > 0 {
                tracing::error!(
                    unreadable = page.unreadable,
                    "messages of the list that cannot be understood are left out"
                );
            }
            report.listed += page.messages.len() + page.unreadable;
            let due = oldest(now)..=now.saturating_sub(minimum_age).unwrap_or(Timestamp::MIN);
            self.restore_missing(account, &page.messages, &due, budget, report).await?;
            let newest = page.messages.iter().filter_map(MessageResource::changed_at).max();
            progress.advance(page.next.map(ListPosition::Page), newest);
        }
        Ok(())
    }

    /// Records what is missing, the oldest first, as it happened.
    async fn restore_missing(
        &self,
        account: &Account,
        messages: &[MessageResource],
        due: &RangeInclusive<Timestamp>,
        budget: &mut Budget,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let missing = self.missing(account, messages, due).await?;
        for found in missing.iter().rev() {
            budget.time()?;
            match found.event {
                ExpectedEvent::Inbound => self.restore_inbound(account, found.message, budget, report).await?,
                ExpectedEvent::FinalStatus(_) => {
                    self.restore_status(account, found.message, found.origin.as_ref(), report).await?;
                }
            }
        }
        Ok(())
    }

    /// Those of the messages that should be recorded, and are not.
    async fn missing<'a>(
        &self,
        account: &Account,
        messages: &'a [MessageResource],
        due: &RangeInclusive<Timestamp>,
    ) -> Result<Vec<ListedEvent<'a>>, Stop> {
        let is_opt_out = |message: &MessageResource| self.is_opt_out(account, message);
        let due = messages.iter().filter_map(|message| Some((message, expected(message, due, is_opt_out)?)));
        let (inbound, statuses): (Vec<_>, Vec<_>) = due.partition(|(_, event)| *event == ExpectedEvent::Inbound);
        let sent: Vec<_> = statuses.iter().map(|(message, _)| *message).collect();
        let origins = self.origins(account, &sent).await?;
        let inbound = inbound.into_iter().map(|(message, event)| ListedEvent { message, event, origin: None });
        let statuses = statuses.into_iter().zip(origins);
        let statuses = statuses.map(|((message, event), origin)| ListedEvent { message, event, origin });
        // The list is recorded from its end: inbound messages come first, because one may be an opt-out.
        let mut listed: Vec<_> = statuses.chain(inbound).collect();
        let keys = listed.iter().map(|event| event.key(account)).collect();
        let recorded = self.messages.recorded(&keys).await?;
        listed.retain(|event| {
            let (subject, event) = event.key(account);
            !recorded.contains(&(subject.to_string(), event.to_string()))
        });
        Ok(listed)
    }
}

/// An event of a listed message.
#[derive(Debug)]
struct ListedEvent<'a> {
    message: &'a MessageResource,
    event: ExpectedEvent,
    /// The attempt that became the message.
    origin: Option<CallbackOrigin>,
}

impl ListedEvent<'_> {
    /// The key under which a webhook would have recorded the event.
    fn key(&self, account: &Account) -> (MessageSubject, MessageEvent) {
        let message_sid = &self.message.sid;
        let subject = MessageSubject::of_status(&account.sid, message_sid, self.origin.as_ref());
        let event = match (self.event, &self.origin) {
            (ExpectedEvent::Inbound, _) => MessageEvent::Inbound,
            (ExpectedEvent::FinalStatus(status), None) => MessageEvent::Status(status),
            (ExpectedEvent::FinalStatus(status), Some(_)) => MessageEvent::AttemptStatus(message_sid.clone(), status),
        };
        (subject, event)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio_types::message_status::MessageStatus;

    use super::*;

    fn key(event: ExpectedEvent, origin: Option<CallbackOrigin>) -> (String, String) {
        let message: MessageResource = serde_json::from_value(json!({
            "sid": "SM00000000000000000000000000000001", "status": "delivered", "direction": "outbound-api",
            "to": "whatsapp:+14155550123"
        }))
        .unwrap();
        let account = Account { sid: "AC00000000000000000000000000000001".parse().unwrap() };
        let (subject, event) = ListedEvent { message: &message, event, origin }.key(&account);
        (subject.to_string(), event.to_string())
    }

    #[test]
    fn a_listed_event_has_the_key_of_its_webhook() {
        let (account, message) = ("AC00000000000000000000000000000001", "SM00000000000000000000000000000001");
        let of_message = format!("{account}#{message}");
        assert_eq!(key(ExpectedEvent::Inbound, None), (of_message.clone(), "inbound".to_owned()));
        let delivered = ExpectedEvent::FinalStatus(MessageStatus::Delivered);
        assert_eq!(key(delivered, None), (of_message, "status#delivered".to_owned()));
        let origin = CallbackOrigin { notification_id: "order-1".to_owned().try_into().unwrap(), attempt: 2 };
        assert_eq!(key(delivered, Some(origin)), (format!("{account}#order-1#2"), format!("{message}#delivered")));
    }
}
