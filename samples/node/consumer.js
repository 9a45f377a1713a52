// Receives the events of the system, until SIGTERM or Ctrl-C. EVENTS_QUEUE_URL is an output of the stack.

import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const sqs = new SQSClient();
const QueueUrl = process.env.EVENTS_QUEUE_URL;

// An event may come twice, with the same event_id: store that with what you do, and skip an id that is stored.
async function handle(event) {
  switch (event.event_type) {
    case "twilio_inbound":
      console.log("message", event.from, event.body);
      break;
    case "twilio_status":
      console.log("status", event.notification_id, event.status);
      break;
    case "notification_failed":
    case "notification_suppressed":
      console.log("not sent", event.notification_id, event.outcome, event.reason);
      break;
    case "contact_opted_out":
    case "contact_opted_in":
    case "contact_consent":
      console.log(event.event_type, event.contact);
      break;
    default:
      // New types may be added.
      console.log("ignored", event.event_type);
  }
}

// It handles what it has received, and then ends.
let ended = false;
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => (ended = true));
}

while (!ended) {
  const received = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }));
  for (const { Body, ReceiptHandle } of received.Messages ?? []) {
    try {
      await handle(JSON.parse(Body));
    } catch (error) {
      // It is received again after a minute. What was received after it waits too, so that the events of a person stay in
      // order. After ten failures SQS moves it to the dead-letter queue.
      console.log("failed, and tried again:", error);
      break;
    }
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
}
