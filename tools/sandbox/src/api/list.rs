//! Lists of messages, page by page, the most recently sent first (Twilio, "Messages resource", "Read multiple Message
//! resources"). A message that is not sent yet is before all others, or is not in the list at all.
//!
//! The URIs of the next and the previous page name the message that they begin after or end before. So a message that is
//! created between two requests does not move the others to another page.

use std::cmp::{Ordering, Reverse};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;
use twilio_webhook::form::Form;

use super::resource::message_resource;
use crate::{
    api_error::ApiError,
    messages::{Message, MessageLog},
    outages::ReadOperation,
    paging::{DEFAULT_SIZE, is_paging_parameter, number, size},
    state::Sandbox,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageStart {
    /// After this number of messages.
    At(usize),
    /// With the first message after this place.
    After(Place),
    /// So that it ends with the last message before this place.
    Before(Place),
}

/// Where a message is in the list: by the second in which it was sent, and by its number among those of the same second. The
/// greatest place is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    sent_second: i64,
    number: u64,
}

impl Place {
    fn of(message: &Message, number: u64) -> Self {
        use MessageStatus::{Canceled, Failed};
        // One that is never sent stays where it ended.
        let ended = matches!(message.status, Canceled | Failed).then_some(message.updated_at);
        let sent_second = message.sent_at.or(ended).map_or(i64::MAX, Timestamp::as_second);
        Self { sent_second, number }
    }

    fn parse(token: &str) -> Option<Self> {
        let (sent_second, number) = token.split_at_checked(16)?;
        let sent_second = i64::from_str_radix(sent_second, 16).ok()?;
        Some(Self { sent_second, number: u64::from_str_radix(number, 16).ok()? })
    }

    /// With a letter for the direction.
    fn token(self, direction: char) -> String {
        format!("P{direction}{:016x}{:016x}", self.sent_second, self.number)
    }

    /// The place of the same message now: it moves when the message is sent.
    fn now(self, messages: &MessageLog) -> Self {
        messages.at(self.number).map_or(self, |message| Self::of(message, self.number))
    }
}

/// A page of the messages that pass the query's filters.
pub(super) fn page(sandbox: &Sandbox, query: &Form) -> Result<Value, ApiError> {
    let page_size = size(query)?.unwrap_or(DEFAULT_SIZE);
    let page = number(query, "Page")?.unwrap_or(0);
    let begin = begin(query, page, page_size)?;
    let filter = Filter::parse(query)?;
    let memory = sandbox.memory();
    memory.outages.check(ReadOperation::List, filter.to)?;
    let now = sandbox.now();
    let is_listed = |message: &Message| {
        let hidden = || message.hold.is_some() || memory.hidden_unsent.hides(&message.to, now);
        filter.passes(message) && (message.sent_at.is_some() || !hidden())
    };
    let (shown, has_next) = found(&memory.messages, is_listed, begin, page_size);
    let messages: Vec<_> =
        shown.iter().map(|(_, message)| message_resource(&sandbox.config.account_sid, message)).collect();
    let uri = |page: usize, token: Option<String>| uri(sandbox, query, page_size, page, token);
    let next = shown.last().filter(|_| has_next).map(|(place, _)| uri(page.saturating_add(1), Some(place.token('A'))));
    let previous = shown.first().zip(page.checked_sub(1));
    let start = page.saturating_mul(page_size);
    Ok(json!({
        "page": page, "page_size": page_size, "start": start, "end": start.saturating_add(messages.len()).saturating_sub(1),
        "uri": uri(page, query.get_filled("PageToken").map(str::to_owned)), "first_page_uri": uri(0, None),
        "next_page_uri": next,
        "previous_page_uri": previous.map(|((place, _), page)| uri(page, Some(place.token('B')))),
        "messages": messages,
    }))
}

