//! Cancels what is scheduled at Twilio for a person who opted out: an opt-out does not cancel it there.
//!
//! Source: Twilio, "Message scheduling".

use aws_lambda_events::{
    dynamodb::EventRecord,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use domain::{
    contact_key::ContactKey,
    preference::Preference,
    suppression::{CHANNELS, Scope},
};
use jiff::{SignedDuration, Timestamp};
use shared::{deadline::Deadline, log::loggable_event_id, report::Chain, twilio::AccountCallError};
use stores::{
    contacts::PreferenceChange,
    dynamodb::{Item, StoreError},
};
use twilio_client::{Cancellation, MessageFilter, MessageResource};
use twilio_types::{
    address::{Address, Channel, E164, Identity},
    message_status::MessageStatus,
    sid::MessagingServiceSid,
};

use crate::{Budget, ReconcileError, ReconcileFunction, account::Account, budget::Share, postponed::later};

/// Scheduled messages are among the newest: Twilio schedules at most 35 days ahead. A person with more messages than ten
/// pages hold in that time is none.
const MAX_PAGES: usize = 10;

/// A message that was created later is not one that the opt-out has to stop, if it is tried again: the person may have said
/// START meanwhile.
const CREATED_BEFORE: SignedDuration = SignedDuration::from_mins(15);

mod pending;

/// The opt-out of a person.
struct OptOut {
    home: ContactKey,
    account: Account,
    change: PreferenceChange,
}

impl ReconcileFunction {
    /// Works through a batch. What cannot be cancelled is kept for later, so that no person holds up the others. Only if it
    /// cannot be kept either, the record is reported, and Lambda brings the stream again from there.
    pub(crate) async fn cancel_all(&self, records: Vec<EventRecord>, deadline: Deadline) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        let mut left = records.len();
        for record in records {
            let sequence_number = record.change.sequence_number.clone();
            let share = Budget::new(0, deadline).share(Share::one_of(left)).deadline();
            left -= 1;
            if let Err(error) = self.cancel_for(record, share).await {
                tracing::error!(
                    sequence_number, error = %Chain(&error),
                    "the scheduled messages of a person who opted out are not cancelled yet"
                );
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = sequence_number;
                response.batch_item_failures.push(failure);
                break;
            }
        }
        response
    }

    async fn cancel_for(&self, record: EventRecord, deadline: Deadline) -> Result<(), StoreError> {
        let opt_out = match opt_out_in(&record.change.new_image.into()) {
            Ok(Some(opt_out)) => opt_out,
            Ok(None) => return Ok(()),
            Err(error) => {
                let sequence_number = record.change.sequence_number;
                tracing::error!(
                    sequence_number, error = %Chain(&error), alarm = "cancel",
                    "an opt-out cannot be read: its scheduled messages are not cancelled"
                );
                return Ok(());
            }
        };
        match self.cancel_within(&opt_out, deadline).await {
            Ok(()) => Ok(()),
            Err(error) => self.keep_for_later(&opt_out, 1, &error, Timestamp::now()).await,
        }
    }

    async fn cancel_within(&self, opt_out: &OptOut, deadline: Deadline) -> Result<(), ReconcileError> {
        let cancelled = deadline.run(self.cancel(opt_out, deadline)).await;
        cancelled.unwrap_or_else(|exceeded| Err(exceeded.into()))
    }

    /// Cancels what the opt-out covers, for every identity of the person.
    async fn cancel(&self, opt_out: &OptOut, deadline: Deadline) -> Result<(), ReconcileError> {
        let OptOut { home, account, change } = opt_out;
        let person = self.contacts.person(home).await?;
        let identities = person.identities().into_iter().filter_map(|contact| contact.address().parse().ok());
        let created_before = later(change.at, CREATED_BEFORE);
        let mut cancelled = 0;
        for address in addresses_of(identities, &channel_of(&change.channel)) {
            for scheduled in self.scheduled(account, &address, deadline).await? {
                if scheduled.created_at().is_none_or(|at| at <= created_before)
                    && covers(&change.scopes, &scheduled)
                    && self.cancel_message(account, &scheduled, deadline).await? == Cancellation::Canceled
                {
                    cancelled += 1;
                }
            }
        }
        let event_id = loggable_event_id(&change.event_id);
        tracing::info!(event_id, cancelled, "the scheduled messages of a person who opted out are cancelled");
        Ok(())
    }

    async fn cancel_message(
        &self,
        account: &Account,
        message: &MessageResource,
        deadline: Deadline,
    ) -> Result<Cancellation, AccountCallError> {
        self.twilio.call(&account.sid, deadline, async |twilio| twilio.cancel(&message.sid).await).await
    }

    async fn scheduled(
        &self,
        account: &Account,
        address: &str,
        deadline: Deadline,
    ) -> Result<Vec<MessageResource>, ReconcileError> {
        let filter = MessageFilter::default().with_to(address).with_page_size(self.requests.page_size);
        let mut page = self.twilio.call(&account.sid, deadline, async |twilio| twilio.list(&filter).await).await?;
        let mut scheduled = Vec::new();
        for pages_left in (0..MAX_PAGES).rev() {
            let waiting = |message: &MessageResource| message.status == MessageStatus::Scheduled.into();
            scheduled.extend(page.messages.into_iter().filter(waiting));
            match page.next {
                Some(next) if pages_left > 0 => {
                    page =
                        self.twilio.call(&account.sid, deadline, async |twilio| twilio.list_page(&next).await).await?;
                }
                _ => break,
            }
        }
        Ok(scheduled)
    }
}

