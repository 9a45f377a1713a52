//! The alerts of Twilio's debugger: webhooks that failed, requests that were refused, messages that could not be delivered.
//!
//! Source: Twilio, "Monitor REST API: Alerts".

use clap::ValueEnum;
use form_urlencoded::parse;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_client::{AccountClient, ApiRequest, Product};
use twilio_types::{base_url::BaseUrl, error_code::ErrorCode};

use crate::{error::CommandError, redaction::redacted_debug};

/// Twilio keeps alerts for 30 days, and refuses queries for older ones. One hour is left for clocks that differ.
pub const OLDEST: SignedDuration = SignedDuration::from_hours(30 * 24 - 1);

/// The most that one call gives.
const PAGE_SIZE: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlertLevel {
    Error,
    Warning,
    Notice,
    Debug,
}

impl AlertLevel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Debug => "debug",
        }
    }
}

/// An alert as a list has it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Alert {
    pub sid: String,
    #[serde(default)]
    pub date_generated: Option<Timestamp>,
    #[serde(default)]
    pub log_level: Option<String>,
    #[serde(default)]
    pub error_code: Option<String>,
    #[serde(default)]
    pub alert_text: Option<String>,
    #[serde(default)]
    pub request_method: Option<String>,
    #[serde(default)]
    pub request_url: Option<String>,
    /// Mostly the message.
    #[serde(default)]
    pub resource_sid: Option<String>,
}

redacted_debug!(Alert);

/// An alert in one line. The fields are those of the JSON output.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct AlertLine {
    pub at: Option<Timestamp>,
    pub level: Option<String>,
    pub code: Option<u32>,
    pub title: Option<&'static str>,
    /// The HTTP status that the alert is about.
    pub http: Option<u16>,
    pub resource_sid: Option<String>,
    pub request_url: Option<String>,
    pub sid: String,
    /// Twilio's own words.
    pub text: String,
    pub more_info: Option<String>,
}

redacted_debug!(AlertLine);

/// What a list has for people, the most important first.
pub const COLUMNS: [&str; 8] = ["at", "level", "code", "http", "title", "resource_sid", "sid", "request_url"];

impl Alert {
    pub fn code(&self) -> Option<ErrorCode> {
        self.error_code.as_deref()?.parse().ok()
    }

    /// A value of the alert's text, which has the form of a query: `Msg`, `httpResponse` and others.
    fn text_value(&self, name: &str) -> Option<String> {
        let text = self.alert_text.as_deref()?;
        parse(text.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The HTTP status of the answer that the alert is about.
    pub fn http_status(&self) -> Option<u16> {
        self.text_value("httpResponse")?.parse().ok()
    }

    /// Whether it is about a request to this base URL.
    pub fn is_of(&self, api_url: &BaseUrl) -> bool {
        let rest = self.request_url.as_deref().and_then(|url| url.strip_prefix(api_url.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    pub fn line(&self) -> AlertLine {
        let code = self.code();
        AlertLine {
            at: self.date_generated,
            level: self.log_level.clone(),
            code: code.map(ErrorCode::get),
            title: code.and_then(ErrorCode::title),
            http: self.http_status(),
            resource_sid: self.resource_sid.clone(),
            request_url: self.request_url.clone(),
            sid: self.sid.clone(),
            text: self.text_value("Msg").or_else(|| self.alert_text.clone()).unwrap_or_default(),
            more_info: code.map(|code| format!("https://www.twilio.com/docs/api/errors/{code}")),
        }
    }
}

/// Which alerts are wanted.
#[derive(Debug, Clone)]
pub struct AlertQuery {
    pub since: Timestamp,
    pub level: Option<AlertLevel>,
    pub codes: Vec<ErrorCode>,
    pub limit: usize,
}

#[derive(Deserialize)]
struct AlertPage {
    alerts: Vec<Alert>,
    meta: PageMeta,
}

#[derive(Deserialize)]
struct PageMeta {
    next_page_url: Option<String>,
}

/// The alerts of an account, the newest first.
pub async fn list(account: &AccountClient, query: &AlertQuery) -> Result<Vec<Alert>, CommandError> {
    let mut request = ApiRequest::get(Product::Monitor, "/v1/Alerts").query(query.parameters());
    let mut alerts = Vec::new();
    loop {
        let page: AlertPage = account.call(request).await?;
        // Twilio's API has no filter for the code.
        let of_code =
            |alert: &Alert| query.codes.is_empty() || alert.code().is_some_and(|code| query.codes.contains(&code));
        alerts.extend(page.alerts.into_iter().filter(of_code));
        let next = page.meta.next_page_url.as_deref().and_then(path_of).filter(|_| alerts.len() < query.limit);
        let Some(next) = next else { break };
        request = ApiRequest::get(Product::Monitor, next);
    }
    alerts.truncate(query.limit);
    Ok(alerts)
}

impl AlertQuery {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        // Where codes are wanted, most of a page may be other alerts.
        let size = if self.codes.is_empty() { self.limit.clamp(1, PAGE_SIZE) } else { PAGE_SIZE };
        let since = Some(("StartDate", self.since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        let level = self.level.map(|level| ("LogLevel", level.as_str().to_owned()));
        since.into_iter().chain(level).chain([("PageSize", size.to_string())]).collect()
    }
}

/// The path and query of the URL of a page. The credentials go to Twilio's own host only.
fn path_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    rest.find('/').and_then(|slash| rest.get(slash..)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(text: &str) -> Alert {
        let alert = json!({"sid": "NO1", "date_generated": "2026-11-20T09:00:00Z", "log_level": "error", "error_code": "11200",
                           "alert_text": text, "request_url": "https://wa.example.com/twilio/inbound", "resource_sid": "SM1"});
        serde_json::from_value(alert).unwrap()
    }

    #[test]
    fn alert_is_read_from_its_text() {
        let found = alert("Msg=HTTP+retrieval+failure&LogLevel=ERROR&httpResponse=403&ErrorCode=11200").line();
        assert_eq!((found.code, found.http, found.title), (Some(11200), Some(403), Some("HTTP retrieval failure")));
        assert_eq!(found.text, "HTTP retrieval failure");
        let plain = alert("A text that is no query").line();
        assert_eq!((plain.http, plain.text.as_str()), (None, "A text that is no query"));
    }

    #[test]
    fn alert_belongs_to_the_base_url_it_called() {
        let alert = alert("");
        for (url, expected) in [
            ("https://wa.example.com", true),
            ("https://wa.example.com/twilio", true),
            ("https://wa.example.co", false),
            ("https://other.example.com", false),
        ] {
            assert_eq!(alert.is_of(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn query_names_start_level_and_size() {
        let query = AlertQuery {
            since: "2026-11-20T09:00:00.5Z".parse().unwrap(),
            level: Some(AlertLevel::Error),
            codes: Vec::new(),
            limit: 20,
        };
        let expected = [("StartDate", "2026-11-20T09:00:00Z"), ("LogLevel", "error"), ("PageSize", "20")];
        assert_eq!(query.parameters(), expected.map(|(name, value)| (name, value.to_owned())));
        let of_code = AlertQuery { codes: vec!["11200".parse().unwrap()], level: None, ..query };
        assert_eq!(of_code.parameters()[1], ("PageSize", "1000".to_owned()));
    }

    #[test]
    fn next_page_is_read_from_the_same_host() {
        assert_eq!(path_of("https://evil.example/v1/Alerts?Page=1").as_deref(), Some("/v1/Alerts?Page=1"));
        assert_eq!(path_of("evil"), None);
    }
}
