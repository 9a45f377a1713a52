//! The timeline entry of a webhook.

use serde_json::json;

use super::{OutgoingWebhook, WebhookAnswer, WebhookDelivery};
use crate::{
    alerts::Alert,
    exchange::{Exchange, RecordedResponse},
    memory::WebhookRecord,
    messages::Message,
    repeat::RepeatedRequest,
    state::Sandbox,
    timeline::{EntryCause, NewEntry, TimelineEvent, TimelineOutcome},
};

/// Remembers a delivery, and adds it to the timeline.
pub(super) fn record(
    sandbox: &Sandbox,
    webhook: &OutgoingWebhook,
    token: String,
    delivery: &WebhookDelivery,
    exchange: Exchange,
) {
    let (now, is_lost) = (sandbox.now(), *delivery == WebhookDelivery::Lost);
    let answer = delivery.answer().map(|answer| answer.status);
    let mut memory = sandbox.memory();
    memory.record_webhook(WebhookRecord {
        url: webhook.url.clone(),
        message_sid: webhook.message_sid.to_string(),
        status: webhook.status,
        answer,
        dropped: is_lost,
    });
    let message = memory.messages.get_mut(&webhook.message_sid);
    let number = message.map_or(1, |message: &mut Message| message.webhooks.count(webhook.status, answer, is_lost));
    let reason = exchange.response.as_ref().and_then(RecordedResponse::reason);
    let event = TimelineEvent {
        at: Some(exchange.began_at),
        ..event(webhook, delivery, number, reason.as_deref(), exchange.milliseconds)
    };
    let repeat = Some(RepeatedRequest::Webhook(Box::new(webhook.clone()), token));
    memory.alerts.extend(Alert::of_webhook(webhook, delivery, now));
    memory.record(now, NewEntry { event, delivery: Some(number), reason, exchange: Some(exchange), repeat });
}

/// The timeline event of a webhook. It holds the whole form, since a sandbox has no real messages.
fn event(
    webhook: &OutgoingWebhook,
    delivery: &WebhookDelivery,
    number: u32,
    reason: Option<&str>,
    milliseconds: u64,
) -> TimelineEvent {
    let sid = &webhook.message_sid;
    let (kind, cause) = match webhook.status {
        Some(status) => ("callback", EntryCause::callback(sid, status)),
        None => ("webhook", EntryCause::webhook(sid)),
    };
    let (outcome, signature, mut result) = match delivery {
        WebhookDelivery::Answered(WebhookAnswer { status: 200..300, .. }) => {
            (TimelineOutcome::Good, "accepted", String::new())
        }
        WebhookDelivery::Answered(WebhookAnswer { status: 403, .. }) => {
            (TimelineOutcome::Refused, "refused", ": 403".to_owned())
        }
        WebhookDelivery::Answered(answer) => (TimelineOutcome::Bad, "unknown", format!(": {}", answer.status)),
        WebhookDelivery::Lost => (TimelineOutcome::Bad, "unknown", " was lost on purpose".to_owned()),
        WebhookDelivery::Unanswered => (TimelineOutcome::Bad, "unknown", ": no answer".to_owned()),
    };
    if let Some(reason) = reason {
        result = format!("{result}, {reason}");
    }
    let repeated = if number > 1 { format!(", delivery {number}") } else { String::new() };
    let what = webhook.status.map_or_else(|| "a message".to_owned(), |status| format!("the status {status}"));
    let event = TimelineEvent::new(kind, outcome, format!("Webhook of {what}{repeated}{result}"));
    event.of(&webhook.person, Some(sid.as_str())).caused_by(cause).with(json!({
        "url": webhook.url, "form": webhook.form.to_raw(), "answer": delivery.answer().map(|answer| answer.status),
        "signature": signature, "milliseconds": milliseconds, "lost": *delivery == WebhookDelivery::Lost,
    }))
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;
    use twilio_webhook::form::Form;

    use super::*;

    fn webhook(status: Option<MessageStatus>) -> OutgoingWebhook {
        OutgoingWebhook {
            url: "https://example.com".to_owned(),
            form: Form::default(),
            message_sid: "SM00000000000000000000000000000001".parse().unwrap(),
            person: "a".to_owned(),
            status,
        }
    }

    fn answered(status: u16) -> WebhookDelivery {
        WebhookDelivery::Answered(WebhookAnswer { status, content_type: String::new(), body: String::new() })
    }

    #[test]
    fn answer_decides_outcome_and_signature() {
        let webhook = webhook(Some(MessageStatus::Sent));
        let cases = [
            (answered(204), TimelineOutcome::Good, "accepted"),
            (answered(403), TimelineOutcome::Refused, "refused"),
            (answered(500), TimelineOutcome::Bad, "unknown"),
            (WebhookDelivery::Unanswered, TimelineOutcome::Bad, "unknown"),
            (WebhookDelivery::Lost, TimelineOutcome::Bad, "unknown"),
        ];
        for (delivery, outcome, signature) in cases {
            let entry = event(&webhook, &delivery, 1, None, 0);
            assert_eq!((entry.outcome, &entry.details["signature"]), (outcome, &json!(signature)), "{delivery:?}");
        }
    }

    #[test]
    fn summary_names_the_delivery_the_status_and_the_reason() {
        let summary = |delivery, number, reason| event(&webhook(None), &delivery, number, reason, 0).summary;
        assert_eq!(summary(answered(200), 1, None), "Webhook of a message");
        assert_eq!(summary(answered(200), 2, None), "Webhook of a message, delivery 2");
        assert_eq!(
            summary(answered(403), 1, Some("no X-Twilio-Signature header")),
            "Webhook of a message: 403, no X-Twilio-Signature header"
        );
    }
}
