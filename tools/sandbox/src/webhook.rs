//! Calls of the system under test, as Twilio makes them.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::{form::Form, signature::sign};

use crate::{
    chance::generator,
    faults::Mischief,
    http_client,
    memory::WebhookRecord,
    overrides::{Overrides, Trouble},
    state::Sandbox,
    timeline::{Happening, Outcome},
};

/// How a webhook was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It was lost on purpose, and nobody noticed.
    Lost,
    /// There was no connection, or no answer in time.
    Unanswered,
    Answered(Answer),
}

/// What Twilio tells the system under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Webhook<'a> {
    pub(crate) url: &'a str,
    pub(crate) form: &'a Form,
    pub(crate) message_sid: &'a str,
    /// The address of the person whom it is about.
    pub(crate) person: &'a str,
    /// The status that is reported; none for an inbound message.
    pub(crate) status: Option<MessageStatus>,
    /// What goes wrong with it.
    pub(crate) mischief: &'a Mischief,
}

impl Delivery {
    pub(crate) fn answer(&self) -> Option<&Answer> {
        if let Self::Answered(answer) = self { Some(answer) } else { None }
    }
}

/// Posts a signed form, unless it is to get lost. The copies of a webhook are told apart by their number.
pub(crate) async fn deliver(sandbox: &Sandbox, webhook: &Webhook<'_>, copy: u8) -> Delivery {
    let status = webhook.status.map_or("received", MessageStatus::as_str);
    let about = [webhook.message_sid, status, &copy.to_string()];
    if webhook.mischief.loses(webhook.status) || sandbox.memory().drops.lose(webhook.person, &about) {
        record(sandbox, webhook, &Delivery::Lost, Duration::ZERO);
        return Delivery::Lost;
    }
    // Twilio's own is the same for all tries of one webhook ("Webhooks: connection overrides").
    let token = format!("{:032x}", generator(sandbox.config.seed, &about).u128(..));
    let tries = if webhook.mischief.retries() { 2 } else { 1 };
    let mut delivery = Delivery::Unanswered;
    for _ in 0..tries {
        let begin = Instant::now();
        delivery = post_with_retries(sandbox, webhook, &token).await;
        record(sandbox, webhook, &delivery, begin.elapsed());
    }
    delivery
}

/// Tries as often and as long as the URL asks for.
async fn post_with_retries(sandbox: &Sandbox, webhook: &Webhook<'_>, token: &str) -> Delivery {
    let overrides = Overrides::of(webhook.url);
    let url = webhook.url.split_once('#').map_or(webhook.url, |(url, _)| url);
    let request = request(sandbox, url, webhook, token, &overrides);
    let (begin, mut tries) = (Instant::now(), 0);
    loop {
        let left = overrides.total.saturating_sub(begin.elapsed());
        let Some(request) = request.try_clone() else {
            return Delivery::Unanswered;
        };
        let (delivery, trouble) = match read(request.timeout(left.min(overrides.read))).await {
            Ok(answer) if answer.status >= 500 => (Delivery::Answered(answer), Trouble::Server),
            Ok(answer) if answer.status >= 400 => (Delivery::Answered(answer), Trouble::Client),
            Ok(answer) => return Delivery::Answered(answer),
            Err(error) if error.is_connect() => (Delivery::Unanswered, Trouble::Connection),
            Err(_) => (Delivery::Unanswered, Trouble::Answer),
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
    webhook: &Webhook<'_>,
    token: &str,
    overrides: &Overrides,
) -> reqwest::RequestBuilder {
    let auth_token = if webhook.mischief.forges() {
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

fn record(sandbox: &Sandbox, webhook: &Webhook<'_>, delivery: &Delivery, took: Duration) {
    let record = WebhookRecord {
        url: webhook.url.to_owned(),
        message_sid: webhook.message_sid.to_owned(),
        status: webhook.status,
        answer: delivery.answer().map(|answer| answer.status),
        dropped: *delivery == Delivery::Lost,
    };
    let (now, happening) = (sandbox.now(), happening(webhook, delivery, took));
    let mut memory = sandbox.memory();
    memory.record_webhook(record);
    memory.timeline.add(now, happening);
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    Ok(Answer { status, content_type, body: response.text().await? })
}

/// What the timeline says of a webhook: the form whole, since nobody else's messages are in a sandbox.
fn happening(webhook: &Webhook<'_>, delivery: &Delivery, took: Duration) -> Happening {
    let kind = if webhook.status.is_some() { "callback" } else { "webhook" };
    let (outcome, signature, became) = match delivery {
        Delivery::Answered(Answer { status: 200..300, .. }) => (Outcome::Good, "accepted", String::new()),
        Delivery::Answered(Answer { status: 403, .. }) => {
            (Outcome::Refused, "refused", ": 403, the signature is refused".to_owned())
        }
        Delivery::Answered(answer) => (Outcome::Bad, "unknown", format!(": {}", answer.status)),
        Delivery::Lost => (Outcome::Bad, "unknown", " is lost on its way".to_owned()),
        Delivery::Unanswered => (Outcome::Bad, "unknown", ": no answer".to_owned()),
    };
    let what = webhook.status.map_or_else(|| "a message".to_owned(), |status| format!("the status {status}"));
    let happening = Happening::new(kind, outcome, format!("Webhook of {what}{became}"));
    happening.of(webhook.person, Some(webhook.message_sid)).with(json!({
        "url": webhook.url, "form": webhook.form.to_raw(), "answer": delivery.answer().map(|answer| answer.status),
        "signature": signature, "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "lost": *delivery == Delivery::Lost,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_verdict_on_the_signature() {
        let (form, mischief) = (Form::default(), Mischief::default());
        let status = Some(MessageStatus::Sent);
        let webhook = Webhook {
            url: "https://example.com",
            form: &form,
            message_sid: "SM1",
            person: "a",
            status,
            mischief: &mischief,
        };
        let answered = |status| Delivery::Answered(Answer { status, content_type: String::new(), body: String::new() });
        let cases = [
            (answered(204), Outcome::Good, "accepted"),
            (answered(403), Outcome::Refused, "refused"),
            (answered(500), Outcome::Bad, "unknown"),
            (Delivery::Unanswered, Outcome::Bad, "unknown"),
            (Delivery::Lost, Outcome::Bad, "unknown"),
        ];
        for (delivery, outcome, signature) in cases {
            let entry = happening(&webhook, &delivery, Duration::ZERO);
            assert_eq!((entry.outcome, &entry.details["signature"]), (outcome, &json!(signature)), "{delivery:?}");
        }
    }
}
