//! Lists of messages, page by page, the newest first.

use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use shared::form::Form;

use super::resource;
use crate::{messages::Message, outages::Reading, refusal::Refusal, state::Sandbox};

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1_000;

/// A page of the messages that pass the query's filters.
pub(super) fn page(sandbox: &Sandbox, query: &Form) -> Result<Value, Refusal> {
    let page_size = number(query, "PageSize")?.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let page = number(query, "Page")?.unwrap_or(0);
    let filter = Filter::parse(query)?;
    let state = sandbox.state();
    state.outages.check(Reading::List, filter.to)?;
    let mut found = state.messages.iter().rev().filter(|message| filter.passes(message)).skip(page * page_size);
    let messages: Vec<_> = found.by_ref().take(page_size).map(|message| resource(sandbox, message)).collect();
    let has_next = found.next().is_some();
    let uri = |page: usize| {
        let filters =
            query.pairs().iter().filter(|(name, _)| !matches!(name.as_str(), "Page" | "PageSize" | "PageToken"));
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded
            .extend_pairs(filters)
            .append_pair("PageSize", &page_size.to_string())
            .append_pair("Page", &page.to_string());
        format!("/2010-04-01/Accounts/{}/Messages.json?{}", sandbox.config.account_sid, encoded.finish())
    };
    Ok(json!({
        "page": page, "page_size": page_size, "start": page * page_size,
        "end": (page * page_size + messages.len()).saturating_sub(1), "uri": uri(page), "first_page_uri": uri(0),
        "next_page_uri": has_next.then(|| uri(page + 1)), "previous_page_uri": page.checked_sub(1).map(uri),
        "messages": messages,
    }))
}

/// `DateSent` is a day in GMT; `DateSent>` includes its day and all after, `DateSent<` its day and all before.
struct Filter<'a> {
    to: Option<&'a str>,
    from: Option<&'a str>,
    on: Option<Date>,
    since: Option<Date>,
    until: Option<Date>,
}

impl<'a> Filter<'a> {
    fn parse(query: &'a Form) -> Result<Self, Refusal> {
        Ok(Self {
            to: query.get_filled("To"),
            from: query.get_filled("From"),
            on: day(query, "DateSent")?,
            since: day(query, "DateSent>")?,
            until: day(query, "DateSent<")?,
        })
    }

    fn passes(&self, message: &Message) -> bool {
        let sent_on = message.sent_at.map(|at| at.to_zoned(TimeZone::UTC).date());
        let by_day = |wanted: Option<Date>, holds: fn(Date, Date) -> bool| {
            wanted.is_none_or(|wanted| sent_on.is_some_and(|sent_on| holds(sent_on, wanted)))
        };
        self.to.is_none_or(|to| message.to == to)
            && self.from.is_none_or(|from| message.from.as_deref() == Some(from))
            && by_day(self.on, |sent, wanted| sent == wanted)
            && by_day(self.since, |sent, wanted| sent >= wanted)
            && by_day(self.until, |sent, wanted| sent <= wanted)
    }
}

fn day(query: &Form, name: &str) -> Result<Option<Date>, Refusal> {
    let wrong = |_| Refusal::bad_request(20001, format!("{name}: expected a date as in 2026-11-20"));
    query.get_filled(name).map(|text| text.get(..10).unwrap_or(text).parse().map_err(wrong)).transpose()
}

fn number(query: &Form, name: &str) -> Result<Option<usize>, Refusal> {
    let wrong = |_| Refusal::bad_request(20001, format!("{name}: expected a number"));
    query.get_filled(name).map(|text| text.parse().map_err(wrong)).transpose()
}
