//! Calls of the system under test, as Twilio makes them.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::sign};

use crate::{
    chance::generator,
    faults::WebhookFaults,
    http_client,
    memory::WebhookRecord,
    overrides::{DeliveryFailure, Overrides},
    state::Sandbox,
    timeline::{Happening, Outcome},
};

/// How a webhook was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebhookDelivery {
    /// It was lost on purpose, and nobody noticed.
    Lost,
    /// There was no connection, or no answer in time.
    Unanswered,
    Answered(WebhookAnswer),
}

/// What Twilio tells the system under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingWebhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) form: &'a Form,
    pub(crate) message_sid: &'a str,
    /// The address of the person whom it is about.
    pub(crate) person: &'a str,
    /// The status that is reported; none for an inbound message.
    pub(crate) status: Option<MessageStatus>,
    /// What goes wrong with it.
    pub(crate) faults: &'a WebhookFaults,
}

impl WebhookDelivery {
    pub(crate) fn answer(&self) -> Option<&WebhookAnswer> {
        if let Self::Answered(answer) = self { Some(answer) } else { None }
    }
}

/// Posts a signed form, unless it is to get lost. The copies of a webhook are told apart by their number.
pub(crate) async fn deliver(sandbox: &Sandbox, webhook: &OutgoingWebhook<'_>, copy: u8) -> WebhookDelivery {
    let status = webhook.status.map_or("received", MessageStatus::as_str);
    let about = [webhook.message_sid, status, &copy.to_string()];
    if webhook.faults.loses(webhook.status) || sandbox.memory().drops.lose(webhook.person, &about) {
        record(sandbox, webhook, &WebhookDelivery::Lost, Duration::ZERO);
        return WebhookDelivery::Lost;
    }
    // Twilio's own is the same for all tries of one webhook ("Webhooks: connection overrides").
    let token = format!("{:032x}", generator(sandbox.config.seed, &about).u128(..));
    let tries = if webhook.faults.retries() { 2 } else { 1 };
    let mut delivery = WebhookDelivery::Unanswered;
    for _ in 0..tries {
        let begin = Instant::now();
        delivery = post_with_retries(sandbox, webhook, &token).await;
        record(sandbox, webhook, &delivery, begin.elapsed());
    }
    delivery
}

/// Tries as often and as long as the URL asks for.
async fn post_with_retries(sandbox: &Sandbox, webhook: &OutgoingWebhook<'_>, token: &str) -> WebhookDelivery {
    let overrides = Overrides::of(webhook.url);
    let url = webhook.url.split_once('#').map_or(webhook.url, |(url, _)| url);
    let request = request(sandbox, url, webhook, token, &overrides);
    let (begin, mut tries) = (Instant::now(), 0);
    loop {
        let left = overrides.total.saturating_sub(begin.elapsed());
        let Some(request) = request.try_clone() else {
            return WebhookDelivery::Unanswered;
        };
        let (delivery, trouble) = match read(request.timeout(left.min(overrides.read))).await {
            Ok(answer) if answer.status >= 500 => (WebhookDelivery::Answered(answer), DeliveryFailure::Server),
            Ok(answer) if answer.status >= 400 => (WebhookDelivery::Answered(answer), DeliveryFailure::Client),
            Ok(answer) => return WebhookDelivery::Answered(answer),
            Err(error) if error.is_connect() => (WebhookDelivery::Unanswered, DeliveryFailure::Connection),
            Err(_) => (WebhookDelivery::Unanswered, DeliveryFailure::WebhookAnswer),
        };
        tries += 1;
        if tries > overrides.retries || !overrides.tries_again_after(trouble) || begin.elapsed() >= overrides.total {
            return delivery;
        }
    }
}

