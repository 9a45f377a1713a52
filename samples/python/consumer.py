"""Receives the events of the system, until SIGTERM or Ctrl-C. EVENTS_QUEUE_URL is an output of the stack."""

import json
import os
import signal

import boto3

sqs = boto3.client("sqs")
queue = os.environ["EVENTS_QUEUE_URL"]
ended = False


def handle(event):
    """An event may come twice, with the same event_id: store that with what you do, and skip an id that is stored."""
    match event["event_type"]:
        case "twilio_inbound":
            print("message", event["from"], event["body"], flush=True)
        case "twilio_status":
            print("status", event["notification_id"], event["status"], flush=True)
        case "notification_failed" | "notification_suppressed":
            print("not sent", event["notification_id"], event["outcome"], event["reason"], flush=True)
        case "contact_opted_out" | "contact_opted_in" | "contact_consent" as change:
            print(change, event["contact"], flush=True)
        case unknown:
            # New types may be added.
            print("ignored", unknown, flush=True)


def end(_signal, _frame):
    """Lets the consumer handle what it has received, and then end."""
    global ended
    ended = True


signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
while not ended:
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
    for message in received.get("Messages", []):
        try:
            handle(json.loads(message["Body"]))
        except Exception as error:
            # It is received again after a minute. What was received after it waits too, so that the events of a person stay in
            # order. After ten failures SQS moves it to the dead-letter queue.
            print("failed, and tried again:", repr(error), flush=True)
            break
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
