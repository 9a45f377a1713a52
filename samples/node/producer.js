// Puts a notification on the queue: `CONTENT_SID=HX... node producer.js +14155550123 18473`.
//
// OUTBOUND_QUEUE_URL is an output of the stack, CONTENT_SID a template of the Twilio account.

import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";

const sqs = new SQSClient();

// If this rejects, the notification may be on the queue or not: call it again with the same id, which is sent once.
async function notify(notification) {
  const message = { QueueUrl: process.env.OUTBOUND_QUEUE_URL, MessageBody: JSON.stringify(notification) };
  await sqs.send(new SendMessageCommand(message));
}

async function orderShipped(to, order) {
  await notify({
    // Says what the message is about, so that a repetition has the same id.
    id: `order-${order}-shipped`,
    to,
    category: "utility",
    content: { type: "template", content_sid: process.env.CONTENT_SID, variables: { 1: "Ava", 2: order } },
    metadata: { order },
  });
}

const [to, order] = process.argv.slice(2);
await orderShipped(to, order);
