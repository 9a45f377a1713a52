//! `wa messages list`

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, PagePath, Product};

use super::resource::COLUMNS;
use crate::{
    error::CommandError,
    output::{Properties, PropertyTable},
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa messages list --to whatsapp:+14155550123 --date-sent-after 2026-11-20 \
                        --properties sid,status,errorCode,body")]
pub struct ListMessagesArguments {
    /// Only messages to this address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Only messages from this address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only messages sent on this day (GMT), or at this time
    #[arg(long, value_name = "DAY", value_parser = day, conflicts_with_all = ["date_sent_before", "date_sent_after"])]
    date_sent: Option<String>,
    /// Only messages sent on or before this day (GMT), or at or before this time
    #[arg(long, value_name = "DAY", value_parser = day)]
    date_sent_before: Option<String>,
    /// Only messages sent on or after this day (GMT), or at or after this time
    #[arg(long, value_name = "DAY", value_parser = day)]
    date_sent_after: Option<String>,
    /// How many are requested at a time
    #[arg(long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    page_size: u16,
    /// How many are shown at most
    #[arg(long, default_value_t = 50, value_name = "NUMBER", conflicts_with = "no_limit")]
    limit: usize,
    /// Show all of them
    #[arg(long)]
    no_limit: bool,
    #[command(flatten)]
    properties: Properties,
}

/// Twilio accepts both forms, and ignores a filter with any other text.
fn day(text: &str) -> Result<String, String> {
    let is_day = text.parse::<Date>().is_ok_and(|date| date.to_string() == text);
    if is_day || text.parse::<Timestamp>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("expected a day, as in 2026-11-20, or a time, as in 2026-11-20T09:00:00Z".to_owned())
    }
}

/// A page of messages with all their properties, also those that the client has no field for.
#[derive(Deserialize)]
struct MessageListPage {
    messages: Vec<Value>,
    next_page_uri: Option<String>,
}

pub(super) async fn run(arguments: &ListMessagesArguments, session: &Session) -> Result<(), CommandError> {
    let account = session.twilio().await?;
    let limit = if arguments.no_limit { usize::MAX } else { arguments.limit };
    let messages = collect(&account, arguments.query(), limit, session).await?;
    let table = PropertyTable::new(&COLUMNS, messages)?.pick(&arguments.properties)?;
    session.output.table(&table)
}

async fn collect(
    account: &AccountClient,
    query: Vec<(&'static str, String)>,
    limit: usize,
    session: &Session,
) -> Result<Vec<Value>, CommandError> {
    let progress = session.terminal.count("messages");
    let mut request = ApiRequest::get(Product::Api, account.resource_path("Messages.json")).query(query);
    let mut messages = Vec::new();
    loop {
        let page: MessageListPage = account.call(request).await?;
        messages.extend(page.messages);
        progress.set_position(messages.len() as u64);
        let next = page.next_page_uri.and_then(|path| path.parse::<PagePath>().ok());
        let Some(next) = next.filter(|_| messages.len() < limit) else { break };
        request = ApiRequest::get(Product::Api, next.as_str());
    }
    progress.finish_and_clear();
    messages.truncate(limit);
    Ok(messages)
}

impl ListMessagesArguments {
    fn query(&self) -> Vec<(&'static str, String)> {
        let largest = if self.no_limit { self.page_size } else { u16::try_from(self.limit.max(1)).unwrap_or(u16::MAX) };
        let page_size = Some(self.page_size.min(largest).to_string());
        [
            ("To", self.to.clone()),
            ("From", self.from.clone()),
            ("DateSent", self.date_sent.clone()),
            ("DateSent<", self.date_sent_before.clone()),
            ("DateSent>", self.date_sent_after.clone()),
            ("PageSize", page_size),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct ListCommandLine {
        #[command(flatten)]
        arguments: ListMessagesArguments,
    }

    fn query(options: &str) -> Result<Vec<(&'static str, String)>, String> {
        let words = std::iter::once("list").chain(options.split_whitespace());
        Ok(ListCommandLine::try_parse_from(words).map_err(|error| error.to_string())?.arguments.query())
    }

    #[test]
    fn options_become_twilios_filters() {
        let expected = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(query("").unwrap(), expected(&[("PageSize", "50")]));
        assert_eq!(
            query("--to +1 --date-sent-after 2026-11-20 --date-sent-before 2026-11-21T00:00:00Z --limit 5").unwrap(),
            expected(&[
                ("To", "+1"),
                ("DateSent<", "2026-11-21T00:00:00Z"),
                ("DateSent>", "2026-11-20"),
                ("PageSize", "5"),
            ])
        );
        assert_eq!(query("--no-limit --page-size 1000").unwrap(), expected(&[("PageSize", "1000")]));
        for options in ["--date-sent yesterday", "--page-size 0", "--page-size 1001", "--date-sent 20.11.2026"] {
            assert!(query(options).is_err(), "{options}");
        }
    }
}
