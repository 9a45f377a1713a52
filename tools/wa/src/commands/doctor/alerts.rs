//! A check of Twilio's debugger: what Twilio could not deliver to this stack in the last day.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use twilio_types::{base_url::BaseUrl, error_code::ErrorCode};

use crate::{
    alerts::{Alert, AlertQuery, list},
    copyable::CopyableCommands,
    error::CommandError,
    finding::Finding,
    session::Session,
};

pub(super) const CHECK: &str = "alerts";

const PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Enough to see what is wrong; a stack that is refused has thousands.
const LIMIT: usize = 1_000;

/// Reads the alerts of the last day.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account = match session.twilio().await {
        Ok(account) => account,
        Err(error) => return Ok(vec![Finding::not_checked(CHECK, error.describe())]),
    };
    let since = Timestamp::now().saturating_sub(PERIOD).unwrap_or(Timestamp::MIN);
    let query = AlertQuery { since, level: None, codes: Vec::new(), limit: LIMIT };
    match list(&account, &query).await {
        Ok(alerts) => Ok(findings(&alerts, &session.stack().await?.api_url, &session.copyable())),
        // A restricted API key may lack the permission, which the functions do not need.
        Err(error) => Ok(vec![Finding::not_checked(CHECK, error.describe())]),
    }
}

/// One finding for each code and HTTP status of the requests to this stack. Alerts about other systems of the account and about
/// single messages are only counted.
fn findings(alerts: &[Alert], api_url: &BaseUrl, commands: &CopyableCommands) -> Vec<Finding> {
    let mut own: BTreeMap<_, Vec<&Alert>> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| alert.is_of(api_url)) {
        let key = (alert.code().map(ErrorCode::get).unwrap_or_default(), alert.http_status());
        own.entry(key).or_default().push(alert);
    }
    if own.is_empty() {
        let what = match alerts.len() {
            0 => "Twilio's debugger has no alert of the last 24 hours".to_owned(),
            other => format!(
                "Twilio's debugger has no alert of the last 24 hours about this stack's webhooks, and {other} others (`{}`)",
                commands.wa("alerts")
            ),
        };
        return vec![Finding::ok(CHECK, what)];
    }
    own.into_iter().map(|((code, status), alerts)| finding(code, status, &alerts, commands)).collect()
}

/// It is a warning: what failed may work again by now.
fn finding(code: u32, status: Option<u16>, alerts: &[&Alert], commands: &CopyableCommands) -> Finding {
    // Twilio lists the newest first.
    let latest = alerts.iter().filter_map(|alert| alert.date_generated).max();
    let latest = latest.map(|at| format!(", the latest at {at:.0}")).unwrap_or_default();
    let title = code.to_string().parse::<ErrorCode>().ok().and_then(ErrorCode::title).unwrap_or("an unknown code");
    let status_text = status.map(|status| format!(", HTTP status {status}")).unwrap_or_default();
    let count = match alerts.len() {
        LIMIT => format!("at least {LIMIT}"),
        other => other.to_string(),
    };
    let what = format!("{count} times in the last 24 hours: {code} {title}{status_text}{latest}");
    let fix = match (code, status) {
        (11200, Some(403)) => {
            "the functions refused the signature: see the finding `signature`, and `wa verify --help`"
        }
        (11200, Some(429)) => "the API refused webhooks beyond its limits: raise WebhookRateLimit",
        (11200, Some(500..)) => "a function failed or had no concurrency: its log says why",
        (11200 | 11205, _) => "the API did not answer in time: see whether a function is throttled",
        _ => "the alert says what Twilio expected",
    };
    let shown = match status {
        Some(500..) => commands.log_of("InboundLogGroup"),
        _ => commands.wa(&format!("alerts --own --since 1d --code {code}")),
    };
    Finding::warning(CHECK, what, fix, shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::Level;

    fn alert(code: &str, http: &str, url: &str) -> Alert {
        serde_json::from_value(json!({"sid": "NO1", "date_generated": "2026-11-20T09:00:00Z", "error_code": code,
                                      "alert_text": format!("httpResponse={http}"), "request_url": url}))
        .unwrap()
    }

    fn found(alerts: &[Alert]) -> Vec<Finding> {
        findings(alerts, &"https://wa.example.com".parse().unwrap(), &CopyableCommands::of_test())
    }

    #[test]
    fn alerts_of_this_stack_are_warnings_by_code_and_status() {
        let ours = "https://wa.example.com/twilio/inbound";
        let found = found(&[
            alert("11200", "403", ours),
            alert("11200", "403", "https://wa.example.com/twilio/status?notification=a"),
            alert("11200", "502", ours),
            alert("11200", "404", "https://other.example.com/"),
        ]);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|found| found.finding == Level::Warning));
        assert!(
            found[0].what.starts_with("2 times in the last 24 hours: 11200 HTTP retrieval failure, HTTP status 403")
        );
        assert!(found[0].command.as_deref().unwrap().ends_with("alerts --own --since 1d --code 11200"));
    }

    #[test]
    fn alerts_of_others_are_counted_alone() {
        let found = found(&[alert("30003", "", "")]);
        assert_eq!((found.len(), found[0].finding), (1, Level::Ok));
        assert!(found[0].what.contains("and 1 others"), "{}", found[0].what);
    }
}
