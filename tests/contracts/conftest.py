"""What happened in the running system before the tests look at it."""

import json
import os
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import boto3
import pytest
import requests

from play import ACCOUNT_SID, AUTH_TOKEN, DEADLINE, Sandbox
from twilio_signature import signature


@dataclass(frozen=True)
class Story:
    """A person, and the notifications to the person by what became of them."""

    number: str
    delivered: str
    suppressed: str
    expired: str
    waiting: str
    # Delivered by e-mail.
    emailed: str
    # A message of the person.
    written: str


@pytest.fixture(scope="session")
def outputs():
    return json.loads(os.environ["STACK_OUTPUTS"])


@pytest.fixture(scope="session")
def story(outputs):
    """Makes the system publish an event of each schema, and store everything that a route can show."""
    sandbox, sqs = Sandbox(os.environ["STACK_SANDBOX_URL"]), boto3.client("sqs")
    person = sandbox.control("POST", "people", {"name": "Contracts"}).json()["address"]
    number, name = person.removeprefix("whatsapp:"), uuid.uuid4().hex
    content = {"type": "text", "body": "Hello"}
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()

    def sends(content_type, bytes_of_file):
        """The person sends a file."""
        url, headers = f"{sandbox.url}/sandbox/files", {"Content-Type": content_type}
        uploaded = requests.post(url, data=bytes_of_file, headers=headers, timeout=DEADLINE).json()
        sandbox.write(person, "Look", media=[{"url": uploaded["url"], "content_type": content_type}])

    def notify(what, **more):
        notification = {"id": f"{what}-{name}", "to": number, "category": "service", "content": content, **more}
        sqs.send_message(QueueUrl=outputs["OutboundQueueUrl"], MessageBody=json.dumps(notification))
        return notification["id"]

    post_signed({"AccountSid": ACCOUNT_SID, "EventType": name})
    written = sandbox.write(person, "Hello")["message_sid"]
    sandbox.write(person, CARD)
    sends("image/png", b"\x89PNG\r\n\x1a\n and the rest of a picture")
    sends("text/vcard", CARD.encode())
    sends("image/png", b"no picture")
    sandbox.misbehave({"kind": "fail", "code": 63003}, to=person)
    emailed = notify("emailed", fallback=[email(f"{name}@example.com")])
    wait_for("outcome", emailed, outputs)
    delivered = notify("delivered", metadata={"order": "18473"})
    expired = notify("expired", expires_at="2020-01-01T00:00:00Z")
    waiting = notify("waiting", send_at=tomorrow)
    for notification in (delivered, expired):
        wait_for("outcome", notification, outputs)
    wait_for("due_at", waiting, outputs)
    sandbox.write(person, "STOP")
    suppressed = notify("suppressed")
    wait_for("outcome", suppressed, outputs)
    sandbox.write(person, "START")
    return Story(number, delivered, suppressed, expired, waiting, emailed, written)


# What a person's phone makes of a contact.
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nTEL;type=CELL;waid=14155550199:+1 415 555 0199\r\nEND:VCARD\r\n"


def email(to):
    """The e-mail that a notification falls back to."""
    content = {"type": "email_template", "template_id": f"d-{1:032}", "variables": {"items": [{"name": "Tea", "price": 4.5}]}}
    return {"channel": "email", "to": to, "content": content}


def post_signed(form):
    """A form that Twilio signed."""
    url = f"{os.environ['STACK_API_URL']}/twilio/inbound"
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, url, form)}
    assert requests.post(url, data=form, headers=headers, timeout=DEADLINE).status_code == 200


def wait_for(attribute, notification, outputs):
    table = boto3.resource("dynamodb").Table(outputs["NotificationsTableName"])
    key = {"notification": f"{ACCOUNT_SID}#{notification}"}
    end = time.monotonic() + 4 * DEADLINE
    while attribute not in table.get_item(Key=key).get("Item", {}):
        assert time.monotonic() < end, f"{notification} has no {attribute}"
        time.sleep(0.2)
