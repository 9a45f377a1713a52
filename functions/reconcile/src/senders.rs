//! Which senders of an account are ours: those that `publish` has learned, the configured ones, and those of the configured
//! Messaging Services, so that a deployment whose webhooks have never arrived is reconciled, too.

use std::{collections::BTreeSet, sync::PoisonError};

use domain::configured_senders::ConfiguredSenders;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use shared::report::Chain;
use twilio_client::{ApiRequest, Product};
use twilio_types::{address::Address, sid::MessagingServiceSid};

use crate::{
    Budget, ReconcileFunction,
    account::{Account, Stop},
};

/// Senders are seldom added to a service.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Twilio's largest page; the most senders that one service can have of a kind are 400 numbers.
const PAGE_SIZE: &str = "1000";

/// Source: Twilio, "Channel Senders" and "`PhoneNumber` Resource" of a Messaging Service.
#[derive(Deserialize)]
struct ServiceSenders {
    #[serde(default)]
    senders: Vec<ChannelSender>,
    #[serde(default)]
    phone_numbers: Vec<ServiceNumber>,
}

#[derive(Deserialize)]
struct ChannelSender {
    sender: String,
}

#[derive(Deserialize)]
struct ServiceNumber {
    phone_number: String,
}

impl ServiceSenders {
    fn addresses(self) -> impl Iterator<Item = Address> {
        let channel_senders = self.senders.into_iter().map(|sender| sender.sender);
        let numbers = self.phone_numbers.into_iter().map(|number| number.phone_number);
        channel_senders.chain(numbers).filter_map(|address| address.parse().ok())
    }
}

impl ReconcileFunction {
    /// The senders of an account whose lists are read.
    pub(crate) async fn senders_of(&self, account: &Account, budget: &Budget) -> Result<BTreeSet<String>, Stop> {
        let tenants = self.tenants.current().await;
        for sender in tenants.own_senders(&account.sid).into_iter().flat_map(ConfiguredSenders::all) {
            if let Some(address) = sender.from.as_ref().and_then(|from| from.to_string().parse().ok()) {
                self.senders.learn(&account.sid, &address).await?;
            }
            if let Some(service) = &sender.service {
                self.learn_senders(account, service, budget).await?;
            }
        }
        Ok(self.senders.of(&account.sid).await?)
    }

    /// Learns the senders of a configured service, once an hour. Without Twilio's answer the others are read all the same.
    async fn learn_senders(
        &self,
        account: &Account,
        service: &MessagingServiceSid,
        budget: &Budget,
    ) -> Result<(), Stop> {
        if !self.is_time_to_ask(account, service) {
            return Ok(());
        }
        for kind in ["ChannelSenders", "PhoneNumbers"] {
            // A small budget is for the lists.
            if budget.request().is_err() {
                return Ok(());
            }
            let path = format!("/v1/Services/{service}/{kind}");
            let call = self.twilio.call(&account.sid, budget.deadline(), async |twilio| {
                let request = ApiRequest::get(Product::Messaging, path.as_str()).query([("PageSize", PAGE_SIZE)]);
                twilio.call::<ServiceSenders>(request).await
            });
            match call.await {
                Ok(listed) => {
                    for address in listed.addresses() {
                        self.senders.learn(&account.sid, &address).await?;
                    }
                }
                Err(error) => {
                    tracing::warn!(kind, error = %Chain(&error), "the senders of the Messaging Service are not known");
                }
            }
        }
        Ok(())
    }

    /// Whether a service was not asked about in the last hour. If so, that is noted.
    fn is_time_to_ask(&self, account: &Account, service: &MessagingServiceSid) -> bool {
        let now = Timestamp::now();
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let last = asked_at.get(&(account.sid.clone(), service.clone()));
        let is_time = last.is_none_or(|last| now.duration_since(*last) >= ASK_AGAIN);
        if is_time {
            asked_at.insert((account.sid.clone(), service.clone()), now);
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn senders_of_a_service_are_read_from_both_lists() {
        let addresses = |list: serde_json::Value| -> Vec<String> {
            serde_json::from_value::<ServiceSenders>(list)
                .unwrap()
                .addresses()
                .map(|address| address.to_string())
                .collect()
        };
        let channel_senders =
            json!({"senders": [{"sender": "whatsapp:+14155238886", "sender_type": "WhatsApp"}], "meta": {}});
        assert_eq!(addresses(channel_senders), ["whatsapp:+14155238886"]);
        assert_eq!(addresses(json!({"phone_numbers": [{"phone_number": "+14155550100"}]})), ["+14155550100"]);
    }
}
