//! `wa alerts`

use std::{collections::HashSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, Product};
use twilio_types::error_code::ErrorCode;

use crate::{
    alerts::{Alert, AlertLevel, AlertQuery, COLUMNS, OLDEST, list},
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    since::Since,
};

/// Between two requests of `--follow`.
const PAUSE: Duration = Duration::from_secs(5);
/// "Due to buffering", an alert may be listed later than it was generated (Twilio, "Monitor REST API: Alerts"): `--follow` reads
/// this much again.
const BUFFERED: SignedDuration = SignedDuration::from_mins(5);
/// Parameters of a webhook that hold what a person wrote.
const TEXTS: [&str; 9] =
    ["Body", "ButtonText", "ButtonPayload", "ListId", "ListTitle", "InteractiveData", "FlowData", "Label", "Address"];

#[derive(clap::Args)]
#[command(after_help = "\
Twilio's debugger has an alert for each webhook that failed, each request to its API that it refused, and each message that
could not be delivered. Twilio keeps them for 30 days. A restricted API key needs the permission to read alerts of Monitor.

Example:
  wa alerts --since 1h --code 11200
  wa alerts --follow
  wa alerts NO00000000000000000000000000000001")]
pub struct AlertsArguments {
    /// Show this alert with its request and its answer
    #[arg(value_name = "SID", value_parser = alert_sid, conflicts_with_all = ["since", "level", "codes", "limit", "follow", "own"])]
    sid: Option<String>,
    /// Begin this long ago, as in 30m, 1h or 2d, or at a time [default: 1d; with --follow: now]
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// Only alerts of this level
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<AlertLevel>,
    /// Only alerts with these codes, separated by commas
    #[arg(long = "code", value_name = "CODES", value_delimiter = ',')]
    codes: Vec<ErrorCode>,
    /// Only alerts about requests to this stack
    #[arg(long)]
    own: bool,
    /// How many are shown at most
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
    /// Print further alerts as they happen
    #[arg(long)]
    follow: bool,
    /// With SID: show what the person wrote
    #[arg(long, requires = "sid")]
    bodies: bool,
}

fn alert_sid(text: &str) -> Result<String, &'static str> {
    let is_sid =
        text.strip_prefix("NO").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_sid { Ok(text.to_owned()) } else { Err("expected NO and 32 hexadecimal digits, as `wa alerts` lists it") }
}

pub async fn run(arguments: &AlertsArguments, session: &Session) -> Result<(), CommandError> {
    let account = session.twilio().await?;
    if let Some(sid) = &arguments.sid {
        return show(session, &account, sid, arguments.bodies).await;
    }
    let now = Timestamp::now();
    let since = match (arguments.since, arguments.follow) {
        (Some(since), _) => since.at(now),
        (None, true) => now,
        (None, false) => now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN),
    };
    if since < now.saturating_sub(OLDEST).unwrap_or(Timestamp::MIN) {
        return Err(CommandError::usage("--since: Twilio keeps alerts for 30 days, expected less than that"));
    }
    let query = AlertQuery { since, level: arguments.level, codes: arguments.codes.clone(), limit: arguments.limit };
    let mut found = wanted(arguments, session, list(&account, &query).await?).await?;
    if !arguments.follow {
        let table = PropertyTable::new(&COLUMNS, found.iter().map(Alert::line))?;
        return session.output.table(&table);
    }
    found.reverse();
    follow(arguments, session, &account, query, found).await
}

async fn wanted(
    arguments: &AlertsArguments,
    session: &Session,
    mut alerts: Vec<Alert>,
) -> Result<Vec<Alert>, CommandError> {
    if arguments.own {
        let api_url = &session.stack().await?.api_url;
        alerts.retain(|alert| alert.is_of(api_url));
    }
    Ok(alerts)
}

/// Prints alerts until the command is interrupted, each once.
async fn follow(
    arguments: &AlertsArguments,
    session: &Session,
    account: &AccountClient,
    mut query: AlertQuery,
    mut found: Vec<Alert>,
) -> Result<(), CommandError> {
    let (mut printed, mut has_header, begin) = (HashSet::new(), false, query.since);
    query.limit = usize::MAX;
    loop {
        // Alerts that were printed before the buffered time are not read again.
        found.retain(|alert| !printed.contains(&alert.sid));
        printed.extend(found.iter().map(|alert| alert.sid.clone()));
        match session.output.format() {
            _ if found.is_empty() => {}
            Format::Json => {
                for alert in &found {
                    session.output.line(&serde_json::json!(alert.line()).to_string())?;
                }
            }
            _ => {
                let table = PropertyTable::new(&COLUMNS, found.iter().map(Alert::line))?;
                session.output.more(&table, !std::mem::replace(&mut has_header, true))?;
            }
        }
        tokio::time::sleep(PAUSE).await;
        query.since = begin.max(Timestamp::now().saturating_sub(BUFFERED).unwrap_or(Timestamp::MIN));
        found = wanted(arguments, session, list(account, &query).await?).await?;
        found.reverse();
    }
}

/// Prints an alert with the request and the answer, of which only a fetch has the content.
async fn show(session: &Session, account: &AccountClient, sid: &str, bodies: bool) -> Result<(), CommandError> {
    let mut alert: Value = account.call(ApiRequest::get(Product::Monitor, format!("/v1/Alerts/{sid}"))).await?;
    let line = serde_json::from_value::<Alert>(alert.clone()).map(|alert| alert.line());
    let line = line.map_err(|error| CommandError::no_answer("Twilio's answer has an unknown form").because(error))?;
    if let Some(Value::String(variables)) = alert.get_mut("request_variables").filter(|_| !bodies) {
        *variables = without_texts(variables);
    }
    if session.output.format() != Format::Table {
        return session.output.json(&alert);
    }
    session
        .output
        .fields(&["at", "level", "code", "title", "text", "http", "resource_sid", "request_url", "more_info"], &line)?;
    let details = ["request_method", "request_headers", "request_variables", "response_headers", "response_body"];
    session.output.fields(&details, &alert)
}

/// The parameters of a request without what a person wrote.
fn without_texts(variables: &str) -> String {
    let mut shown = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(variables.as_bytes()) {
        let hidden = TEXTS.contains(&name.as_ref()) && !value.is_empty();
        shown.append_pair(&name, if hidden { "(hidden, see --bodies)" } else { &value });
    }
    shown.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_person_is_hidden() {
        let shown = without_texts("Body=Where+is+it%3F&MessageSid=SM1&ButtonText=");
        assert_eq!(shown, "Body=%28hidden%2C+see+--bodies%29&MessageSid=SM1&ButtonText=");
    }

    #[test]
    fn alert_is_named_by_its_sid() {
        assert!(alert_sid("NO0123456789abcdef0123456789abcdef").is_ok());
        for text in ["SM0123456789abcdef0123456789abcdef", "NO1", ""] {
            assert!(alert_sid(text).is_err(), "{text}");
        }
    }
}
