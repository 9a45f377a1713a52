//! The main job, shown: what `make run` does before it stays up.

#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for a field that it does not have")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{invitation, run::Running, stack::Stack};

/// Ava's number, made up: 555-01xx is nobody's.
const AVA: &str = "+14155550123";
const DEADLINE: Duration = Duration::from_mins(1);

/// Shows a person writing in, a notification going out, and an opt-out that holds and is taken back: on the page and in
/// words.
pub async fn run(running: &Running) -> Result<()> {
    let Running { stack, shell, .. } = running;
    eprintln!("{}", invitation::page(stack));
    let show = Show::new(stack);
    show.person_writes().await?;
    show.notification_goes_out().await?;
    show.opt_out_holds().await?;
    eprintln!("{}", invitation::to_play(stack, shell, AVA));
    Ok(())
}

struct Show<'a> {
    stack: &'a Stack,
    http: reqwest::Client,
    sqs: aws_sdk_sqs::Client,
}

impl<'a> Show<'a> {
    fn new(stack: &'a Stack) -> Self {
        Self { stack, http: reqwest::Client::new(), sqs: aws_sdk_sqs::Client::new(&stack.aws()) }
    }

    async fn person_writes(&self) -> Result<()> {
        say("Ava writes \"Where is my order?\"");
        self.write("Where is my order?").await?;
        let event = self.event("twilio_inbound").await?;
        told(&format!("event twilio_inbound: {} says {}", event["from"], event["body"]));
        Ok(())
    }

    async fn notification_goes_out(&self) -> Result<()> {
        say("A notification for her is put on the queue");
        self.notify("order-18473-shipped").await?;
        for _ in 0..4 {
            let event = self.event("twilio_status").await?;
            told(&format!("event twilio_status: {} is {}", event["notification_id"], event["status"]));
        }
        Ok(())
    }

    async fn opt_out_holds(&self) -> Result<()> {
        say("Ava writes \"STOP\"");
        let taken = self.write("STOP").await?;
        told(&format!("she is answered: {}", taken["reply"]));
        self.event("contact_opted_out").await?;
        told("event contact_opted_out");
        say("The next notification for her is put on the queue");
        self.notify("order-18474-shipped").await?;
        let event = self.event("notification_suppressed").await?;
        told(&format!("event notification_suppressed: {} did not go out", event["notification_id"]));
        say("Ava writes \"START\"");
        self.write("START").await?;
        self.event("contact_opted_in").await?;
        told("event contact_opted_in");
        Ok(())
    }

    async fn write(&self, body: &str) -> Result<Value> {
        let writing = json!({"from": format!("whatsapp:{AVA}"), "body": body});
        let url = format!("{}/sandbox/inbound", self.stack.sandbox_url);
        let taken: Value = self.http.post(url).json(&writing).send().await?.json().await?;
        if taken["status"] != 200 {
            bail!("the inbound webhook was answered with {}", taken["status"]);
        }
        Ok(taken)
    }

    async fn notify(&self, id: &str) -> Result<()> {
        let notification = json!({
            "id": id, "to": AVA, "category": "utility",
            "content": {"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": id}},
        });
        let queue_url = &self.stack.outputs.outbound_queue_url;
        self.sqs.send_message().queue_url(queue_url).message_body(notification.to_string()).send().await?;
        Ok(())
    }

    /// Takes events from the queue until one is of a type.
    async fn event(&self, event_type: &str) -> Result<Value> {
        let queue_url = &self.stack.outputs.events_queue_url;
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            let received = self.sqs.receive_message().queue_url(queue_url).wait_time_seconds(1).send().await?;
            for message in received.messages() {
                let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
                let handle = message.receipt_handle().context("a message without a receipt handle")?;
                self.sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await?;
                if event["event_type"] == event_type {
                    return Ok(event);
                }
            }
        }
        bail!("no event {event_type} within {DEADLINE:?}: the logs say why")
    }
}

fn say(what: &str) {
    eprintln!("\n{what}");
}

fn told(what: &str) {
    eprintln!("  -> {what}");
}