/// The messages of a page with their places, and whether another page follows.
fn found(
    messages: &MessageLog,
    is_listed: impl Fn(&Message) -> bool,
    begin: PageStart,
    page_size: usize,
) -> (Vec<(Place, &Message)>, bool) {
    let listed = messages.numbered().filter(|(_, message)| is_listed(message));
    let mut listed: Vec<_> = listed.map(|(number, message)| (Place::of(message, number), message)).collect();
    listed.sort_by_key(|(place, _)| Reverse(*place));
    let (begin, end) = match begin {
        PageStart::At(skipped) => (skipped, skipped.saturating_add(page_size)),
        PageStart::After(place) => {
            let place = place.now(messages);
            let begin = listed.partition_point(|(other, _)| *other >= place);
            (begin, begin.saturating_add(page_size))
        }
        PageStart::Before(place) => {
            let place = place.now(messages);
            let end = listed.partition_point(|(other, _)| *other > place);
            (end.saturating_sub(page_size), end)
        }
    };
    let has_next = end < listed.len();
    listed.truncate(end);
    (listed.into_iter().skip(begin).collect(), has_next)
}

fn begin(query: &Form, page: usize, page_size: usize) -> Result<PageStart, ApiError> {
    let Some(token) = query.get_filled("PageToken") else { return Ok(PageStart::At(page.saturating_mul(page_size))) };
    let after = token.strip_prefix("PA").and_then(Place::parse).map(PageStart::After);
    let before = || token.strip_prefix("PB").and_then(Place::parse).map(PageStart::Before);
    after.or_else(before).ok_or_else(|| ApiError::bad_request(20001, "PageToken: expected one of a page's URIs"))
}

fn uri(sandbox: &Sandbox, query: &Form, page_size: usize, page: usize, token: Option<String>) -> String {
    let filters = query.pairs().iter().filter(|(name, _)| !is_paging_parameter(name));
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded
        .extend_pairs(filters)
        .append_pair("PageSize", &page_size.to_string())
        .append_pair("Page", &page.to_string());
    if let Some(token) = token {
        encoded.append_pair("PageToken", &token);
    }
    format!("/2010-04-01/Accounts/{}/Messages.json?{}", sandbox.config.account_sid, encoded.finish())
}

/// `DateSent` is a day in GMT; `DateSent>` includes that day and all later ones, `DateSent<` that day and all earlier ones.
/// Twilio's libraries also send a time of day, which is then the limit.
struct Filter<'a> {
    to: Option<&'a str>,
    from: Option<&'a str>,
    on: Option<SentAt>,
    since: Option<SentAt>,
    until: Option<SentAt>,
}

#[derive(Debug, Clone, Copy)]
enum SentAt {
    Day(Date),
    Time(Timestamp),
}

impl<'a> Filter<'a> {
    fn parse(query: &'a Form) -> Result<Self, ApiError> {
        Ok(Self {
            to: query.get_filled("To"),
            from: query.get_filled("From"),
            on: sent(query, &["DateSent"])?,
            since: sent(query, &["DateSent>", "DateSent>="])?,
            until: sent(query, &["DateSent<", "DateSent<="])?,
        })
    }

    fn passes(&self, message: &Message) -> bool {
        self.to.is_none_or(|to| message.to == to)
            && self.from.is_none_or(|from| message.from.as_deref() == Some(from))
            && was_sent(message, self.on.map(SentAt::whole_day), Ordering::is_eq)
            && was_sent(message, self.since, Ordering::is_ge)
            && was_sent(message, self.until, Ordering::is_le)
    }
}

impl SentAt {
    fn whole_day(self) -> Self {
        match self {
            Self::Time(at) => Self::Day(at.to_zoned(TimeZone::UTC).date()),
            Self::Day(_) => self,
        }
    }
}

