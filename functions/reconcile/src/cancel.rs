//! A person who opted out gets nothing that is still scheduled at Twilio either: an opt-out does not cancel it there.
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
use serde::Deserialize;
use shared::{report::Chain, twilio::AccountCallError};
use stores::messages::StoredMessage;
use twilio_client::{Cancellation, MessageFilter, MessageResource};
use twilio_types::{
    address::{Address, Channel, E164, Identity},
    message_status::MessageStatus,
    sid::MessagingServiceSid,
};
use twilio_webhook::{
    form::Form,
    inbound_message::{InboundMessage, InvalidForm},
    signature::TrustedForm,
};

use crate::{ReconcileError, ReconcileFunction, account::Account};

/// Scheduled messages are among the newest: Twilio schedules at most 35 days ahead. A person with more messages than ten
/// pages hold in that time is none.
const MAX_PAGES: usize = 10;

/// Why the messages of a person could not be cancelled: tried again with the batch.
#[derive(Debug, thiserror::Error)]
enum CancelError {
    #[error("an item of the Messages table cannot be read")]
    Record(#[from] serde_dynamo::Error),
    #[error("a stored form cannot be read")]
    Form(#[from] InvalidForm),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

/// What decides whether an item matters; the mapping's filter lets others through where its pattern is not known.
#[derive(Deserialize)]
struct Sieve {
    preference: Option<Preference>,
}

impl ReconcileFunction {
    /// Works through a batch. The first record that fails is reported, and Lambda brings the stream again from there.
    pub(crate) async fn cancel_all(&self, records: Vec<EventRecord>) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        for record in records {
            let sequence_number = record.change.sequence_number.clone();
            if let Err(error) = self.cancel_for(record).await {
                tracing::error!(sequence_number, error = %Chain(&error), "scheduled messages not cancelled");
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = sequence_number;
                response.batch_item_failures.push(failure);
                break;
            }
        }
        response
    }

    async fn cancel_for(&self, record: EventRecord) -> Result<(), CancelError> {
        let sieve: Sieve = serde_dynamo::from_item(record.change.new_image.clone())?;
        if sieve.preference != Some(Preference::OptedOut) {
            return Ok(());
        }
        let stored: StoredMessage = serde_dynamo::from_item(record.change.new_image)?;
        let message = InboundMessage::parse(TrustedForm::Stored(&Form::from(stored.raw)))?;
        self.cancel(&message).await?;
        Ok(())
    }

    async fn cancel(&self, message: &InboundMessage) -> Result<(), ReconcileError> {
        let account = Account { sid: message.account_sid.clone() };
        // A batch comes rarely; what it calls with is to be of today.
        self.twilio.secrets().reread().await?;
        let service = message.details.messaging_service_sid.as_ref();
        let scopes = self.opt_out_scope.scopes(Preference::OptedOut, &message.to, service);
        let mut cancelled = 0;
        for address in self.addresses(message).await? {
            for scheduled in self.scheduled(&account, &address).await? {
                if covers(&scopes, &scheduled)
                    && self.cancel_message(&account, &scheduled).await? == Cancellation::Canceled
                {
                    cancelled += 1;
                }
            }
        }
        tracing::info!(message_sid = %message.message_sid, cancelled, "scheduled messages of somebody who opted out");
        Ok(())
    }

    async fn cancel_message(
        &self,
        account: &Account,
        message: &MessageResource,
    ) -> Result<Cancellation, AccountCallError> {
        self.twilio.call(&account.sid, async |twilio| twilio.cancel(&message.sid).await).await
    }

    /// The addresses a message to the person may have been scheduled for: notifications go to numbers.
    async fn addresses(&self, message: &InboundMessage) -> Result<Vec<String>, ReconcileError> {
        let mut contacts: Vec<ContactKey> = ContactKey::all_of_sender(message);
        contacts.extend(self.contacts.linked(&ContactKey::of_sender(message)).await?);
        let known = contacts.iter().filter_map(|contact| contact.address().parse().ok());
        Ok(addresses_of(known.chain([message.from.identity.clone()]), &message.from.channel))
    }

    async fn scheduled(&self, account: &Account, address: &str) -> Result<Vec<MessageResource>, ReconcileError> {
        let filter = MessageFilter::default().with_to(address).with_page_size(self.requests.page_size);
        let mut page = self.twilio.call(&account.sid, async |twilio| twilio.list(&filter).await).await?;
        let mut scheduled = Vec::new();
        for pages_left in (0..MAX_PAGES).rev() {
            let waiting = |message: &MessageResource| message.status == MessageStatus::Scheduled;
            scheduled.extend(page.messages.into_iter().filter(waiting));
            match page.next {
                Some(next) if pages_left > 0 => {
                    page = self.twilio.call(&account.sid, async |twilio| twilio.list_page(&next).await).await?;
                }
                _ => break,
            }
        }
        Ok(scheduled)
    }
}

/// Every spelling of the numbers on every channel: an opt-out holds for all of them. What is scheduled for RCS is listed
/// under `rcs:`.
fn addresses_of(identities: impl Iterator<Item = Identity>, channel: &Channel) -> Vec<String> {
    let numbers = identities.filter_map(|identity| match identity {
        Identity::Phone(number) => Some(number.variants()),
        Identity::Opaque(_) => None,
    });
    let on_every_channel = |number: E164| {
        let channels = CHANNELS.into_iter().chain([channel.clone()]);
        channels.map(move |channel| Address { channel, identity: Identity::Phone(number.clone()) }.to_string())
    };
    let mut addresses: Vec<String> = numbers.flatten().flat_map(on_every_channel).collect();
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
        let known = ["+551187654321", "+5511987654321", "whatsapp:+551187654321", "whatsapp:+5511987654321"];
        assert_eq!(addresses_of(person(), &Channel::WhatsApp), known);
        assert_eq!(addresses_of(person(), &Channel::Sms), known);
        let by_rcs = addresses_of(person(), &Channel::Other("rcs".to_owned()));
        assert_eq!(by_rcs.len(), 6, "{by_rcs:?}");
        assert!(by_rcs.contains(&"rcs:+5511987654321".to_owned()), "{by_rcs:?}");
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
