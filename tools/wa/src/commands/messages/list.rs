//! `wa messages list`

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, PagePath, Product};
use twilio_types::address::{Address, Channel, Identity};

use super::resource::{COLUMNS, ShownProperties, table};
use crate::{error::CommandError, session::Session};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa messages list --to whatsapp:+14155550123 --date-sent-after 2026-11-20 \
                        --columns sid,status,errorCode,body")]
pub struct ListMessagesArguments {
    /// Only messages to this address, as in whatsapp:+14155550123; a plain number is one of SMS
    #[arg(long, value_name = "ADDRESS", value_parser = recipient)]
    to: Option<Address>,
    /// Only messages from this address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<Address>,
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
    properties: ShownProperties,
}

/// A message goes to a number, to a short code, or to an id on a channel: a name alone is a typing error.
fn recipient(text: &str) -> Result<Address, String> {
    let expected = "expected an address as in whatsapp:+14155550123, or +14155550123 for SMS";
    let address: Address = text.parse().map_err(|_| expected.to_owned())?;
    let is_code = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    match (&address.channel, &address.identity) {
        (Channel::Sms, Identity::User(_)) => Err(format!("{expected}: a user id has whatsapp: before it")),
        (Channel::Sms | Channel::WhatsApp, Identity::Opaque(id)) if !is_code(id) || id.len() > MAX_SHORT_CODE => {
            Err(expected.to_owned())
        }
        _ => Ok(address),
    }
}

/// Source: Twilio, "Messages resource": a short code has at most 8 digits; longer digits alone are a number without its +.
const MAX_SHORT_CODE: usize = 8;

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
    let hint = messages.is_empty().then(|| arguments.hint());
    session.output.table(&table(&COLUMNS, messages, &arguments.properties)?)?;
    if let Some(hint) = hint {
        session.terminal.note(&hint);
    }
    Ok(())
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
    /// Says what may be meant by filters that no message matches.
    fn hint(&self) -> String {
        let options = [("--to", &self.to), ("--from", &self.from)];
        let of_sms = options.into_iter().filter_map(|(option, address)| Some((option, address.as_ref()?)));
        let other: Vec<_> = of_sms
            .filter(|(_, address)| address.channel == Channel::Sms)
            .map(|(option, address)| format!("{option} whatsapp:{address}"))
            .collect();
        let sms = "no message was found. An address without a channel is one of SMS; on WhatsApp it is";
        if other.is_empty() { "no message was found".to_owned() } else { format!("{sms} {}", other.join(" ")) }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let largest = if self.no_limit { self.page_size } else { u16::try_from(self.limit.max(1)).unwrap_or(u16::MAX) };
        let page_size = Some(self.page_size.min(largest).to_string());
        [
            ("To", self.to.as_ref().map(ToString::to_string)),
            ("From", self.from.as_ref().map(ToString::to_string)),
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
            query("--to +14155550123 --date-sent-after 2026-11-20 --date-sent-before 2026-11-21T00:00:00Z --limit 5")
                .unwrap(),
            expected(&[
                ("To", "+14155550123"),
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

    #[test]
    fn a_mistyped_recipient_is_refused_and_not_searched_for() {
        for text in ["whatsapp:+14155550123", "+14155550123", "whatsapp:US.1349", "68849", "rcs:brand", "messenger:108"]
        {
            assert_eq!(recipient(text).unwrap().to_string(), text);
        }
        for text in ["Ava", "14155550123", "whatsapp:14155550123", "whatsapp:Ava", "US.1349", "+1 415 555 0123", ""] {
            assert!(
                recipient(text).unwrap_err().starts_with("expected an address as in whatsapp:+14155550123"),
                "{text}"
            );
        }
    }

    #[test]
    fn no_message_to_a_number_without_a_channel_is_explained() {
        let hint = |options: &str| {
            let words = std::iter::once("list").chain(options.split_whitespace());
            let Ok(parsed) = ListCommandLine::try_parse_from(words) else { panic!("{options}") };
            parsed.arguments.hint()
        };
        assert!(hint("--to +14155550123").ends_with("on WhatsApp it is --to whatsapp:+14155550123"));
        assert!(hint("--from +14155238886").ends_with("on WhatsApp it is --from whatsapp:+14155238886"));
        for options in ["", "--to whatsapp:+14155550123"] {
            assert_eq!(hint(options), "no message was found");
        }
    }
}
