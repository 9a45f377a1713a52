"""Recursive loops through queues, with ministack's poller of queues and a function that sends what it receives."""

import contextvars
import unittest

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, lambda_svc, sqs

from strict import chains
from support import call_sqs, restore_after

NAME = "repeats"


class ChainTest(unittest.TestCase):
    def setUp(self):
        for module in (sqs, lambda_svc, cloudwatch):
            restore_after(self, module, *([sqs._HANDLERS] if module is sqs else []))
        for state in (sqs._queues, sqs._queue_name_to_url, lambda_svc._esms, lambda_svc._functions):
            self.addCleanup(state.clear)
        self.metrics = []
        cloudwatch.record_metric = lambda *metric: self.metrics.append(metric)
        lambda_svc._dispatch_esm_batch = lambda _uuid, run, *arguments: run_in_context(run, *arguments)
        chains.keep_trace_headers(sqs)
        chains.stop_recursive_loops(lambda_svc, cloudwatch)
        self.dead_letters = self.queue("dead-letters")
        redrive = f'{{"deadLetterTargetArn": "{arn("dead-letters")}", "maxReceiveCount": 1}}'
        self.url = self.queue("loop", RedrivePolicy=redrive, VisibilityTimeout="0")
        self.function(NAME, "loop")
        self.headers = []
        lambda_svc._execute_function = self.execute

    def queue(self, name, **attributes):
        return call_sqs(sqs, "CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]

    def function(self, name, queue):
        function_arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
        config = {"FunctionName": name, "FunctionArn": function_arn}
        lambda_svc._functions[name] = {"config": config, "recursive_loop": None}
        mapping = {"UUID": name, "FunctionName": name, "EventSourceArn": arn(queue), "BatchSize": 10}
        lambda_svc._esms[name] = mapping

    def execute(self, function, event):
        """The function sends what it receives to its own queue, as the AWS SDK does: with the invocation's header."""
        header = lambda_svc._xray_trace_id_for_invocation(function["config"])
        self.headers.append(header)
        for record in event["Records"]:
            self.send(record["body"], header)
        return {"body": None}

    def send(self, body, header=None, url=None):
        headers = {"x-amzn-trace-id": header} if header else {}
        call_sqs(sqs, "SendMessage", headers, QueueUrl=url or self.url, MessageBody=body)

    def run_until_quiet(self, most=40):
        for count in range(most):
            if not lambda_svc._poll_sqs():
                return count
        return most

    def bodies_of_dead_letters(self):
        received = call_sqs(sqs, "ReceiveMessage", QueueUrl=self.dead_letters, MaxNumberOfMessages=10)
        return [message["Body"] for message in received.get("Messages", [])]

    def test_message_in_a_loop_is_dropped_after_sixteen_invocations(self):
        self.send("again")
        self.run_until_quiet()
        self.assertEqual(len(self.headers), 16)
        self.assertEqual(len({header.partition(";")[0] for header in self.headers}), 1, "one trace")
        self.assertEqual(self.bodies_of_dead_letters(), ["again"])
        dropped = ("AWS/Lambda", "RecursiveInvocationsDropped", 1, "Count", {"FunctionName": NAME})
        self.assertEqual(self.metrics, [dropped])

    def test_allowed_loop_goes_on(self):
        lambda_svc._functions[NAME]["recursive_loop"] = "Allow"
        self.send("again")
        self.assertEqual(self.run_until_quiet(most=40), 40)
        self.assertEqual((len(self.headers), self.metrics), (40, []))

    def test_batch_continues_its_longest_chain(self):
        self.send("old")
        for _ in range(8):
            lambda_svc._poll_sqs()
        self.send("new", chains.continued(None, lambda_svc._functions[NAME]["config"]["FunctionArn"], False))
        self.run_until_quiet()
        self.assertEqual(len(self.headers), 16)
        self.assertEqual(sorted(self.bodies_of_dead_letters()), ["new", "old"])

    def test_message_without_a_header_begins_a_chain(self):
        for number in range(20):
            self.send(str(number))
            lambda_svc._execute_function = lambda function, _: self.headers.append(
                lambda_svc._xray_trace_id_for_invocation(function["config"])) or {"body": None}
            lambda_svc._poll_sqs()
        self.assertEqual({sum(chains.invocations(header).values()) for header in self.headers}, {1})
        self.assertEqual(len(self.headers), 20)

    def test_loop_through_two_functions_is_counted_for_each(self):
        other = self.queue("other", VisibilityTimeout="0")
        self.function("second", "other")

        def execute(function, event):
            header = lambda_svc._xray_trace_id_for_invocation(function["config"])
            self.headers.append(header)
            self.send("again", header, other if function["config"]["FunctionName"] == NAME else self.url)
            return {"body": None}

        lambda_svc._execute_function = execute
        self.send("again")
        self.run_until_quiet()
        self.assertEqual(len(self.headers), 32)

    def test_attribute_of_the_message_takes_precedence(self):
        own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-0-0"}}
        call_sqs(sqs, "SendMessage", {"x-amzn-trace-id": "Root=1-9-9"}, QueueUrl=self.url, MessageBody="a",
                 MessageSystemAttributes=own)
        names = {"MessageSystemAttributeNames": ["AWSTraceHeader"]}
        received = call_sqs(sqs, "ReceiveMessage", QueueUrl=self.url, VisibilityTimeout=9, **names)
        self.assertEqual(received["Messages"][0]["Attributes"], {"AWSTraceHeader": "Root=1-0-0"})


class TemplateTest(unittest.TestCase):
    def test_template_sets_what_happens_to_a_loop(self):
        service = type("Service", (), {"_functions": {"name": {}}})
        function = {"create": lambda *_: ("name", {}), "update": lambda *_, logical_id=None: ("name", {})}
        chains.set_recursive_loop_by_template({"AWS::Lambda::Function": function}, service)
        function["create"]("Function", {"RecursiveLoop": "Allow"}, "stack")
        self.assertEqual(chains.recursive_loop(service, "name"), "Allow")
        function["update"]("name", {}, {}, "stack", logical_id="Function")
        self.assertEqual(chains.recursive_loop(service, "name"), "Terminate")


def arn(queue):
    return f"arn:aws:sqs:{get_region()}:{get_account_id()}:{queue}"


def run_in_context(run, *arguments):
    """As ministack does it, but without a thread."""
    contextvars.copy_context().run(run, *arguments)


if __name__ == "__main__":
    unittest.main()
