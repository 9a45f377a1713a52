"""The costs of docs/costs.md: the arithmetic of the table, and its counted units against what the running system uses."""

import csv
import json
import math
import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from play import DEADLINE, ORDER_UPDATE, ROOT, Sandbox

DOCUMENT = (ROOT / "docs/costs.md").read_text()
# The prices with which `wa` computes.
PRICES = ROOT / "tools/wa/src/prices/aws.csv"
TEMPLATE = (ROOT / "template.yaml").read_text()
MESSAGES = 5
ATTEMPTS = 3
# People who write and are written to at the same time, as many as the local stack carries in some seconds.
CONVERSATIONS = 40
CONCURRENT_REQUESTS = 8
# One inbound message and four statuses.
EVENTS_OF_CONVERSATION = 5
# What SQS gives and takes in one request.
BATCH = 10
# A second, of one WhatsApp sender.
CONVERSATION_RATE = 80
# Of the stream of a new table.
SHARDS = 4
# In USD.
MILLION_CONVERSATIONS_AT_MOST = 25
UNKNOWN_TEMPLATE = "a template is sent that the registry does not know"
# Run by the clock and not for a message.
NOT_COUNTED = ("ReconcileFunction", "ReleaseFunction", "TemplateSyncFunction")
# Each process reads these tables by their age: an item each 20 to 30 seconds, and not for each message.
READ_BY_AGE = ("-TenantsTable-", "-TemplatesTable-")


def rows(heading):
    """The rows of the table with this heading, without the heading."""
    _, table = DOCUMENT.split(f"| {heading} |", 1)
    lines = table.split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: lines.index("")]]


def number(cell):
    return float(re.sub(r"[*,]", "", cell).split()[0])


def of_messages():
    """Unit: (for a sent message, for an inbound one)."""
    return {row[0]: (number(row[1]), number(row[2])) for row in rows("unit") if not row[0].startswith("**")}


def test_documented_units_and_prices_are_those_of_wa():
    with PRICES.open(newline="") as file:
        known = [[row[name] for name in ("unit", "sent", "inbound", "price")] for row in csv.DictReader(file)]
    documented = [[name, *cells[:3]] for name, *cells in rows("unit")[:-1]]
    assert [[name, *map(number, cells)] for name, *cells in documented] == [[name, *map(float, cells)] for name, *cells in known]


def test_costs_of_messages_are_units_times_prices():
    *units, total = rows("unit")
    sums = [0.0, 0.0]
    for name, sent, received, price, *costs in units:
        for place, (amount, cost) in enumerate(zip((sent, received), costs, strict=True)):
            expected = number(amount) * number(price)
            assert number(cost) == pytest.approx(expected, abs=0.006), name
            sums[place] += expected
    assert [number(cell) for cell in total[4:]] == pytest.approx(sums, abs=0.06)


def of_conversation():
    """Unit: amount."""
    return {row[0]: number(row[1]) for row in rows("part") if not row[0].startswith("**")}


def test_million_conversations_cost_at_most_their_limit():
    *units, total = rows("part")
    prices = {name: number(price) for name, _, _, price, *_ in rows("unit")[:-1]}
    assert {name: number(price) for name, _, price, _ in units} == prices
    expected = [number(amount) * number(price) for _, amount, price, _ in units]
    assert [number(cost) for *_, cost in units] == pytest.approx(expected, abs=0.006)
    assert number(total[-1]) == pytest.approx(sum(expected), abs=0.06)
    assert sum(expected) <= MILLION_CONVERSATIONS_AT_MOST


def test_conversation_has_the_units_of_its_messages():
    amounts, messages = of_conversation(), of_messages()
    for name in ("write units of DynamoDB", "read units of DynamoDB", "requests of the API"):
        assert amounts[name] == pytest.approx(sum(messages[name])), name


def test_batches_of_conversations_are_as_large_as_the_template_makes_them():
    amounts = of_conversation()
    publish = TEMPLATE.partition("\n  PublishFunction:")[2]
    (window,) = set(re.findall(r"MaximumBatchingWindowInSeconds: (\d+)\n[^-]*?ParallelizationFactor", publish))
    (factor,) = set(re.findall(r"ParallelizationFactor: (\d+)", publish))
    objects = SHARDS * int(factor) / int(window) / CONVERSATION_RATE
    assert amounts["objects written to S3"] == pytest.approx(objects)
    assert amounts["requests of Lambda"] == pytest.approx(amounts["requests of the API"] + 1 / BATCH + objects)
    sent = math.ceil(EVENTS_OF_CONVERSATION / objects / BATCH) * objects
    assert amounts["requests to the events queue"] == pytest.approx(sent + 2 * EVENTS_OF_CONVERSATION / BATCH)
    assert amounts["requests to the notification queues"] == pytest.approx(1 + 2 / BATCH)


