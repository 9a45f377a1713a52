//! Messages at Twilio that no archived status names: their callbacks were lost, or another program sent them. Twilio's list
//! does not say which notification a message belongs to, so each may belong to any notification to its recipient.

use std::collections::HashSet;

use domain::contact_key::ContactKey;
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};
use twilio_client::{AccountClient, MessageFilter, MessageResource};
use twilio_types::{
    address::Address,
    sid::{AccountSid, MessageSid},
};

use crate::error::CommandError;

/// The most that Twilio gives on a page. Source: Twilio, "Messages resource", `PageSize`.
const PAGE_SIZE: u16 = 1_000;

/// Twilio's clock and ours differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(2);

/// The recipients of the messages that no status names.
#[derive(Default)]
pub(super) struct UnnamedMessages {
    pub(super) recipients: HashSet<ContactKey>,
    pub(super) messages: usize,
    /// Messages of the list that cannot be understood: each may be to anybody.
    pub(super) unreadable: usize,
}

impl UnnamedMessages {
    /// Reads the list of messages that an account has sent since a time.
    pub(super) async fn list(
        twilio: &AccountClient,
        account_sid: &AccountSid,
        since: Timestamp,
        named: &HashSet<MessageSid>,
    ) -> Result<Self, CommandError> {
        let since = since.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        // The filter is by GMT days, and a message is created before it is sent.
        let day = since.to_zoned(TimeZone::UTC).date().saturating_sub(1.day());
        let filter = MessageFilter::default().with_sent_since(day).with_page_size(PAGE_SIZE);
        let mut unnamed = Self::default();
        let mut page = twilio.list(&filter).await?;
        loop {
            unnamed.unreadable += page.unreadable;
            for message in &page.messages {
                unnamed.add(account_sid, message, since, named);
            }
            let Some(next) = page.next else { return Ok(unnamed) };
            page = twilio.list_page(&next).await?;
        }
    }

    fn add(
        &mut self,
        account_sid: &AccountSid,
        message: &MessageResource,
        since: Timestamp,
        named: &HashSet<MessageSid>,
    ) {
        let is_ours = message.direction.starts_with("outbound") && !message.direction.ends_with("reply");
        let is_since = message.created_at().is_none_or(|at| at >= since);
        if !is_ours || !is_since || named.contains(&message.sid) {
            return;
        }
        match message.to.parse::<Address>() {
            Ok(to) => {
                self.messages += 1;
                self.recipients.insert(ContactKey::new(account_sid, &to.identity));
            }
            Err(_) => self.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn listed(change: &Value) -> MessageResource {
        let mut message = json!({
            "sid": "SM00000000000000000000000000000001", "status": "sent", "direction": "outbound-api",
            "from": "whatsapp:+14155238886", "to": "whatsapp:+14155550123", "num_media": "0", "error_code": null,
            "date_created": "Fri, 20 Nov 2026 09:00:00 +0000",
        });
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn only_our_messages_without_a_status_count() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let named = HashSet::from(["SM00000000000000000000000000000009".parse().unwrap()]);
        let since = "2026-11-20T09:00:00Z".parse().unwrap();
        for (change, messages) in [
            (json!({}), 1),
            (json!({"direction": "inbound"}), 0),
            (json!({"direction": "outbound-reply"}), 0),
            (json!({"sid": "SM00000000000000000000000000000009"}), 0),
            (json!({"date_created": "Fri, 20 Nov 2026 08:59:59 +0000"}), 0),
            (json!({"date_created": null}), 1),
        ] {
            let mut unnamed = UnnamedMessages::default();
            unnamed.add(&account_sid, &listed(&change), since, &named);
            assert_eq!(unnamed.messages, messages, "{change}");
            assert_eq!(unnamed.recipients.len(), messages, "{change}");
        }
    }
}
