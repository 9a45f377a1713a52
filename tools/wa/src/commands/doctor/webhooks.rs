//! A check of the webhook URLs that are set at Twilio: if one letter differs from the stack's own, every webhook is refused with 403.

use std::fmt;

use serde::Deserialize;
use twilio_client::{ApiRequest, Product, TwilioError};
use twilio_types::{base_url::BaseUrl, sid::MessagingServiceSid};

use crate::{
    copyable::CopyableCommands,
    error::CommandError,
    finding::Finding,
    session::Session,
    stack::{INBOUND_PATH, STATUS_PATH},
};

pub(super) const CHECK: &str = "webhooks";

const NOT_FOUND: u16 = 404;

const SENDERS_IN_CONSOLE: &str = "open https://console.twilio.com/us1/develop/sms/senders/whatsapp-senders";

/// What the webhook URLs are set on.
#[derive(Clone, PartialEq, Eq)]
enum WebhookOwner {
    Service(MessagingServiceSid),
    /// A WhatsApp sender, by its `sender_id`.
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
    /// How the operator changes the URLs.
    const fn remedy(&self) -> &'static str {
        match self {
            Self::Service(_) => "`wa doctor --fix`",
            Self::Sender(_) => "in the Console, on the WhatsApp sender",
        }
    }

    /// The command that sets the status callback URL, which `--fix` leaves as it is where there is one.
    fn set_status_callback(&self, url: &str) -> String {
        match self {
            Self::Service(sid) => format!(
                "curl -sS -u \"$TWILIO_API_KEY:$TWILIO_API_SECRET\" --data-urlencode StatusCallback={url} \
                 https://messaging.twilio.com{}",
                service_path(sid)
            ),
            Self::Sender(_) => SENDERS_IN_CONSOLE.to_owned(),
        }
    }

    fn command(&self, commands: &CopyableCommands) -> String {
        match self {
            Self::Service(_) => commands.wa("doctor --fix"),
            Self::Sender(_) => SENDERS_IN_CONSOLE.to_owned(),
        }
    }
}

/// The URLs of a Messaging Service or of a sender.
struct WebhookSettings {
    owner: WebhookOwner,
    inbound: Option<String>,
    inbound_method: Option<String>,
    fallback: Option<String>,
    status: Option<String>,
}

/// A Messaging Service. Source: Twilio, "Services resource".
#[derive(Deserialize)]
struct ServiceResource {
    inbound_request_url: Option<String>,
    inbound_method: Option<String>,
    fallback_url: Option<String>,
    status_callback: Option<String>,
    #[serde(default)]
    use_inbound_webhook_on_number: bool,
}

/// A page of WhatsApp senders. Source: Twilio, "Senders API".
#[derive(Deserialize)]
struct SendersPage {
    #[serde(default)]
    senders: Vec<SenderResource>,
}

#[derive(Deserialize)]
struct SenderResource {
    sender_id: String,
    #[serde(default)]
    webhook: Option<SenderWebhook>,
}

#[derive(Default, Deserialize)]
struct SenderWebhook {
    callback_url: Option<String>,
    callback_method: Option<String>,
    fallback_url: Option<String>,
    status_callback_url: Option<String>,
}

/// Compares the URLs of the Messaging Service with the stack's own, or those of the senders if the service leaves webhooks to
/// them.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let not_checked = |error: CommandError| Ok(vec![Finding::not_checked(CHECK, error.describe())]);
    let account = match session.twilio().await {
        Ok(account) => account,
        Err(error) => return not_checked(error),
    };
    let service_sid = stack.messaging_service_sid.as_ref();
    if let Some(sid) = service_sid {
        match account.call::<ServiceResource>(service_request(sid)).await {
            Ok(service) if !service.use_inbound_webhook_on_number => {
                return Ok(service_settings(sid, service).findings(&stack.api_url, &session.copyable()));
            }
            Ok(_) => {}
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => {
                let fix = "set the stack's MessagingServiceSid to one of this account";
                let command = session.copyable().deploy("MessagingServiceSid=MG...");
                return Ok(vec![Finding::wrong(CHECK, format!("there is no Messaging Service {sid}"), fix, command)]);
            }
            Err(error) => return not_checked(error.into()),
        }
    }
    let request = ApiRequest::get(Product::Messaging, "/v2/Channels/Senders");
    let request = request.query([("Channel", "whatsapp"), ("PageSize", "100")]);
    match account.call::<SendersPage>(request).await {
        Ok(page) => Ok(sender_findings(page.senders, service_sid, &stack.api_url, &session.copyable())),
        Err(error) => not_checked(error.into()),
    }
}

