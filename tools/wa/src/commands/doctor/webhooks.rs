//! The webhook URLs that are set at Twilio, against the stack's own: one letter of difference is a 403 on every webhook.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use twilio_types::{base_url::BaseUrl, sid::MessagingServiceSid};

use crate::{
    exit::CommandError,
    finding::Finding,
    session::Session,
    twilio::{Payload, Product, Twilio, TwilioFailure},
    webhook_probe::STATUS_PATH,
};

pub(super) const CHECK: &str = "webhooks";

const INBOUND_PATH: &str = "/twilio/inbound";

/// Where webhook URLs are set.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WebhookOwner {
    Service(MessagingServiceSid),
    /// By its `sender_id`.
    Sender(String),
}

impl fmt::Display for WebhookOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(sid) => write!(f, "Messaging Service {sid}"),
            Self::Sender(sender_id) => write!(f, "sender {sender_id}"),
        }
    }
}

impl WebhookOwner {
    /// By what they are changed.
    const fn remedy(&self) -> &'static str {
        match self {
            Self::Service(_) => "`wa doctor --fix`",
            Self::Sender(_) => "in the Console, on the WhatsApp sender",
        }
    }
}

/// The URLs of a Messaging Service or of a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WebhookSettings {
    place: WebhookOwner,
    inbound: Option<String>,
    inbound_method: Option<String>,
    fallback: Option<String>,
    status: Option<String>,
}

/// Twilio's Messaging Service. Source: Twilio, "Services resource".
#[derive(Debug, Deserialize)]
struct ServiceResource {
    inbound_request_url: Option<String>,
    inbound_method: Option<String>,
    fallback_url: Option<String>,
    status_callback: Option<String>,
    #[serde(default)]
    use_inbound_webhook_on_number: bool,
}

/// Twilio's WhatsApp sender. Source: Twilio, "Senders API".
#[derive(Debug, Deserialize)]
struct SenderResource {
    sender_id: String,
    #[serde(default)]
    webhook: Option<SenderWebhook>,
}

#[derive(Debug, Default, Deserialize)]
struct SenderWebhook {
    callback_url: Option<String>,
    callback_method: Option<String>,
    fallback_url: Option<String>,
    status_callback_url: Option<String>,
}

/// Compares all that is set.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let twilio = match session.twilio().await {
        Ok(twilio) => twilio,
        Err(failure) => return Ok(vec![Finding::not_checked(CHECK, failure.to_string())]),
    };
    let service = match &stack.messaging_service_sid {
        Some(sid) => match service(&twilio, sid).await {
            Ok(found) => Some((sid, found)),
            Err(TwilioFailure::Refused(refusal)) if refusal.status == 404 => {
                let fix = "set the stack's MessagingServiceSid to one of this account";
                return Ok(vec![Finding::wrong(CHECK, format!("there is no Messaging Service {sid}"), fix)]);
            }
            Err(failure) => return Ok(vec![Finding::not_checked(CHECK, failure.to_string())]),
        },
        None => None,
    };
    match service {
        Some((sid, found)) if !found.use_inbound_webhook_on_number => Ok(of_service(sid, found).judged(&stack.api_url)),
        service => {
            let senders = match senders(&twilio).await {
                Ok(senders) => senders,
                Err(failure) => return Ok(vec![Finding::not_checked(CHECK, failure.to_string())]),
            };
            Ok(of_senders(senders, service.map(|(sid, _)| sid), &stack.api_url))
        }
    }
}

async fn service(twilio: &Twilio, sid: &MessagingServiceSid) -> Result<ServiceResource, TwilioFailure> {
    let path = format!("/v1/Services/{sid}");
    let found = twilio.call(Method::GET, Product::Messaging, &path, Payload::None).await?;
    ServiceResource::deserialize(found).map_err(|error| TwilioFailure::NoAnswer(format!("{path}: {error}")))
}

async fn senders(twilio: &Twilio) -> Result<Vec<SenderResource>, TwilioFailure> {
    let path = "/v2/Channels/Senders";
    let query = [("Channel", "whatsapp".to_owned()), ("PageSize", "100".to_owned())];
    let mut found = twilio.call(Method::GET, Product::Messaging, path, Payload::Query(&query)).await?;
    let senders = found.get_mut("senders").map(Value::take).unwrap_or_default();
    Vec::deserialize(senders).map_err(|error| TwilioFailure::NoAnswer(format!("{path}: {error}")))
}

fn of_service(sid: &MessagingServiceSid, found: ServiceResource) -> WebhookSettings {
    WebhookSettings {
        place: WebhookOwner::Service(sid.clone()),
        inbound: found.inbound_request_url,
        inbound_method: found.inbound_method,
        fallback: found.fallback_url,
        status: found.status_callback,
    }
}

