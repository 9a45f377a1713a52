//! Posts webhooks to the system under test: signed, with Twilio's time-outs and retries, and with the planned faults.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::sign};

use crate::{
    chance::generator,
    faults::WebhookFaults,
    memory::WebhookRecord,
    overrides::{DeliveryFailure, Overrides},
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// The result of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebhookDelivery {
    /// It was lost on purpose, and never posted.
    Lost,
    /// There was no connection, or no answer in time.
    Unanswered,
    Answered(WebhookAnswer),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingWebhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) form: &'a Form,
    pub(crate) message_sid: &'a str,
    /// The address of the person that it is about.
    pub(crate) person: &'a str,
    /// None for an inbound message.
    pub(crate) status: Option<MessageStatus>,
    pub(crate) faults: &'a WebhookFaults,
}

impl WebhookDelivery {
    pub(crate) fn answer(&self) -> Option<&WebhookAnswer> {
        if let Self::Answered(answer) = self { Some(answer) } else { None }
    }
}

/// Posts a webhook, unless it is lost by a fault. Each copy of a webhook has a number, and its own idempotency token.
pub(crate) async fn deliver(sandbox: &Sandbox, webhook: &OutgoingWebhook<'_>, copy: u8) -> WebhookDelivery {
    let status = webhook.status.map_or("received", MessageStatus::as_str);
    let about = [webhook.message_sid, status, &copy.to_string()];
    if webhook.faults.loses(webhook.status) || sandbox.memory().drops.drops(webhook.person, &about) {
        record(sandbox, webhook, &WebhookDelivery::Lost, Duration::ZERO);
        return WebhookDelivery::Lost;
    }
    // The same for all attempts of one webhook, as at Twilio ("Webhooks: connection overrides").
    let token = format!("{:032x}", generator(sandbox.config.seed, &about).u128(..));
    let attempts = if webhook.faults.retries() { 2 } else { 1 };
    let mut delivery = WebhookDelivery::Unanswered;
    for _ in 0..attempts {
        let begin = Instant::now();
        delivery = post_with_retries(sandbox, webhook, &token).await;
        record(sandbox, webhook, &delivery, begin.elapsed());
    }
    delivery
}

/// Posts a webhook up to the retries and the total time-out of its URL.
async fn post_with_retries(sandbox: &Sandbox, webhook: &OutgoingWebhook<'_>, token: &str) -> WebhookDelivery {
    let overrides = Overrides::of(webhook.url);
    let url = webhook.url.split_once('#').map_or(webhook.url, |(url, _)| url);
    let request = request(sandbox, url, webhook, token, &overrides);
    let (begin, mut attempts) = (Instant::now(), 0);
    loop {
        let left = overrides.total.saturating_sub(begin.elapsed());
        let Some(request) = request.try_clone() else {
            return WebhookDelivery::Unanswered;
        };
        let (delivery, failure) = match read(request.timeout(left.min(overrides.read))).await {
            Ok(answer) if answer.status >= 500 => (WebhookDelivery::Answered(answer), DeliveryFailure::ServerError),
            Ok(answer) if answer.status >= 400 => (WebhookDelivery::Answered(answer), DeliveryFailure::ClientError),
            Ok(answer) => return WebhookDelivery::Answered(answer),
            Err(error) if error.is_connect() => (WebhookDelivery::Unanswered, DeliveryFailure::Connection),
            Err(_) => (WebhookDelivery::Unanswered, DeliveryFailure::AnswerTimeout),
        };
        attempts += 1;
        if attempts > overrides.retries || !overrides.retries_after(failure) || begin.elapsed() >= overrides.total {
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
    let auth_token = if webhook.faults.has_wrong_signature() {
        SecretString::from("wrong-auth-token")
    } else {
        sandbox.products.auth_tokens.primary()
    };
    let request = sandbox
        .http
        .with_connect_timeout(overrides.connect)
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
    let (now, event) = (sandbox.now(), event(webhook, delivery, took));
    let mut memory = sandbox.memory();
    memory.record_webhook(record);
    memory.timeline.add(now, event);
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<WebhookAnswer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    Ok(WebhookAnswer { status, content_type, body: response.text().await? })
}

/// The timeline event of a webhook. It holds the whole form, since a sandbox has no real messages.
fn event(webhook: &OutgoingWebhook<'_>, delivery: &WebhookDelivery, took: Duration) -> TimelineEvent {
    let kind = if webhook.status.is_some() { "callback" } else { "webhook" };
    let (outcome, signature, result) = match delivery {
        WebhookDelivery::Answered(WebhookAnswer { status: 200..300, .. }) => {
            (TimelineOutcome::Good, "accepted", String::new())
        }
        WebhookDelivery::Answered(WebhookAnswer { status: 403, .. }) => {
            (TimelineOutcome::Refused, "refused", ": 403, the signature was refused".to_owned())
        }
        WebhookDelivery::Answered(answer) => (TimelineOutcome::Bad, "unknown", format!(": {}", answer.status)),
        WebhookDelivery::Lost => (TimelineOutcome::Bad, "unknown", " was lost on purpose".to_owned()),
        WebhookDelivery::Unanswered => (TimelineOutcome::Bad, "unknown", ": no answer".to_owned()),
    };
    let what = webhook.status.map_or_else(|| "a message".to_owned(), |status| format!("the status {status}"));
    let event = TimelineEvent::new(kind, outcome, format!("Webhook of {what}{result}"));
    event.of(webhook.person, Some(webhook.message_sid)).with(json!({
        "url": webhook.url, "form": webhook.form.to_raw(), "answer": delivery.answer().map(|answer| answer.status),
        "signature": signature, "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "lost": *delivery == WebhookDelivery::Lost,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_decides_outcome_and_signature() {
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
            (answered(204), TimelineOutcome::Good, "accepted"),
            (answered(403), TimelineOutcome::Refused, "refused"),
            (answered(500), TimelineOutcome::Bad, "unknown"),
            (WebhookDelivery::Unanswered, TimelineOutcome::Bad, "unknown"),
            (WebhookDelivery::Lost, TimelineOutcome::Bad, "unknown"),
        ];
        for (delivery, outcome, signature) in cases {
            let entry = event(&webhook, &delivery, Duration::ZERO);
            assert_eq!((entry.outcome, &entry.details["signature"]), (outcome, &json!(signature)), "{delivery:?}");
        }
    }
}