fn service_path(sid: &MessagingServiceSid) -> String {
    format!("/v1/Services/{sid}")
}

fn service_request(sid: &MessagingServiceSid) -> ApiRequest {
    ApiRequest::get(Product::Messaging, service_path(sid))
}

fn service_settings(sid: &MessagingServiceSid, service: ServiceResource) -> WebhookSettings {
    WebhookSettings {
        owner: WebhookOwner::Service(sid.clone()),
        inbound: service.inbound_request_url,
        inbound_method: service.inbound_method,
        fallback: service.fallback_url,
        status: service.status_callback,
    }
}

fn sender_settings(SenderResource { sender_id, webhook }: SenderResource) -> WebhookSettings {
    let webhook = webhook.unwrap_or_default();
    WebhookSettings {
        owner: WebhookOwner::Sender(sender_id),
        inbound: webhook.callback_url,
        inbound_method: webhook.callback_method,
        fallback: webhook.fallback_url,
        status: webhook.status_callback_url,
    }
}

/// Other senders may belong to other systems of the account: one that calls this stack is enough.
fn sender_findings(
    senders: Vec<SenderResource>,
    service: Option<&MessagingServiceSid>,
    api_url: &BaseUrl,
    commands: &CopyableCommands,
) -> Vec<Finding> {
    let all: Vec<_> = senders.into_iter().map(sender_settings).collect();
    let own: Vec<_> = all.iter().filter(|settings| settings.calls(api_url)).collect();
    if !own.is_empty() {
        return own.into_iter().flat_map(|settings| settings.findings(api_url, commands)).collect();
    }
    let context = match service {
        Some(sid) => format!("Messaging Service {sid} leaves webhooks to its senders, and "),
        None => "The stack has no Messaging Service, and ".to_owned(),
    };
    let found: Vec<_> = all
        .iter()
        .map(|settings| format!("{}: {}", settings.owner, settings.inbound.as_deref().unwrap_or("none")))
        .collect();
    let what =
        format!("{context}no WhatsApp sender's webhook is {} ({})", api_url.join(INBOUND_PATH), found.join(", "));
    let fix = "set it in the Console, on the WhatsApp sender: see docs/deploy.md, \"Connect Twilio\"";
    vec![Finding::wrong(CHECK, what, fix, SENDERS_IN_CONSOLE)]
}

impl WebhookSettings {
    /// Whether inbound messages go to the stack.
    fn calls(&self, api_url: &BaseUrl) -> bool {
        self.inbound.as_deref().is_some_and(|url| without_overrides(url) == api_url.join(INBOUND_PATH))
    }

