//! Posts webhooks, and records each delivery.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;
use twilio_types::message_status::MessageStatus;
use twilio_webhook::signature::sign;

use super::{OutgoingWebhook, WebhookAnswer, WebhookDelivery, entry};
use crate::{
    chance::generator,
    exchange::{Exchange, HttpAttempt, RecordedRequest, RecordedResponse, milliseconds, shown_headers},
    faults::WebhookFaults,
    overrides::{DeliveryFailure, Overrides},
    state::Sandbox,
};

/// Posts a webhook, unless it is lost by a fault. Each copy of a webhook has a number, and its own idempotency token.
pub(crate) async fn deliver(
    sandbox: &Sandbox,
    webhook: &OutgoingWebhook,
    faults: &WebhookFaults,
    copy: u8,
) -> WebhookDelivery {
    let status = webhook.status.map_or("received", MessageStatus::as_str);
    let about = [webhook.message_sid.as_str(), status, &copy.to_string()];
    // The same for all attempts of one webhook, as at Twilio ("Webhooks: connection overrides").
    let token = format!("{:032x}", generator(sandbox.config.seed, &about).u128(..));
    let auth_token = if faults.has_wrong_signature() {
        SecretString::from("wrong-auth-token")
    } else {
        sandbox.products.auth_tokens.primary()
    };
    let signed = SignedWebhook::new(webhook, token, &auth_token);
    if faults.loses(webhook.status) || sandbox.memory().drops.drops(&webhook.person, &about) {
        let exchange = signed.exchange(sandbox.now(), None, Vec::new(), Duration::ZERO);
        entry::record(sandbox, webhook, signed.token, &WebhookDelivery::Lost, exchange);
        return WebhookDelivery::Lost;
    }
    let mut delivery = WebhookDelivery::Unanswered;
    for _ in 0..if faults.retries() { 2 } else { 1 } {
        delivery = signed.post(sandbox).await;
    }
    delivery
}

/// Posts a webhook once more, without faults: with the same idempotency token, and signed with the present auth token.
pub(crate) async fn post_again(sandbox: &Sandbox, webhook: &OutgoingWebhook, token: String) -> WebhookDelivery {
    SignedWebhook::new(webhook, token, &sandbox.products.auth_tokens.primary()).post(sandbox).await
}

/// A webhook as it goes over the wire.
struct SignedWebhook<'a> {
    webhook: &'a OutgoingWebhook,
    token: String,
    /// Without the fragment.
    url: &'a str,
    headers: Vec<(String, String)>,
    body: String,
}

impl<'a> SignedWebhook<'a> {
    fn new(webhook: &'a OutgoingWebhook, token: String, auth_token: &SecretString) -> Self {
        let url = webhook.url.split_once('#').map_or(webhook.url.as_str(), |(url, _)| url);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
            ("X-Twilio-Signature", sign(auth_token, url, &webhook.form)),
            ("X-Home-Region", "us1".to_owned()),
            ("I-Twilio-Idempotency-Token", token.clone()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(webhook.form.pairs()).finish();
        Self { webhook, token, url, headers, body }
    }

    /// Posts it up to the retries and the total time-out of its URL, and records the delivery.
    async fn post(&self, sandbox: &Sandbox) -> WebhookDelivery {
        let overrides = Overrides::of(&self.webhook.url);
        let client = sandbox.http.with_connect_timeout(overrides.connect);
        let (began_at, begin, mut attempts) = (sandbox.now(), Instant::now(), Vec::new());
        let (delivery, response) = loop {
            let left = overrides.total.saturating_sub(begin.elapsed());
            let attempt = Instant::now();
            let (failure, answered) = match read(self.request(&client, left.min(overrides.read))).await {
                Ok((answer, response)) => {
                    attempts.push(HttpAttempt::answered(answer.status, attempt.elapsed()));
                    (failed(answer.status), (WebhookDelivery::Answered(answer), Some(response)))
                }
                Err(error) => {
                    let (failure, words) = unanswered(&error);
                    attempts.push(HttpAttempt::failed(words, attempt.elapsed()));
                    (Some(failure), (WebhookDelivery::Unanswered, None))
                }
            };
            let is_last = attempts.len() > usize::from(overrides.retries) || begin.elapsed() >= overrides.total;
            if is_last || failure.is_none_or(|failure| !overrides.retries_after(failure)) {
                break answered;
            }
        };
        let exchange = self.exchange(began_at, response, attempts, begin.elapsed());
        entry::record(sandbox, self.webhook, self.token.clone(), &delivery, exchange);
        delivery
    }

    fn request(&self, client: &reqwest::Client, timeout: Duration) -> reqwest::RequestBuilder {
        let request = client.post(self.url).body(self.body.clone()).timeout(timeout);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    fn exchange(
        &self,
        began_at: Timestamp,
        response: Option<RecordedResponse>,
        attempts: Vec<HttpAttempt>,
        took: Duration,
    ) -> Exchange {
        let request = RecordedRequest {
            method: "POST".to_owned(),
            url: self.webhook.url.clone(),
            headers: self.headers.clone(),
            body: self.body.as_bytes().into(),
        };
        Exchange { request, response, began_at, milliseconds: milliseconds(took), attempts }
    }
}

fn failed(status: u16) -> Option<DeliveryFailure> {
    match status {
        500.. => Some(DeliveryFailure::ServerError),
        400..500 => Some(DeliveryFailure::ClientError),
        _ => None,
    }
}

/// Why no answer came, and in words.
fn unanswered(error: &reqwest::Error) -> (DeliveryFailure, String) {
    if error.is_timeout() && !error.is_connect() {
        return (DeliveryFailure::AnswerTimeout, "no answer in time".to_owned());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_connect() {
        (DeliveryFailure::Connection, format!("no connection: {cause}"))
    } else {
        (DeliveryFailure::AnswerTimeout, format!("no answer: {cause}"))
    }
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<(WebhookAnswer, RecordedResponse)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers = shown_headers(response.headers());
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let body = response.text().await?;
    let recorded = RecordedResponse { status, headers, body: body.as_bytes().into() };
    Ok((WebhookAnswer { status, content_type, body }, recorded))
}
