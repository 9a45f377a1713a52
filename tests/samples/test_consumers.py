"""The sample consumers of the event bus, deployed beside the system: two of them, of which one fails."""

import json
import os
import time
import uuid

import boto3
import pytest

from play import DEADLINE, ROOT, Sandbox

pytestmark = pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")

TEMPLATE = (ROOT / "samples/consumers/consumer.yaml").read_text()
# The bus of the local stack.
BUS = "default"
MAX_RECEIVES = 3


class Consumer:
    """A deployed consumer of the events with these schemas."""

    def __init__(self, *schemas):
        self._stacks, self._sqs = boto3.client("cloudformation"), boto3.client("sqs")
        self._name = f"consumer-{uuid.uuid4().hex[:8]}"
        values = {"EventBusName": BUS, "Schemas": ",".join(schemas), "MaxReceives": str(MAX_RECEIVES)}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
        self._stacks.create_stack(StackName=self._name, TemplateBody=TEMPLATE, Parameters=parameters)
        self._stacks.get_waiter("stack_create_complete").wait(StackName=self._name, WaiterConfig={"Delay": 1})
        (stack,) = self._stacks.describe_stacks(StackName=self._name)["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        self.queue, self.dead_letters = outputs["QueueUrl"], outputs["DeadLetterQueueUrl"]

    def receive(self, queue):
        """(event, what acknowledges or refuses it): what is on the queue now."""
        answer = self._sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        return [(json.loads(message["Body"])["detail"], message["ReceiptHandle"]) for message in answer.get("Messages", [])]

    def handle(self):
        """Receives events and deletes them."""
        events = []
        for event, handle in self.receive(self.queue):
            self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=handle)
            events.append(event)
        return events

    def fail(self):
        """Receives events and processes none of them: they come again at once."""
        for _, handle in self.receive(self.queue):
            self._sqs.change_message_visibility(QueueUrl=self.queue, ReceiptHandle=handle, VisibilityTimeout=0)

    def remove(self):
        self._stacks.delete_stack(StackName=self._name)


@pytest.fixture
def consumers():
    made = []

    def make(*schemas):
        made.append(Consumer(*schemas))
        return made[-1]

    yield make
    for consumer in made:
        consumer.remove()


@pytest.fixture
def person():
    sandbox = Sandbox(os.environ["STACK_SANDBOX_URL"])
    address = sandbox.control("POST", "people", {"name": "Consumers"}).json()["address"]
    yield address, sandbox
    sandbox.control("DELETE", f"people/{address}")


def until(what, found):
    end = time.monotonic() + 4 * DEADLINE
    while not (result := found()):
        assert time.monotonic() < end, f"not seen: {what}"
        time.sleep(0.1)
    return result


def test_consumer_that_fails_holds_up_no_other(consumers, person):
    address, sandbox = person
    failing, working = consumers("twilio.inbound.v1"), consumers("twilio.inbound.v1", "contact.opted_out.v1")
    sandbox.write(address, "Where is my order?")
    sandbox.write(address, "STOP")
    is_of_person = lambda event: address in (event.get("from"), f"whatsapp:{event.get('contact')}")

    handled = []

    def has_handled_all():
        handled.extend(event for event in working.handle() if is_of_person(event))
        return len(handled) >= 3

    until("three events of the person", has_handled_all)
    assert sorted(event["event_type"] for event in handled) == ["contact_opted_out", "twilio_inbound", "twilio_inbound"]

    letters = []

    def has_given_up():
        failing.fail()
        letters.extend(event for event, _ in failing.receive(failing.dead_letters) if is_of_person(event))
        return len(letters) >= 2

    until("two dead letters", has_given_up)
    # The schema that it did not ask for is not among them.
    assert [event["event_type"] for event in letters] == ["twilio_inbound"] * 2
    assert not working.receive(working.dead_letters)