fn was_sent(message: &Message, wanted: Option<SentAt>, holds: impl Fn(Ordering) -> bool) -> bool {
    wanted.is_none_or(|wanted| {
        message.sent_at.is_some_and(|at| match wanted {
            SentAt::Day(day) => holds(at.to_zoned(TimeZone::UTC).date().cmp(&day)),
            SentAt::Time(time) => holds(at.cmp(&time)),
        })
    })
}

fn sent(query: &Form, names: &[&str]) -> Result<Option<SentAt>, ApiError> {
    let Some((name, text)) = names.iter().find_map(|name| Some((name, query.get_filled(name)?))) else {
        return Ok(None);
    };
    let day = || text.parse().map(SentAt::Day);
    let found = text.parse().map(SentAt::Time).or_else(|_| day());
    found.map(Some).map_err(|_| ApiError::bad_request(20001, format!("{name}: expected a date as in 2026-11-20")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::create, config::Config};

    fn sandbox_with(number: usize) -> std::sync::Arc<Sandbox> {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        (0..number).for_each(|_| add(&sandbox));
        sandbox
    }

    fn add(sandbox: &Sandbox) {
        let form = Form::parse(b"To=whatsapp%3A%2B14155550123&From=whatsapp%3A%2B14155238886&Body=hi");
        let message = create::message(sandbox, &form).unwrap();
        sandbox.memory().messages.add(Message { sent_at: Some("2026-11-20T12:00:00Z".parse().unwrap()), ..message });
    }

    fn page_of(sandbox: &Sandbox, query: &str) -> Value {
        page(sandbox, &Form::parse(query.as_bytes())).unwrap()
    }

    fn sids(page: &Value) -> Vec<Value> {
        page["messages"].as_array().unwrap().iter().map(|message| message["sid"].clone()).collect()
    }

    #[test]
    fn pages_stay_stable_while_messages_are_created() {
        let sandbox = sandbox_with(5);
        let all = sids(&page_of(&sandbox, ""));
        let query = |uri: &Value| uri.as_str().unwrap().split_once('?').unwrap().1.to_owned();
        let first = page_of(&sandbox, "PageSize=2");
        add(&sandbox);
        let second = page_of(&sandbox, &query(&first["next_page_uri"]));
        let third = page_of(&sandbox, &query(&second["next_page_uri"]));
        assert_eq!([sids(&first), sids(&second), sids(&third)].concat(), all);
        assert_eq!((&third["next_page_uri"], &third["page"], &third["start"]), (&Value::Null, &json!(2), &json!(4)));
        let back = page_of(&sandbox, &query(&third["previous_page_uri"]));
        assert_eq!(sids(&back), sids(&second));
        assert_eq!(first["previous_page_uri"], Value::Null);
    }

    #[test]
    fn messages_are_filtered_by_date_sent() {
        let sandbox = sandbox_with(1);
        let cases = [
            ("DateSent=2026-11-20", 1),
            ("DateSent=2026-11-20T23:00:00Z", 1),
            ("DateSent=2026-11-21", 0),
            ("DateSent%3E=2026-11-20", 1),
            ("DateSent%3E=2026-11-20T12:00:00Z", 1),
            ("DateSent%3E=2026-11-20T12:00:01Z", 0),
            ("DateSent%3E%3D=2026-11-21", 0),
            ("DateSent%3C=2026-11-20", 1),
            ("DateSent%3C=2026-11-20T11:59:59Z", 0),
            ("From=whatsapp%3A%2B14155238886&To=whatsapp%3A%2B14155550123", 1),
            ("From=whatsapp%3A%2B14155550123", 0),
        ];
        for (query, found) in cases {
            assert_eq!(sids(&page_of(&sandbox, query)).len(), found, "{query}");
        }
        for wrong in ["DateSent=yesterday", "PageSize=0", "PageSize=1001", "PageToken=x", "Page=-1"] {
            assert_eq!(page(&sandbox, &Form::parse(wrong.as_bytes())).unwrap_err().code, 20001, "{wrong}");
        }
    }
}