/// Senders may belong to other systems of the account: it is enough that one is ours.
fn of_senders(senders: Vec<SenderResource>, service: Option<&MessagingServiceSid>, api_url: &BaseUrl) -> Vec<Finding> {
    let webhooks = senders.into_iter().map(|SenderResource { sender_id, webhook }| {
        let webhook = webhook.unwrap_or_default();
        WebhookSettings {
            place: WebhookOwner::Sender(sender_id),
            inbound: webhook.callback_url,
            inbound_method: webhook.callback_method,
            fallback: webhook.fallback_url,
            status: webhook.status_callback_url,
        }
    });
    let webhooks: Vec<_> = webhooks.collect();
    let ours: Vec<_> = webhooks.iter().filter(|webhooks| webhooks.is_ours(api_url)).collect();
    if !ours.is_empty() {
        return ours.into_iter().flat_map(|webhooks| webhooks.judged(api_url)).collect();
    }
    let whose = match service {
        Some(sid) => format!("Messaging Service {sid} leaves webhooks to its senders, and "),
        None => "The stack has no Messaging Service, and ".to_owned(),
    };
    let set: Vec<_> = webhooks
        .iter()
        .map(|webhooks| format!("{}: {}", webhooks.place, webhooks.inbound.as_deref().unwrap_or("none")))
        .collect();
    let what = format!("{whose}no WhatsApp sender's webhook is {} ({})", api_url.join(INBOUND_PATH), set.join(", "));
    vec![Finding::wrong(
        CHECK,
        what,
        "set it in the Console, on the WhatsApp sender: see docs/deploy.md, \"Connect Twilio\"",
    )]
}

impl WebhookSettings {
    fn is_ours(&self, api_url: &BaseUrl) -> bool {
        self.inbound.as_deref().is_some_and(|url| without_overrides(url) == api_url.join(INBOUND_PATH))
    }

    fn judged(&self, api_url: &BaseUrl) -> Vec<Finding> {
        let (inbound, status) = (api_url.join(INBOUND_PATH), api_url.join(STATUS_PATH));
        let mut findings = vec![self.inbound_judged(&inbound)];
        let (place, remedy) = (&self.place, self.place.remedy());
        if self.inbound_method.as_deref().is_some_and(|method| method != "POST") {
            let what = format!("{place} calls the inbound URL by GET, which no route takes");
            findings.push(Finding::wrong(CHECK, what, format!("set the method to POST: {remedy}")));
        }
        match self.fallback.as_deref().map(without_overrides) {
            None => findings.push(Finding::warning(
                CHECK,
                format!("{place} has no fallback URL: a webhook that failed is called once, and found again by reconcile only"),
                format!("set it to {inbound}: {remedy}"),
            )),
            Some(fallback) if fallback != inbound => findings.push(Finding::warning(
                CHECK,
                format!("{place}'s fallback URL is {fallback}: what fails goes there"),
                format!("set it to {inbound}, unless that is meant: {remedy}"),
            )),
            Some(_) => {}
        }
        if let Some(other) = self.status.as_deref().map(without_overrides).filter(|url| *url != status) {
            let what = format!(
                "{place}'s status callback URL is {other}: statuses of messages that other systems send go there"
            );
            findings.push(Finding::warning(CHECK, what, format!("set it to {status}, unless that is meant")));
        }
        findings
    }

    fn inbound_judged(&self, expected: &str) -> Finding {
        let (place, remedy) = (&self.place, self.place.remedy());
        let fix =
            format!("set it to {expected}, to the letter ({remedy}), or deploy with PublicBaseUrl as it stands there");
        let Some(url) = self.inbound.as_deref() else {
            return Finding::wrong(CHECK, format!("{place} has no inbound URL: what people write goes nowhere"), fix);
        };
        let overrides = url.split_once('#').map(|(_, overrides)| format!(" (connection overrides {overrides})"));
        if without_overrides(url) == expected {
            let overrides = overrides.unwrap_or_default();
            return Finding::ok(CHECK, format!("{place} calls {expected}{overrides}"));
        }
        Finding::wrong(CHECK, format!("{place} calls {url}, and the stack checks signatures for {expected}"), fix)
    }
}

