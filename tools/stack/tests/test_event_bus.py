"""The limits of EventBridge, on buses of ministack without its server."""

import asyncio
import json
import unittest

from ministack import app
from ministack.services import eventbridge, sqs

from strict import event_bus
from support import call_sqs, restore_after

RULE = "arn:aws:events:us-east-1:000000000000:rule/every"


def call(action, **request):
    """A request to EventBridge. Returns the response, or the code of the refusal."""
    headers = {"x-amz-target": f"AWSEvents.{action}"}
    status, _, body = asyncio.run(eventbridge.handle_request("POST", "/", headers, json.dumps(request).encode(), {}))
    response = json.loads(body or "{}")
    return response if status == 200 else response["__type"].rpartition("#")[2]


def entry(detail='{"a": 1}', **more):
    return {"Source": "shop", "DetailType": "order", "Detail": detail, **more}


class EventBusTest(unittest.TestCase):
    def setUp(self):
        self.resources = {"AWS::Events::Rule": {"create": lambda *_: ("rule", {})}}
        restore_after(self, eventbridge)
        restore_after(self, app)
        self.addCleanup(sqs.reset)
        self.addCleanup(eventbridge.reset)
        app.AUTH = True
        event_bus.check_events(eventbridge)
        event_bus.rules_need_their_bus(eventbridge, self.resources)
        event_bus.deliver_by_queue_policies(eventbridge, sqs)

    def put(self, *entries):
        return call("PutEvents", Entries=list(entries))

    def codes(self, *entries):
        answer = self.put(*entries)
        codes = [result.get("ErrorCode") for result in answer["Entries"]]
        self.assertEqual(answer["FailedEntryCount"], len(codes) - codes.count(None))
        return codes

    def test_entries_together_are_smaller_than_a_megabyte(self):
        of_bytes = lambda size: entry(json.dumps({"a": "x" * (size - len("shoporder") - len('{"a": ""}'))}))
        self.assertEqual(self.codes(of_bytes(1_048_575)), [None])
        self.assertEqual(self.put(of_bytes(1_048_576)), "ValidationException")
        self.assertEqual(self.put(*[of_bytes(600_000)] * 2), "ValidationException")
        self.assertEqual(self.put(of_bytes(1_048_570) | {"Time": 1}), "ValidationException")

    def test_entry_that_is_no_event_fails_by_itself(self):
        entries = [entry(), entry("[]"), entry("{"), entry(Source=""), entry()]
        self.assertEqual(self.codes(*entries), [None, "MalformedDetail", "MalformedDetail", "InvalidArgument", None])
        numbers = [entry(json.dumps({"n": [number]})) for number in (2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 1e300)]
        self.assertEqual(self.codes(*numbers), [None, None, "MalformedDetail", "MalformedDetail", None])

    def test_event_for_a_missing_bus_is_accepted_and_dropped(self):
        self.assertEqual(self.codes(entry(EventBusName="missing")), [None])

    def test_rule_needs_its_bus(self):
        create = self.resources["AWS::Events::Rule"]["create"]
        create("Rule", {}, "stack")
        with self.assertRaisesRegex(ValueError, "Event bus shop does not exist"):
            create("Rule", {"EventBusName": "shop"}, "stack")
        call("CreateEventBus", Name="shop")
        create("Rule", {"EventBusName": "shop"}, "stack")
        call("PutRule", Name="every", EventBusName="shop", EventPattern='{"source": ["shop"]}')
        self.assertEqual(call("DeleteEventBus", Name="shop"), "ValidationException")

    def queue(self, name, allowed_rule=None):
        url = call_sqs(sqs, "CreateQueue", QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        if allowed_rule:
            statement = {
                "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": allowed_rule}},
            }
            only_over_tls = {
                "Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
            policy = json.dumps({"Version": "2012-10-17", "Statement": [only_over_tls, statement]})
            call_sqs(sqs, "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})
        return url, arn

    def received(self, url):
        return len(call_sqs(sqs, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))

    def test_rule_delivers_to_a_queue_that_allows_it(self):
        call("PutRule", Name="every", EventPattern='{"source": ["shop"]}')
        allowed, other, silent = self.queue("allowed", RULE), self.queue("other", RULE + "-2"), self.queue("silent")
        dead_letters = self.queue("dead-letters", RULE)
        targets = [
            {"Id": "1", "Arn": allowed[1]}, {"Id": "2", "Arn": other[1]},
            {"Id": "3", "Arn": silent[1], "DeadLetterConfig": {"Arn": dead_letters[1]}},
        ]
        call("PutTargets", Rule="every", Targets=targets)
        self.put(entry())
        queues = (allowed, other, silent, dead_letters)
        self.assertEqual([self.received(url) for url, _ in queues], [1, 0, 0, 1])
