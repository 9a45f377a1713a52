//! Which senders of an account are ours: those that `publish` has learned, and those of the configured Messaging Service, so that
//! a deployment whose webhooks have never arrived is reconciled, too.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use shared::report::Chain;
use twilio_client::{ApiRequest, Product};
use twilio_types::{
    address::Address,
    sid::{AccountSid, MessagingServiceSid},
};

use crate::{
    Budget, ReconcileFunction,
    account::{Account, Stop},
};

/// The Messaging Service of notifications that name no sender.
#[derive(Debug)]
pub(crate) struct DefaultService {
    pub(crate) account_sid: AccountSid,
    pub(crate) sid: MessagingServiceSid,
    /// When Twilio was last asked for its senders.
    pub(crate) asked_at: Mutex<Option<Timestamp>>,
}

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
        if let Some(service) = self.service.as_ref().filter(|service| service.account_sid == account.sid) {
            self.learn_senders(account, service, budget).await?;
        }
        Ok(self.senders.of(&account.sid).await?)
    }

    /// Learns the senders of the default service, once an hour. Without Twilio's answer the others are read all the same.
    async fn learn_senders(&self, account: &Account, service: &DefaultService, budget: &Budget) -> Result<(), Stop> {
        let now = Timestamp::now();
        let asked_at = *service.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_some_and(|asked_at| now.duration_since(asked_at) < ASK_AGAIN) {
            return Ok(());
        }
        *service.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        for kind in ["ChannelSenders", "PhoneNumbers"] {
            // A small budget is for the lists.
            if budget.request().is_err() {
                return Ok(());
            }
            let path = format!("/v1/Services/{}/{kind}", service.sid);
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
