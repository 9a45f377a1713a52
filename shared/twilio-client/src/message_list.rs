//! The list of an account's messages, page by page.
//!
//! Source: Twilio, "Messages resource", "Retrieve a list of Message resources".

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use twilio_types::sid::MessageSid;

use crate::MessageResource;

/// Which messages are listed: all of the account's if nothing is set. `Debug` shows no address.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageFilter {
    /// `To`: only messages to this address, spelled as Twilio has it, as in `whatsapp:+14155550123`.
    pub to: Option<String>,
    /// `From`: only messages from this address.
    pub from: Option<String>,
    /// `DateSent>=`: only messages that were sent on this day (GMT) or later. A message that has not been sent yet has no such
    /// day.
    pub sent_since: Option<Date>,
    /// `DateSent<=`: only messages that were sent on this day (GMT) or earlier.
    pub sent_until: Option<Date>,
    /// `PageSize`: messages on a page, 1 to 1,000. Twilio's default is 50.
    pub page_size: Option<u16>,
}

impl MessageFilter {
    /// Only messages to this address.
    #[must_use]
    pub fn with_to(mut self, address: impl Into<String>) -> Self {
        self.to = Some(address.into());
        self
    }

    /// Only messages from this address.
    #[must_use]
    pub fn with_from(mut self, address: impl Into<String>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Only messages that were sent on this day (GMT) or later.
    #[must_use]
    pub fn with_sent_since(mut self, day: Date) -> Self {
        self.sent_since = Some(day);
        self
    }

    /// Only messages that were sent on this day (GMT) or earlier.
    #[must_use]
    pub fn with_sent_until(mut self, day: Date) -> Self {
        self.sent_until = Some(day);
        self
    }

    /// As many messages on a page, 1 to 1,000.
    #[must_use]
    pub fn with_page_size(mut self, messages: u16) -> Self {
        self.page_size = Some(messages);
        self
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        [
            ("To", self.to.clone()),
            ("From", self.from.clone()),
            // The parameters' names are `DateSent>` and `DateSent<`, which the equals sign follows.
            ("DateSent>", self.sent_since.map(|day| day.to_string())),
            ("DateSent<", self.sent_until.map(|day| day.to_string())),
            ("PageSize", self.page_size.map(|messages| messages.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl fmt::Debug for MessageFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageFilter")
            .field("sent_since", &self.sent_since)
            .field("sent_until", &self.sent_until)
            .field("page_size", &self.page_size)
            .finish_non_exhaustive()
    }
}

/// A page of the list, the newest message first.
///
/// A message that cannot be understood, such as one without a direction, is counted and left out, so that the others can still be read. Before you conclude anything from the absence of a message, look at
/// [`Self::unreadable`]. Those with a readable SID can be fetched later by [`Self::unreadable_sids`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessagePage {
    /// The messages that were understood.
    pub messages: Vec<MessageResource>,
    /// How many messages were not understood.
    pub unreadable: usize,
    /// The SIDs of those messages, as far as they have one.
    pub unreadable_sids: Vec<MessageSid>,
    /// The page that follows, which holds older messages; none on the last page.
    pub next: Option<PagePath>,
}

impl<'de> Deserialize<'de> for MessagePage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            messages: Vec<Value>,
            next_page_uri: Option<String>,
        }
        let Raw { messages, next_page_uri } = Raw::deserialize(deserializer)?;
        let mut page = Self {
            messages: Vec::with_capacity(messages.len()),
            unreadable: 0,
            unreadable_sids: Vec::new(),
            next: next_page_uri.and_then(|path| path.parse().ok()),
        };
        for message in messages {
            let sid = message.get("sid").and_then(|sid| sid.as_str()?.parse().ok());
            if let Ok(message) = serde_json::from_value(message) {
                page.messages.push(message);
            } else {
                page.unreadable += 1;
                page.unreadable_sids.extend(sid);
            }
        }
        Ok(page)
    }
}

/// The path of a page of the list, as the page before it named it. It can be kept as text and read on from later, until Twilio
/// has forgotten it and answers with 4xx. `Debug` does not show it: it holds the filter's addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct PagePath(String);

/// A text that is not the path of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a page: expected a path that begins with a slash")]
pub struct InvalidPagePath;

impl PagePath {
    /// The path, which begins with a slash, and its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PagePath {
    type Err = InvalidPagePath;

    /// A path alone, never a whole URL: the credentials go to no other host.
    fn from_str(text: &str) -> Result<Self, InvalidPagePath> {
        if text.starts_with('/') { Ok(Self(text.to_owned())) } else { Err(InvalidPagePath) }
    }
}

impl fmt::Display for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PagePath").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NEXT: &str = "/2010-04-01/Accounts/AC1/Messages.json?To=%2B14155550123&Page=1";

    fn page(next: &str) -> MessagePage {
        let message = json!({"sid": "SM00000000000000000000000000000001", "status": "read", "to": "whatsapp:+14155550123",
                             "direction": "outbound-api"});
        let mut new = message.clone();
        new["sid"] = json!("SM00000000000000000000000000000002");
        new["direction"] = json!(7);
        serde_json::from_value(json!({"messages": [new, {"sid": 7}, message], "next_page_uri": next})).unwrap()
    }

    #[test]
    fn a_page_leaves_out_what_it_does_not_understand_and_counts_it() {
        let page = page(NEXT);
        assert_eq!((page.messages.len(), page.unreadable), (1, 2));
        assert_eq!(page.messages[0].sid.as_str(), "SM00000000000000000000000000000001");
        assert_eq!(page.unreadable_sids, ["SM00000000000000000000000000000002".parse().unwrap()]);
        assert_eq!(page.next.unwrap().as_str(), NEXT);
    }

    #[test]
    fn a_message_whose_status_is_a_new_word_is_understood() {
        let message = json!({"sid": "SM00000000000000000000000000000001", "status": "teleported",
                             "to": "whatsapp:+14155550123", "direction": "outbound-api"});
        let page: MessagePage = serde_json::from_value(json!({"messages": [message]})).unwrap();
        assert_eq!(page.unreadable, 0);
        assert_eq!(page.messages[0].status.as_str(), "teleported");
    }

    #[test]
    fn a_next_page_leads_to_no_other_host() {
        assert_eq!(page("@elsewhere.example.com/").next, None);
        assert_eq!("https://elsewhere.example.com/".parse::<PagePath>(), Err(InvalidPagePath));
    }

    #[test]
    fn a_filter_becomes_twilios_parameters() {
        let filter = MessageFilter::default()
            .with_to("whatsapp:+14155550123")
            .with_from("whatsapp:+14155238886")
            .with_sent_since("2026-11-20".parse().unwrap())
            .with_sent_until("2026-11-22".parse().unwrap())
            .with_page_size(100);
        let parameters: Vec<_> = filter.parameters().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "To=whatsapp:+14155550123",
            "From=whatsapp:+14155238886",
            "DateSent>=2026-11-20",
            "DateSent<=2026-11-22",
            "PageSize=100",
        ];
        assert_eq!(parameters, expected);
        assert_eq!(MessageFilter::default().parameters().count(), 0);
    }

    #[test]
    fn debug_shows_no_address() {
        let filter = MessageFilter::default().with_to("whatsapp:+14155550123").with_from("whatsapp:+14155238886");
        let shown = format!("{filter:?} {:?}", page(NEXT));
        assert!(!shown.contains("+1415") && !shown.contains("%2B1415"), "{shown}");
    }
}