/// The opt-out that the image of a person's item names, with the person's home and account. None for any other write: the
/// mapping's filter lets others through if its pattern is not known. An opt-out of marketing cancels nothing, because a
/// scheduled message has no category.
fn opt_out_in(image: &Item) -> Result<Option<OptOut>, StoreError> {
    let text = |name: &str| image.get(name).and_then(|value| value.as_s().ok());
    let (Some(contact), Some("preference")) = (text("contact"), text("last_change").map(String::as_str)) else {
        return Ok(None);
    };
    let Some(change) = PreferenceChange::in_image(image)? else { return Ok(None) };
    let is_covering = change.scopes.iter().any(|scope| *scope != Scope::Marketing);
    let sid = contact.split('#').next().and_then(|account_sid| account_sid.parse().ok());
    let account = sid.filter(|_| is_covering && change.preference == Preference::OptedOut).map(|sid| Account { sid });
    Ok(account.map(|account| OptOut { home: ContactKey::stored(contact), account, change }))
}

fn channel_of(name: &str) -> Channel {
    CHANNELS.into_iter().find(|channel| channel.name() == name).unwrap_or_else(|| Channel::Other(name.to_owned()))
}

/// Every spelling of the numbers on every channel, and the WhatsApp user ids: an opt-out holds for all of them. What is
/// scheduled for RCS is listed under `rcs:`.
fn addresses_of(identities: impl Iterator<Item = Identity>, channel: &Channel) -> Vec<String> {
    let on_every_channel = |number: E164| {
        let channels = CHANNELS.into_iter().chain([channel.clone()]);
        channels.map(move |channel| Address { channel, identity: Identity::Phone(number.clone()) }.to_string())
    };
    let addresses = identities.flat_map(|identity| match identity {
        Identity::Phone(number) => number.variants().into_iter().flat_map(on_every_channel).collect(),
        Identity::User(id) => vec![Address::whatsapp(id).to_string()],
        Identity::Opaque(_) => Vec::new(),
    });
    let mut addresses: Vec<String> = addresses.collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Whether an opt-out covers a scheduled message. Through a service its sender may not be chosen yet.
fn covers(scopes: &[Scope], message: &MessageResource) -> bool {
    scopes.iter().any(|scope| match scope {
        Scope::All => true,
        Scope::Marketing => false,
        Scope::Sender(sender) => {
            let service = message.messaging_service_sid.as_ref().map(MessagingServiceSid::as_str);
            message.from.as_deref() == Some(sender) || service == Some(sender)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NUMBER: &str = "whatsapp:+14155238886";
    const SERVICE: &str = "MG00000000000000000000000000000001";

    #[test]
    fn what_is_scheduled_is_looked_for_on_every_channel() {
        let person = || ["+5511987654321", "US.13491208655302741918"].map(|text| text.parse().unwrap()).into_iter();
        let user_id = "whatsapp:US.13491208655302741918";
        let known = ["+551187654321", "+5511987654321", "whatsapp:+551187654321", "whatsapp:+5511987654321", user_id];
        assert_eq!(addresses_of(person(), &Channel::WhatsApp), known);
        assert_eq!(addresses_of(person(), &Channel::Sms), known);
        let by_rcs = addresses_of(person(), &Channel::Other("rcs".to_owned()));
        assert_eq!(by_rcs.len(), 7, "{by_rcs:?}");
        assert!(by_rcs.contains(&"rcs:+5511987654321".to_owned()), "{by_rcs:?}");
    }

    #[test]
    fn an_opt_out_is_read_from_the_item_of_the_person() {
        let image = |last_change: &str, preference: &str, scope: &str| -> Item {
            let item = json!({
                "contact": "AC00000000000000000000000000000001#+14155550123", "facet": "person", "version": 7,
                "last_change": last_change,
                "preference_change": {
                    "event_id": "SM1.contact_opted_out", "preference": preference, "channel": "whatsapp",
                    "identity": "+14155550123", "scopes": [scope], "at": "2026-11-20T09:00:00Z"
                },
            });
            serde_dynamo::to_item(item).unwrap()
        };
        let OptOut { home, account, .. } = opt_out_in(&image("preference", "opted_out", "all")).unwrap().unwrap();
        assert_eq!(home.address(), "+14155550123");
        assert_eq!(account.sid.as_str(), "AC00000000000000000000000000000001");
        for other in [
            image("message", "opted_out", "all"),
            image("preference", "opted_in", "all"),
            image("preference", "opted_out", "marketing"),
        ] {
            assert!(opt_out_in(&other).unwrap().is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_channel_is_known_by_its_name() {
        for channel in [Channel::WhatsApp, Channel::Sms, Channel::Other("rcs".to_owned())] {
            assert_eq!(channel_of(channel.name()), channel);
        }
    }

    #[test]
    fn an_opt_out_covers_what_its_scope_says() {
        let message = |from: Option<&str>, service: Option<&str>| -> MessageResource {
            serde_json::from_value(json!({
                "sid": "SM00000000000000000000000000000001", "status": "scheduled", "to": "whatsapp:+14155550123",
                "direction": "outbound-api", "from": from, "messaging_service_sid": service
            }))
            .unwrap()
        };
        let one = |sender: &str| vec![Scope::Sender(sender.to_owned())];
        let cases = [
            (vec![Scope::All], None, None, true),
            (one(NUMBER), Some(NUMBER), None, true),
            (one(NUMBER), Some("whatsapp:+14155550000"), None, false),
            (one(NUMBER), None, Some(SERVICE), false),
            (vec![Scope::Sender(NUMBER.to_owned()), Scope::Sender(SERVICE.to_owned())], None, Some(SERVICE), true),
            (vec![Scope::Marketing], Some(NUMBER), None, false),
        ];
        for (scopes, from, service, expected) in cases {
            assert_eq!(covers(&scopes, &message(from, service)), expected, "{scopes:?} {from:?} {service:?}");
        }
    }
}