/// The URL that is signed: connection overrides stand in the fragment. Source: Twilio, "Webhooks connection overrides".
fn without_overrides(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

/// Sets the Messaging Service's URLs to the stack's own, where they are others, after asking. One that leaves webhooks to
/// its senders is left so: other numbers of it may go elsewhere, and are meant to.
pub(super) async fn mend(session: &Session) -> Result<(), CommandError> {
    let stack = session.stack().await?;
    let Some(sid) = &stack.messaging_service_sid else {
        let remedy = "set the webhook of the WhatsApp sender in the Console";
        return Err(CommandError::Usage(format!("--fix: the stack has no Messaging Service: {remedy}")));
    };
    let twilio = session.twilio().await?;
    let service = service(&twilio, sid).await?;
    if service.use_inbound_webhook_on_number {
        let remedy = "set the webhook of the WhatsApp sender in the Console, where it is not as it should be";
        let what = format!("Messaging Service {sid} leaves webhooks to its senders, and nothing was changed: {remedy}");
        session.terminal.note(&what);
        return Ok(());
    }
    let changes = changes(&service, &stack.api_url);
    if changes.is_empty() {
        session.terminal.note(&format!("The webhooks of Messaging Service {sid} are as they should be"));
        return Ok(());
    }
    let shown: Vec<_> = changes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    session.terminal.confirm(&format!("Set {} on Messaging Service {sid}?", shown.join(", ")))?;
    let path = format!("/v1/Services/{sid}");
    twilio.call(Method::POST, Product::Messaging, &path, Payload::Form(&changes)).await?;
    Ok(())
}

/// What keeps its connection overrides is not touched; a status callback URL that is there may be meant.
fn changes(service: &ServiceResource, api_url: &BaseUrl) -> Vec<(&'static str, String)> {
    let (inbound, status) = (api_url.join(INBOUND_PATH), api_url.join(STATUS_PATH));
    let is =
        |url: &Option<String>, expected: &str| url.as_deref().is_some_and(|url| without_overrides(url) == expected);
    let mut changes = Vec::new();
    if !is(&service.inbound_request_url, &inbound) {
        changes.push(("InboundRequestUrl", inbound.clone()));
    }
    if service.inbound_method.as_deref().is_some_and(|method| method != "POST") {
        changes.push(("InboundMethod", "POST".to_owned()));
    }
    if !is(&service.fallback_url, &inbound) {
        changes.push(("FallbackUrl", inbound));
    }
    if service.status_callback.is_none() {
        changes.push(("StatusCallback", status));
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::Level;

    const OURS: &str = "https://wa.example.com/twilio/inbound";

    fn api_url() -> BaseUrl {
        "https://wa.example.com".parse().unwrap()
    }

    fn levels(inbound: Option<&str>, method: &str, fallback: Option<&str>, status: Option<&str>) -> Vec<Level> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let webhooks = WebhookSettings {
            place: WebhookOwner::Service("MG00000000000000000000000000000001".parse().unwrap()),
            inbound: text(inbound),
            inbound_method: Some(method.to_owned()),
            fallback: text(fallback),
            status: text(status),
        };
        webhooks.judged(&api_url()).into_iter().map(|found| found.finding).collect()
    }

    #[test]
    fn urls_are_compared_to_the_letter_but_for_the_connection_overrides() {
        use Level::{Ok, Warning, Wrong};
        let with_overrides = format!("{OURS}#rc=3&rp=all");
        assert_eq!(levels(Some(OURS), "POST", Some(OURS), None), [Ok]);
        assert_eq!(
            levels(Some(&with_overrides), "POST", Some(&with_overrides), Some("https://wa.example.com/twilio/status")),
            [Ok]
        );
        for wrong in [
            "https://wa.example.com/twilio/inbound/",
            "http://wa.example.com/twilio/inbound",
            "https://WA.example.com/twilio/inbound",
        ] {
            assert_eq!(levels(Some(wrong), "POST", Some(OURS), None), [Wrong], "{wrong}");
        }
        assert_eq!(levels(None, "POST", None, Some("https://other.example.com")), [Wrong, Warning, Warning]);
        assert_eq!(levels(Some(OURS), "GET", Some("https://other.example.com"), None), [Ok, Wrong, Warning]);
    }

    #[test]
    fn of_the_senders_one_has_to_be_ours() {
        let senders = |urls: &[Option<&str>]| {
            let senders = urls.iter().map(|url| {
                let sender = json!({"sender_id": "whatsapp:+14155238886", "webhook": {"callback_url": url, "fallback_url": OURS}});
                serde_json::from_value(sender).unwrap()
            });
            let found = of_senders(senders.collect(), None, &api_url());
            found.into_iter().map(|found| found.finding).collect::<Vec<_>>()
        };
        assert_eq!(senders(&[Some(OURS), Some("https://other.example.com")]), [Level::Ok]);
        assert_eq!(senders(&[None]), [Level::Wrong]);
        assert_eq!(senders(&[]), [Level::Wrong]);
    }

    #[test]
    fn what_is_wrong_with_a_sender_is_mended_in_the_console() {
        let sender =
            json!({"sender_id": "whatsapp:+14155238886", "webhook": {"callback_url": OURS, "callback_method": "GET"}});
        let found = of_senders(vec![serde_json::from_value(sender).unwrap()], None, &api_url());
        let fixes: Vec<_> = found.into_iter().filter_map(|found| found.fix).collect();
        assert_eq!(fixes.len(), 2);
        assert!(fixes.iter().all(|fix| fix.contains("in the Console") && !fix.contains("--fix")), "{fixes:?}");
    }

    #[test]
    fn only_what_differs_is_set() {
        let service = |service: Value| changes(&serde_json::from_value(service).unwrap(), &api_url());
        let overrides = format!("{OURS}#rc=3");
        let right = json!({"inbound_request_url": overrides, "inbound_method": "POST", "fallback_url": OURS, "status_callback": "https://x"});
        assert_eq!(service(right), []);
        let names: Vec<_> = service(json!({})).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["InboundRequestUrl", "FallbackUrl", "StatusCallback"]);
    }
}
