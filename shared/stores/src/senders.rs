//! The senders of each account that belong to this system: the items `senders#AC` of the `RateLimits` table, whose key attribute
//! is `sender`. They never expire.
//!
//! `publish` learns a sender from what Twilio reports about it: an inbound webhook arrived for it, or a message of a
//! notification was sent from it. `reconcile` reads the list of messages of these senders only: all others of the account
//! belong to other systems.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use twilio_types::{
    address::{Address, Channel, Identity},
    sid::AccountSid,
};

use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

/// More senders of an account are not learned: every run of `reconcile` makes a request for each of them, and an item of 400 KB
/// has to hold the marks of all of them.
pub const MAX_SENDERS: usize = 500;

/// The attribute with the set of addresses.
const ADDRESSES: &str = "addresses";

pub struct KnownSenders {
    client: Client,
    table: String,
    /// Those that this process has written or found, so that a message of a known sender needs no request.
    learned: Mutex<HashSet<(AccountSid, String)>>,
}

impl fmt::Debug for KnownSenders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSenders").field("table", &self.table).finish_non_exhaustive()
    }
}

impl KnownSenders {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, learned: Mutex::default() }
    }

    /// Adds a sender, if people can write to it. One that this process knows needs no request, and one that is stored only a
    /// read.
    pub async fn learn(&self, account_sid: &AccountSid, sender: &Address) -> Result<(), StoreError> {
        if !can_receive(sender) {
            return Ok(());
        }
        let sender = (account_sid.clone(), sender.to_string());
        if self.is_learned(&sender) {
            return Ok(());
        }
        let stored = self.of(account_sid).await?.into_iter().map(|stored| (account_sid.clone(), stored));
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).extend(stored);
        if self.is_learned(&sender) {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("ADD #addresses :one")
            .condition_expression("attribute_not_exists(#addresses) OR size(#addresses) < :most")
            .expression_attribute_names("#addresses", ADDRESSES)
            .expression_attribute_values(":one", AttributeValue::Ss(vec![sender.1.clone()]))
            .expression_attribute_values(":most", AttributeValue::N(MAX_SENDERS.to_string()));
        if let ConditionalWrite::Refused(item) = conditional("adding a sender to the RateLimits table", update).await?
            && !addresses_in(&item).contains(&sender.1)
        {
            tracing::error!(
                %account_sid, alarm = "senders",
                "the account has too many senders: lost webhooks of this one are not recovered"
            );
        }
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).insert(sender);
        Ok(())
    }

    fn is_learned(&self, sender: &(AccountSid, String)) -> bool {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).contains(sender)
    }

    /// The senders of an account.
    pub async fn of(&self, account_sid: &AccountSid) -> Result<BTreeSet<String>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account_sid)));
        let found =
            get.send().await.map_err(|error| StoreError::of_sdk("reading senders of the RateLimits table", error))?;
        Ok(found.item.map(|item| addresses_in(&item)).unwrap_or_default())
    }
}

/// Whether people can write to a sender by WhatsApp, SMS or RCS. An alphanumeric sender ID receives no replies.
///
/// Source: Twilio, "Alphanumeric Sender ID for Twilio Programmable Messaging".
fn can_receive(sender: &Address) -> bool {
    match (&sender.channel, &sender.identity) {
        (Channel::WhatsApp, _) | (Channel::Sms, Identity::Phone(_)) => true,
        (Channel::Sms, Identity::Opaque(code)) => code.bytes().all(|byte| byte.is_ascii_digit()),
        (Channel::Sms, Identity::User(_)) => false,
        (Channel::Other(name), _) => name == "rcs",
    }
}

fn key(account_sid: &AccountSid) -> Item {
    Item::from([("sender".to_owned(), text(format_args!("senders#{account_sid}")))])
}

fn addresses_in(item: &Item) -> BTreeSet<String> {
    let addresses = item.get(ADDRESSES).and_then(|addresses| addresses.as_ss().ok());
    addresses.into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_that_receives_nothing_is_not_learned() {
        let can_receive = |address: &str| can_receive(&address.parse().unwrap());
        for sender in ["whatsapp:+14155238886", "+14155238886", "72345", "rcs:brand_agent"] {
            assert!(can_receive(sender), "{sender}");
        }
        for sender in ["Acme", "messenger:123456"] {
            assert!(!can_receive(sender), "{sender}");
        }
    }

    #[test]
    fn senders_are_read_from_their_item() {
        let addresses = AttributeValue::Ss(vec!["whatsapp:+14155238886".to_owned(), "+14155238886".to_owned()]);
        let mut item = key(&"AC00000000000000000000000000000001".parse().unwrap());
        assert_eq!(addresses_in(&item).len(), 0);
        item.insert(ADDRESSES.to_owned(), addresses);
        assert_eq!(addresses_in(&item), ["+14155238886".to_owned(), "whatsapp:+14155238886".to_owned()].into());
    }
}