def test_costs_of_an_idle_month_are_units_times_prices():
    *units, total = rows("each month")
    expected = [number(amount) * number(price) for _, amount, price, _ in units]
    assert [number(cost) for *_, cost in units] == pytest.approx(expected, abs=0.006)
    assert number(total[-1]) == pytest.approx(sum(expected), abs=0.02)


def test_idle_month_has_what_the_template_has():
    amounts = {row[0]: number(row[1]) for row in rows("each month")[:-1]}
    assert amounts["alarms"] == TEMPLATE.count("Type: AWS::CloudWatch::Alarm\n")
    # Those of functions that run by the clock. The others have a value only when something happens.
    by_clock = "|".join(name.replace("Function", "LogGroup") for name in NOT_COUNTED)
    of_runs = rf"LogGroupName: !Ref (?:{by_clock})\n.*\n.*\n.*MetricName: (\w+), MetricValue: \$"
    assert amounts["metrics that always have a value"] == len(set(re.findall(of_runs, TEMPLATE)))
    assert amounts["dashboards"] == TEMPLATE.count("Type: AWS::CloudWatch::Dashboard\n")
    assert amounts["secrets"] == 2
    minutes = 30 * 24 * 60
    runs = minutes + 2 * minutes / 5
    assert amounts["runs of `release`, `reconcile` and `template-sync`"] * 1_000_000 == pytest.approx(runs, rel=0.01)


class Counters:
    """What the functions have used since the system was started."""

    def __init__(self):
        self._session = boto3.Session()
        self._logs, self._sqs = self._session.client("logs"), self._session.client("sqs")
        self._s3 = self._session.client("s3")
        self._outputs = json.loads(os.environ["STACK_OUTPUTS"])
        self._begin = int(time.time() * 1000)

    def units(self):
        """The emulator's own action, which AWS does not have."""
        headers = {"X-Amz-Target": "DynamoDB_20120810.LocalConsumedCapacity"}
        request = AWSRequest("POST", f"{os.environ['AWS_ENDPOINT_URL']}/", data="{}", headers=headers)
        SigV4Auth(self._session.get_credentials(), "dynamodb", os.environ["AWS_REGION"]).add_auth(request)
        answer = requests.post(request.url, data="{}", headers=dict(request.headers), timeout=DEADLINE)
        answer.raise_for_status()
        counted = [each for each in answer.json()["Consumed"] if "Function-" in each["caller"]]
        counted = [each for each in counted if not any(name in each["caller"] for name in NOT_COUNTED)]
        of_messages = [each for each in counted if not any(name in each["table"] for name in READ_BY_AGE)]
        return sum(each["write"] for each in counted), sum(each["read"] for each in of_messages)

    def requests(self):
        """The lines of the API's access log since the counters were made."""
        group = next(name for name in self.log_groups() if name.endswith("/api"))
        counted = 0
        for stream in self._logs.describe_log_streams(logGroupName=group)["logStreams"]:
            page = self._logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startTime=self._begin, startFromHead=True,
            )
            counted += len(page["events"])
        return counted

    def log_groups(self):
        groups = self._logs.describe_log_groups()["logGroups"]
        by_clock = ("ReconcileLogGroup", "ReleaseLogGroup", "TemplateSyncLogGroup")
        return {each["logGroupName"]: each["storedBytes"] for each in groups if not each["logGroupName"].endswith(by_clock)}

    def of_unknown_templates(self):
        """The bytes of a line for each message, which a stack logs until it has first read Twilio's list of templates."""
        group = next(name for name in self.log_groups() if name.endswith("SendLogGroup"))
        counted = 0
        for stream in self._logs.describe_log_streams(logGroupName=group)["logStreams"]:
            place, token = {"logGroupName": group, "logStreamName": stream["logStreamName"], "startFromHead": True}, None
            while (page := self._logs.get_log_events(**place))["nextForwardToken"] != token:
                counted += sum(len(event["message"]) for event in page["events"] if UNKNOWN_TEMPLATE in event["message"])
                token = place["nextToken"] = page["nextForwardToken"]
        return counted

    def read(self):
        write, read = self.units()
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._outputs["ArchiveBucketName"])
        return {
            "write units of DynamoDB": write, "read units of DynamoDB": read, "requests of the API": self.requests(),
            "objects written to S3": sum(page.get("KeyCount", 0) for page in pages),
            "GB of logs": (sum(self.log_groups().values()) - self.of_unknown_templates()) / 1e9,
        }

    def quiet(self):
        """The counters as soon as the functions have nothing left to do."""
        last, end = None, time.monotonic() + 4 * DEADLINE
        while (now := self.read()) != last:
            assert time.monotonic() < end, "the functions do not stop to use the tables"
            last = now
            time.sleep(3)
        return now

    def receive(self, person, number):
        """Receives this number of events of a person, and those of others that come before."""
        self.receive_of([person], number)

    def receive_of(self, people, number):
        queue, end = self._outputs["EventsQueueUrl"], time.monotonic() + DEADLINE
        while number > 0:
            assert time.monotonic() < end, f"{number} events are missing"
            received = self._sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in received.get("Messages", []):
                self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                number -= any(person in message["Body"] for person in people)

    def forget_events(self):
        self._sqs.purge_queue(QueueUrl=self._outputs["EventsQueueUrl"])

    def notify(self, person):
        notification = {
            "id": f"order-{uuid.uuid4().hex[:12]}-shipped", "to": person.removeprefix("whatsapp:"), "category": "utility",
            "content": {"type": "template", "content_sid": ORDER_UPDATE, "variables": {"1": "Ava", "2": "18473"}},
            "metadata": {"order": "18473"},
        }
        self._sqs.send_message(QueueUrl=self._outputs["OutboundQueueUrl"], MessageBody=json.dumps(notification))


@pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")
def test_counted_units_are_the_documented_ones():
    counters, sandbox = Counters(), Sandbox(os.environ["STACK_SANDBOX_URL"])
    people = [sandbox.control("POST", "people", {"name": f"Costs {n}"}).json()["address"] for n in range(MESSAGES)]
    for person in people:
        sandbox.write(person, "Hello")
    documented = of_messages()
    # Of a sent message and of an inbound one: what to do, how many events it has, and how often `send` runs.
    kinds = (
        (counters.notify, 4, 1),
        (lambda person: sandbox.write(person, "Where is my order?"), 1, 0),
    )
    for place, (act, events, sends) in enumerate(kinds):
        # What earlier tests have left to do may be counted too, but not each time.
        for attempt in range(ATTEMPTS):
            used = units_of(counters, people, act, events, sends)
            wrong = [
                f"{name}: {amount}, documented {documented[name][place]}" for name, amount in used.items()
                if not 0.7 * documented[name][place] <= amount <= 1.05 * documented[name][place]
            ]
            if not wrong:
                break
        assert not wrong, f"in each of {attempt + 1} attempts: {wrong}"
    for person in people:
        sandbox.control("DELETE", f"people/{person}")


def units_of(counters, people, act, events, sends):
    """What a message uses, if one follows after the other: a function that handles several at once uses less."""
    before = counters.quiet()
    counters.forget_events()
    for person in people:
        act(person)
        counters.receive(person.removeprefix("whatsapp:"), events)
    after = counters.quiet()
    used = {name: (after[name] - before[name]) / MESSAGES for name in after}
    # An event is sent, received and deleted.
    used["requests to the events queue"] = 3 * events
    # Each request of the API runs a function, and each batch of `publish` writes an object.
    used["requests of Lambda"] = used["requests of the API"] + used["objects written to S3"] + sends
    return used


@pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")
def test_counted_units_of_conversations_are_as_documented():
    counters, sandbox = Counters(), Sandbox(os.environ["STACK_SANDBOX_URL"])
    people = [sandbox.control("POST", "people", {"name": f"Costs {n}"}).json()["address"] for n in range(CONVERSATIONS)]
    for person in people:
        sandbox.write(person, "Hello")
    documented = of_conversation()
    for attempt in range(ATTEMPTS):
        used = units_of_conversations(counters, sandbox, people)
        wrong = [
            f"{name}: {amount}, documented {documented[name]}" for name, amount in used.items()
            if amount > 1.05 * documented[name]
        ]
        if not wrong:
            break
    assert not wrong, f"in each of {attempt + 1} attempts: {wrong}"
    for person in people:
        sandbox.control("DELETE", f"people/{person}")


def units_of_conversations(counters, sandbox, people):
    """What a conversation uses while others go on: a person writes, and is sent a message with four statuses."""
    before = counters.quiet()
    counters.forget_events()
    numbers = [person.removeprefix("whatsapp:") for person in people]
    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
        list(pool.map(lambda person: sandbox.write(person, "Where is my order?"), people))
        counters.receive_of(numbers, len(people))
        list(pool.map(counters.notify, people))
    counters.receive_of(numbers, (EVENTS_OF_CONVERSATION - 1) * len(people))
    after = counters.quiet()
    # How large batches are, and how often functions compete for an item, depends on the machine.
    counted = ("requests of the API", "GB of logs")
    return {name: (after[name] - before[name]) / len(people) for name in counted}
