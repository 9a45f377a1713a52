//! The messages of a period from Twilio's list, page by page.

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use twilio_client::{AccountClient, MessageFilter, MessagePage, PagePath, TwilioError};

use super::{CostPeriod, charged::ChargedMessage};
use crate::error::CommandError;

/// Source: Twilio, "Messages resource": a page has at most 1,000 messages.
const PAGE_SIZE: u16 = 1_000;
/// A page may be asked for again: a million messages are a thousand pages, and one failure must not lose the others.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pages that are still to be read.
pub(super) struct MessagePages<'a> {
    account: &'a AccountClient,
    period: CostPeriod,
    position: Position,
}

enum Position {
    Start,
    At(PagePath),
    End,
}

/// The messages of a page that are within the period.
pub(super) struct ChargedPage {
    pub(super) messages: Vec<ChargedMessage>,
    /// How many messages of the page are not understood.
    pub(super) unreadable: u64,
}

impl<'a> MessagePages<'a> {
    pub(super) fn new(account: &'a AccountClient, period: CostPeriod) -> Self {
        Self { account, period, position: Position::Start }
    }

    /// The next page; none after the last one. One request at a time, so that the account's other requests have room.
    pub(super) async fn next(&mut self) -> Result<Option<ChargedPage>, CommandError> {
        let page = match &self.position {
            Position::Start => {
                let filter = filter(self.period);
                again_if_it_may_help(FIRST_PAUSE, async || self.account.list(&filter).await).await?
            }
            Position::At(path) => {
                again_if_it_may_help(FIRST_PAUSE, async || self.account.list_page(path).await).await?
            }
            Position::End => return Ok(None),
        };
        self.position = page.next.clone().map_or(Position::End, Position::At);
        Ok(Some(charged(&page, self.period)))
    }
}

/// Twilio filters by days, "on or before midnight" of the last one ("Messages resource"), which may be its beginning or its end.
/// So the list has a day more, and what is outside the period is left out here.
fn filter(period: CostPeriod) -> MessageFilter {
    let day = |at: Timestamp| -> Date { at.to_zoned(TimeZone::UTC).date() };
    let last = day(period.until);
    MessageFilter::default()
        .with_sent_since(day(period.since))
        .with_sent_until(last.tomorrow().unwrap_or(last))
        .with_page_size(PAGE_SIZE)
}

fn charged(page: &MessagePage, period: CostPeriod) -> ChargedPage {
    let (mut messages, mut unreadable) = (Vec::with_capacity(page.messages.len()), page.unreadable as u64);
    for message in &page.messages {
        match ChargedMessage::of(message) {
            Some(message) if period.contains(message.at) => messages.push(message),
            Some(_) => {}
            None => unreadable += 1,
        }
    }
    ChargedPage { messages, unreadable }
}

/// A page, asked for again after an answer that a later request may not get: too many requests, or a failure of Twilio.
async fn again_if_it_may_help(
    first_pause: Duration,
    request: impl AsyncFn() -> Result<MessagePage, TwilioError>,
) -> Result<MessagePage, CommandError> {
    let mut pause = first_pause;
    for _ in 1..ATTEMPTS {
        let wait = match request().await {
            Ok(page) => return Ok(page),
            Err(TwilioError::NotDone { retry_after, .. }) => retry_after.unwrap_or(pause).clamp(pause, LONGEST_PAUSE),
            Err(TwilioError::Unknown { .. }) => pause,
            Err(error @ (TwilioError::Rejected(_) | TwilioError::Unauthorized(_))) => return Err(error.into()),
        };
        tokio::time::sleep(wait).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
    Ok(request().await?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;
    use twilio_client::ErrorResponse;

    use super::*;

    fn page() -> MessagePage {
        let message = |sid: u8, sent: &str| {
            json!({"sid": format!("SM{sid:032}"), "status": "read", "to": "whatsapp:+14155550123", "direction": "outbound-api",
                   "date_sent": sent})
        };
        let messages = [
            message(1, "Fri, 20 Nov 2026 10:00:00 +0000"),
            message(2, "Fri, 20 Nov 2026 08:59:59 +0000"),
            message(3, "Fri, 20 Nov 2026 09:00:00 +0000"),
            json!({"sid": "SM00000000000000000000000000000004", "status": "read", "to": "a", "direction": "outbound-api"}),
            json!({}),
        ];
        serde_json::from_value(json!({"messages": messages, "next_page_uri": null})).unwrap()
    }

    #[test]
    fn list_has_the_whole_last_day_of_the_period() {
        let period = CostPeriod {
            since: "2026-11-20T09:00:00Z".parse().unwrap(),
            until: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let filter = filter(period);
        assert_eq!(filter.sent_since, "2026-11-20".parse().ok());
        assert_eq!(filter.sent_until, "2026-11-22".parse().ok());
    }

    #[test]
    fn page_has_the_messages_of_the_period_alone() {
        let period = CostPeriod {
            since: "2026-11-20T09:00:00Z".parse().unwrap(),
            until: "2026-11-20T10:00:00Z".parse().unwrap(),
        };
        let found = charged(&page(), period);
        let sids: Vec<_> = found.messages.iter().map(|message| message.sid.as_str()).collect();
        assert_eq!(sids, [format!("SM{:032}", 3)]);
        assert_eq!(found.unreadable, 2);
    }

    #[tokio::test]
    async fn page_is_asked_for_again_after_too_many_requests() {
        let requests = Cell::new(0);
        let answer = async || {
            requests.set(requests.get() + 1);
            match requests.get() {
                1 => Err(TwilioError::NotDone { retry_after: None, response: None, source: None }),
                2 => Err(TwilioError::Unknown { response: None, source: None }),
                _ => Ok(page()),
            }
        };
        assert_eq!(again_if_it_may_help(Duration::ZERO, answer).await.unwrap().messages.len(), 4);
        assert_eq!(requests.get(), 3);
    }

    #[tokio::test]
    async fn refused_page_is_not_asked_for_again() {
        let requests = Cell::new(0);
        let refused = async || {
            requests.set(requests.get() + 1);
            Err(TwilioError::Rejected(ErrorResponse::new(400, None)))
        };
        assert_eq!(again_if_it_may_help(Duration::ZERO, refused).await.unwrap_err().code(), 4);
        assert_eq!(requests.get(), 1);
        let down = async || {
            requests.set(requests.get() + 1);
            Err(TwilioError::Unknown { response: None, source: None })
        };
        assert_eq!(again_if_it_may_help(Duration::ZERO, down).await.unwrap_err().code(), 5);
        assert_eq!(requests.get(), 5);
    }
}
