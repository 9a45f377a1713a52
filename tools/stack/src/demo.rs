//! A demonstration of the main cases: `make run` runs it once after the start.

#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for a field that it does not have")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{invitation, run::Running, stack::Stack};

/// Ava's phone number. Numbers 555-01xx are reserved for fiction (North American Numbering Plan).
const AVA: &str = "+14155550123";
const DEADLINE: Duration = Duration::from_mins(1);

/// Shows an inbound message, a notification, and an opt-out that is followed by an opt-in, on the page and in the terminal.
pub async fn run(running: &Running) -> Result<()> {
    let Running { stack, shell, .. } = running;
    eprintln!("{}", invitation::page(stack));
    let demo = Demo::new(stack);
    demo.receive_message().await?;
    demo.send_notification().await?;
    demo.opt_out_and_in().await?;
    eprintln!("{}", invitation::with_sandbox(stack, shell, AVA));
    Ok(())
}

struct Demo<'a> {
    stack: &'a Stack,
    http: reqwest::Client,
    sqs: aws_sdk_sqs::Client,
}

impl<'a> Demo<'a> {
    fn new(stack: &'a Stack) -> Self {
        Self { stack, http: reqwest::Client::new(), sqs: aws_sdk_sqs::Client::new(&stack.aws()) }
    }

    async fn receive_message(&self) -> Result<()> {
        announce("Ava writes \"Where is my order?\"");
        self.write("Where is my order?").await?;
        let event = self.event("twilio_inbound").await?;
        report(&format!("event twilio_inbound: {} says {}", event["from"], event["body"]));
        Ok(())
    }

    async fn send_notification(&self) -> Result<()> {
        announce("A notification for Ava is sent to the queue");
        self.notify("order-18473-shipped").await?;
        for _ in 0..4 {
            let event = self.event("twilio_status").await?;
            report(&format!("event twilio_status: {} is {}", event["notification_id"], event["status"]));
        }
        Ok(())
    }

    async fn opt_out_and_in(&self) -> Result<()> {
        announce("Ava writes \"STOP\"");
        let delivered = self.write("STOP").await?;
        report(&format!("the system replies: {}", delivered["reply"]));
        self.event("contact_opted_out").await?;
        report("event contact_opted_out");
        announce("The next notification for Ava is sent to the queue");
        self.notify("order-18474-shipped").await?;
        let event = self.event("notification_suppressed").await?;
        report(&format!("event notification_suppressed: {} was not sent", event["notification_id"]));
        announce("Ava writes \"START\"");
        self.write("START").await?;
        self.event("contact_opted_in").await?;
        report("event contact_opted_in");
        Ok(())
    }

    async fn write(&self, body: &str) -> Result<Value> {
        let message = json!({"from": format!("whatsapp:{AVA}"), "body": body});
        let url = format!("{}/sandbox/inbound", self.stack.sandbox_url);
        let delivered: Value = self.http.post(url).json(&message).send().await?.json().await?;
        if delivered["status"] != 200 {
            bail!("the inbound webhook was answered with {}", delivered["status"]);
        }
        Ok(delivered)
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

    /// Receives and deletes events from the queue until one has the type `event_type`.
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
        bail!("no event {event_type} was published within {DEADLINE:?}: see the logs in the stack's folder")
    }
}

fn announce(what: &str) {
    eprintln!("\n{what}");
}

fn report(what: &str) {
    eprintln!("  -> {what}");
}
