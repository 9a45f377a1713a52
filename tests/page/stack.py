"""The running stack, as `stack exec` describes it in the environment."""

import json
import os
import uuid

import boto3

from play import Sandbox


class Stack(Sandbox):
    def __init__(self) -> None:
        super().__init__(os.environ["STACK_SANDBOX_URL"])
        self._queue_url = json.loads(os.environ["STACK_OUTPUTS"])["OutboundQueueUrl"]
        # The endpoint and keys are the emulator's, from AWS's standard variables.
        self._queues = boto3.client("sqs")

    def notify(self, number: str, content: dict, **more: object) -> str:
        """Puts a notification on the queue, with a new id if none is given. Returns the id."""
        usual = {"id": f"page-{uuid.uuid4()}", "category": "utility"}
        notification = {**usual, "to": number, "content": content, **more}
        self._queues.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(notification))
        return notification["id"]

    def add_person(self, name: str) -> str:
        """Adds a person with a new number. Returns the number."""
        return self.control("POST", "people", {"name": name}).json()["address"].removeprefix("whatsapp:")


def text(body: str) -> dict:
    return {"type": "text", "body": body}