fn request(
    sandbox: &Sandbox,
    url: &str,
    webhook: &OutgoingWebhook<'_>,
    token: &str,
    overrides: &Overrides,
) -> reqwest::RequestBuilder {
    let auth_token = if webhook.faults.forges() {
        SecretString::from("somebody else's token")
    } else {
        sandbox.products.auth_tokens.primary()
    };
    let http = if overrides.connect == Overrides::default().connect {
        sandbox.http.clone()
    } else {
        http_client::with_connect_timeout(overrides.connect)
    };
    let request = http
        .post(url)
        .header("X-Twilio-Signature", sign(&auth_token, url, webhook.form))
        .header("X-Home-Region", "us1")
        .header("I-Twilio-Idempotency-Token", token);
    request.form(webhook.form.pairs())
}

fn record(sandbox: &Sandbox, webhook: &OutgoingWebhook<'_>, delivery: &WebhookDelivery, took: Duration) {
    let record = WebhookRecord {
        url: webhook.url.to_owned(),
        message_sid: webhook.message_sid.to_owned(),
        status: webhook.status,
        answer: delivery.answer().map(|answer| answer.status),
        dropped: *delivery == WebhookDelivery::Lost,
    };
    let (now, happening) = (sandbox.now(), happening(webhook, delivery, took));
    let mut memory = sandbox.memory();
    memory.record_webhook(record);
    memory.timeline.add(now, happening);
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<WebhookAnswer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    Ok(WebhookAnswer { status, content_type, body: response.text().await? })
}

/// What the timeline says of a webhook: the form whole, since nobody else's messages are in a sandbox.
fn happening(webhook: &OutgoingWebhook<'_>, delivery: &WebhookDelivery, took: Duration) -> Happening {
    let kind = if webhook.status.is_some() { "callback" } else { "webhook" };
    let (outcome, signature, became) = match delivery {
        WebhookDelivery::Answered(WebhookAnswer { status: 200..300, .. }) => (Outcome::Good, "accepted", String::new()),
        WebhookDelivery::Answered(WebhookAnswer { status: 403, .. }) => {
            (Outcome::Refused, "refused", ": 403, the signature is refused".to_owned())
        }
        WebhookDelivery::Answered(answer) => (Outcome::Bad, "unknown", format!(": {}", answer.status)),
        WebhookDelivery::Lost => (Outcome::Bad, "unknown", " is lost on its way".to_owned()),
        WebhookDelivery::Unanswered => (Outcome::Bad, "unknown", ": no answer".to_owned()),
    };
    let what = webhook.status.map_or_else(|| "a message".to_owned(), |status| format!("the status {status}"));
    let happening = Happening::new(kind, outcome, format!("Webhook of {what}{became}"));
    happening.of(webhook.person, Some(webhook.message_sid)).with(json!({
        "url": webhook.url, "form": webhook.form.to_raw(), "answer": delivery.answer().map(|answer| answer.status),
        "signature": signature, "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "lost": *delivery == WebhookDelivery::Lost,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_verdict_on_the_signature() {
        let (form, faults) = (Form::default(), WebhookFaults::default());
        let status = Some(MessageStatus::Sent);
        let webhook = OutgoingWebhook {
            url: "https://example.com",
            form: &form,
            message_sid: "SM1",
            person: "a",
            status,
            faults: &faults,
        };
        let answered = |status| {
            WebhookDelivery::Answered(WebhookAnswer { status, content_type: String::new(), body: String::new() })
        };
        let cases = [
            (answered(204), Outcome::Good, "accepted"),
            (answered(403), Outcome::Refused, "refused"),
            (answered(500), Outcome::Bad, "unknown"),
            (WebhookDelivery::Unanswered, Outcome::Bad, "unknown"),
            (WebhookDelivery::Lost, Outcome::Bad, "unknown"),
        ];
        for (delivery, outcome, signature) in cases {
            let entry = happening(&webhook, &delivery, Duration::ZERO);
            assert_eq!((entry.outcome, &entry.details["signature"]), (outcome, &json!(signature)), "{delivery:?}");
        }
    }
}
