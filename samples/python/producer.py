"""Puts a notification on the queue: `CONTENT_SID=HX... python producer.py +14155550123 18473`.

OUTBOUND_QUEUE_URL is an output of the stack, CONTENT_SID a template of the Twilio account.
"""

import json
import os
import sys

import boto3

sqs = boto3.client("sqs")


def notify(notification):
    """If this raises, the notification may be on the queue or not: call it again with the same id, which is sent once."""
    sqs.send_message(QueueUrl=os.environ["OUTBOUND_QUEUE_URL"], MessageBody=json.dumps(notification))


def order_shipped(to, order):
    notify({
        # Says what the message is about, so that a repetition has the same id.
        "id": f"order-{order}-shipped",
        "to": to,
        "category": "utility",
        "content": {
            "type": "template",
            "content_sid": os.environ["CONTENT_SID"],
            "variables": {"1": "Ava", "2": order},
        },
        "metadata": {"order": order},
    })


if __name__ == "__main__":
    order_shipped(*sys.argv[1:])