    fn findings(&self, api_url: &BaseUrl, commands: &CopyableCommands) -> Vec<Finding> {
        let (inbound, status) = (api_url.join(INBOUND_PATH), api_url.join(STATUS_PATH));
        let (owner, remedy, command) = (&self.owner, self.owner.remedy(), self.owner.command(commands));
        let mut findings = vec![self.inbound_finding(&inbound, &command)];
        if self.inbound_method.as_deref().is_some_and(|method| method != "POST") {
            let what = format!("{owner} calls the inbound URL by GET, which no route accepts");
            findings.push(Finding::wrong(CHECK, what, format!("set the method to POST: {remedy}"), command.as_str()));
        }
        match self.fallback.as_deref().map(without_overrides) {
            None => findings.push(Finding::warning(
                CHECK,
                format!("{owner} has no fallback URL: a webhook that failed is called once, and only reconcile finds it again"),
                format!("set it to {inbound}: {remedy}"),
                command.as_str(),
            )),
            Some(fallback) if fallback != inbound => findings.push(Finding::warning(
                CHECK,
                format!("{owner}'s fallback URL is {fallback}: webhooks that failed go there"),
                format!("set it to {inbound}, unless that is meant: {remedy}"),
                command.as_str(),
            )),
            Some(_) => {}
        }
        if let Some(other) = self.status.as_deref().map(without_overrides).filter(|url| *url != status) {
            let what = format!(
                "{owner}'s status callback URL is {other}: statuses of messages that other systems send go there"
            );
            let fix = format!("set it to {status}, unless that is meant");
            findings.push(Finding::warning(CHECK, what, fix, owner.set_status_callback(&status)));
        }
        findings
    }

    fn inbound_finding(&self, expected: &str, command: &str) -> Finding {
        let (owner, remedy) = (&self.owner, self.owner.remedy());
        let fix =
            format!("set it to {expected}, to the letter ({remedy}), or deploy with PublicBaseUrl as it is set there");
        let Some(url) = self.inbound.as_deref() else {
            let what = format!("{owner} has no inbound URL: inbound messages are lost");
            return Finding::wrong(CHECK, what, fix, command);
        };
        if without_overrides(url) == expected {
            let overrides = url.split_once('#').map(|(_, overrides)| format!(" (connection overrides {overrides})"));
            // `--fix` sets it, so it is said before that asks.
            let status = match self.status {
                None => "; it has no status callback URL, which is for messages that other systems send",
                Some(_) => "",
            };
            return Finding::ok(CHECK, format!("{owner} calls {expected}{}{status}", overrides.unwrap_or_default()));
        }
        Finding::wrong(
            CHECK,
            format!("{owner} calls {url}, and the stack checks signatures for {expected}"),
            fix,
            command,
        )
    }
}

/// The URL that Twilio signs: connection overrides are in its fragment. Source: Twilio, "Webhooks connection overrides".
fn without_overrides(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

/// Sets the Messaging Service's URLs to the stack's own where they differ, after asking. A service that leaves webhooks to its
/// senders is not changed: its other numbers may go to other systems, and are meant to.
pub(super) async fn fix(session: &Session) -> Result<(), CommandError> {
    let stack = session.stack().await?;
    let Some(sid) = &stack.messaging_service_sid else {
        let remedy = "set the webhook of the WhatsApp sender in the Console";
        return Err(CommandError::usage(format!("--fix: the stack has no Messaging Service: {remedy}")));
    };
    let account = session.twilio().await?;
    let service: ServiceResource = account.call(service_request(sid)).await?;
    if service.use_inbound_webhook_on_number {
        let remedy = "set the webhook of the WhatsApp sender in the Console, where it is not as it should be";
        let note = format!("Messaging Service {sid} leaves webhooks to its senders, and nothing was changed: {remedy}");
        session.terminal.note(&note);
        return Ok(());
    }
    let changes = changes(&service, &stack.api_url);
    if changes.is_empty() {
        session.terminal.note(&format!("The webhooks of Messaging Service {sid} are as they should be"));
        return Ok(());
    }
    let shown: Vec<_> = changes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    session.announce_change().await?;
    session.terminal.confirm(&format!("Set {} on Messaging Service {sid}?", shown.join(", ")))?;
    let update = ApiRequest::post(Product::Messaging, service_path(sid)).form(changes);
    account.call::<ServiceResource>(update).await?;
    Ok(())
}

/// The parameters that differ. Connection overrides are kept, and so is a status callback URL, which may be meant.
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
mod tests;
