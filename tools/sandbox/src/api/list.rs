//! Lists of messages, page by page, the most recently sent first (Twilio, "Messages resource", "Read multiple Message
//! resources"). A message that is not sent yet is before all others, or is not in the list at all.
//!
//! The URIs of the next and the previous page name the message that they begin after or end before. So a message that is
//! created between two requests does not move the others to another page.

use std::{cmp::Ordering, ops::Bound};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::resource::message_resource;
use crate::{
    api_error::ApiError,
    choices::UnsentMessages,
    messages::{Message, MessageLog, Place},
    outages::MessageOperation,
    paging::{DEFAULT_SIZE, invalid_token, is_paging_parameter, number, size},
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

/// The token of a place in the URI of a page, with a letter for the direction.
fn token(place: Place, direction: char) -> String {
    format!("P{direction}{:016x}{:016x}", place.sent_second, place.number)
}

fn place_in(token: &str) -> Option<Place> {
    let (sent_second, number) = token.split_at_checked(16)?;
    let sent_second = i64::from_str_radix(sent_second, 16).ok()?;
    Some(Place { sent_second, number: u64::from_str_radix(number, 16).ok()? })
}

/// The place of the same message now: it moves when the message is sent.
fn place_now(place: Place, messages: &MessageLog) -> Place {
    messages.at(place.number).map_or(place, |message| Place::of(message, place.number))
}

/// A page of the messages that pass the query's filters.
pub(super) fn page(sandbox: &Sandbox, query: &Form) -> Result<Value, ApiError> {
    let page_size = size(query)?.unwrap_or(DEFAULT_SIZE);
    let page = number(query, "Page")?.unwrap_or(0);
    let begin = begin(query, page, page_size)?;
    let filter = Filter::parse(query)?;
    let memory = sandbox.memory();
    memory.outages.check(MessageOperation::List, filter.to)?;
    let now = sandbox.now();
    let is_listed = |message: &Message| {
        let all_hidden = memory.choices.unsent_messages == UnsentMessages::Hidden;
        let hidden = || all_hidden || message.hold.is_some() || memory.hidden_unsent.hides(&message.to, now);
        filter.passes(message) && (message.sent_at.is_some() || !hidden())
    };
    let (shown, has_next) = found(&memory.messages, &filter, is_listed, begin, page_size);
    let messages: Vec<_> =
        shown.iter().map(|(_, message)| message_resource(&sandbox.config.account_sid, message, now)).collect();
    let uri = |page: usize, token: Option<String>| uri(sandbox, query, page_size, page, token);
    let next =
        shown.last().filter(|_| has_next).map(|(place, _)| uri(page.saturating_add(1), Some(token(*place, 'A'))));
    let previous = shown.first().zip(page.checked_sub(1));
    let start = page.saturating_mul(page_size);
    Ok(json!({
        "page": page, "page_size": page_size, "start": start, "end": start.saturating_add(messages.len()).saturating_sub(1),
        "uri": uri(page, query.get_filled("PageToken").map(str::to_owned)), "first_page_uri": uri(0, None),
        "next_page_uri": next,
        "previous_page_uri": previous.map(|((place, _), page)| uri(page, Some(token(*place, 'B')))),
        "messages": messages,
    }))
}

/// The messages of a page with their places, and whether another page follows.
fn found<'a>(
    messages: &'a MessageLog,
    filter: &Filter<'_>,
    is_listed: impl Fn(&Message) -> bool,
    begin: PageStart,
    page_size: usize,
) -> (Vec<(Place, &'a Message)>, bool) {
    let Some(places) = messages.places(filter.to, filter.from) else { return (Vec::new(), false) };
    let listed = |place: &Place| {
        let message = messages.at(place.number).filter(|message| is_listed(message))?;
        Some((*place, message))
    };
    let following = |before: Option<Place>, skipped: usize| {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found: Vec<_> = places
            .range((Bound::Unbounded, end))
            .rev()
            .filter_map(listed)
            .skip(skipped)
            .take(page_size.saturating_add(1))
            .collect();
        let has_next = found.len() > page_size;
        found.truncate(page_size);
        (found, has_next)
    };
    match begin {
        PageStart::At(skipped) => following(None, skipped),
        PageStart::After(place) => following(Some(place_now(place, messages)), 0),
        PageStart::Before(place) => {
            let place = place_now(place, messages);
            let begin = (Bound::Excluded(place), Bound::Unbounded);
            let mut found: Vec<_> = places.range(begin).filter_map(listed).take(page_size).collect();
            found.reverse();
            let has_next = places.range(..=place).rev().any(|place| listed(place).is_some());
            (found, has_next)
        }
    }
}

fn begin(query: &Form, page: usize, page_size: usize) -> Result<PageStart, ApiError> {
    let Some(token) = query.get_filled("PageToken") else { return Ok(PageStart::At(page.saturating_mul(page_size))) };
    let after = token.strip_prefix("PA").and_then(place_in).map(PageStart::After);
    let before = || token.strip_prefix("PB").and_then(place_in).map(PageStart::Before);
    after.or_else(before).ok_or_else(invalid_token)
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
    fn list_of_an_address_has_only_its_messages() {
        let sandbox = sandbox_with(2);
        let history = |to: &str| -> Vec<String> {
            let history = json!({"to": to, "messages": 5, "per_second": 2});
            let history: crate::inbound::history::History = serde_json::from_value(history).unwrap();
            history.add_to(&sandbox).unwrap().iter().rev().map(ToString::to_string).collect()
        };
        let (ours, others) = (history("whatsapp:+14155238886"), history("whatsapp:+14155550000"));
        assert_eq!(sids(&page_of(&sandbox, "To=whatsapp%3A%2B14155238886")), ours);
        let first = page_of(&sandbox, "To=whatsapp%3A%2B14155550000&PageSize=3");
        let next = first["next_page_uri"].as_str().unwrap().split_once('?').unwrap().1;
        assert_eq!([sids(&first), sids(&page_of(&sandbox, next))].concat(), others);
        let newest = others[0].parse().unwrap();
        sandbox.memory().messages.remove(&newest);
        assert_eq!(sids(&page_of(&sandbox, "To=whatsapp%3A%2B14155550000")), others[1..]);
    }

    #[test]
    fn message_that_is_sent_moves_to_its_place() {
        let sandbox = sandbox_with(3);
        let first = page_of(&sandbox, "From=whatsapp%3A%2B14155238886")["messages"][0]["sid"].clone();
        let sid = first.as_str().unwrap().parse().unwrap();
        let earlier = "2026-11-20T11:00:00Z".parse().unwrap();
        sandbox.memory().messages.get_mut(&sid).unwrap().sent_at = Some(earlier);
        for query in ["", "From=whatsapp%3A%2B14155238886", "To=whatsapp%3A%2B14155550123"] {
            assert_eq!(sids(&page_of(&sandbox, query))[2], first, "{query}");
        }
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
        let wrong = [
            ("DateSent=yesterday", 20001),
            ("PageSize=0", 20001),
            ("Page=-1", 20001),
            ("PageSize=1001", 20007),
            ("PageToken=x", 21481),
        ];
        for (query, code) in wrong {
            assert_eq!(page(&sandbox, &Form::parse(query.as_bytes())).unwrap_err().code, code, "{query}");
        }
    }
}
