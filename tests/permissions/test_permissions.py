"""Each function has the permissions that it uses in the tests, and no other.

The local stack enforces the policies of template.yaml, so that a missing permission fails the test whose request is refused. It
also notes the permissions that requests need (tools/stack/permissions.py). What no test of a whole run has needed is given without a
reason, or is needed by code that no test runs. So this suite is the last one of `make test`.
"""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What CloudFormation names a resource: the stack, the logical ID, and 13 random characters.
PHYSICAL = re.compile(r"whatsapp-local-(\w+?)-[0-9A-Fa-f]{13}\b")
# With these, Lambda itself reads a queue and a stream on behalf of the function (AWS Lambda, "Using Lambda with Amazon SQS", "Using
# AWS Lambda with Amazon DynamoDB"). The emulator's reader needs none.
BY_QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
BY_STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
# AWSLambdaBasicExecutionRole, which SAM gives every function. Lambda itself writes the logs.
BY_LOGS = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
# What code needs only when something fails in a way that no test of the deployed functions causes each time.
AFTER_A_FAILURE = {
    # A message whose notification cannot be read or written comes again later: functions/send/src/requeue.rs.
    ("SendFunctionRole", "sqs:ChangeMessageVisibility"),
    # An upload that its deadline cuts off is removed: functions/store-media/tests.
    ("StoreMediaFunctionRole", "s3:AbortMultipartUpload"),
}
# What a function needs for an erased person who comes back, or is erased at the same moment: whichever function hears of them first
# makes them a person again, with the same code (shared/stores/src/contacts/erased.rs).
OF_ERASED_PEOPLE = {
    (f"{function}FunctionRole", action)
    for function in ("Status", "ApplyWebhooks", "Contacts", "Publish", "Reconcile")
    for action in ("dynamodb:DeleteItem", "dynamodb:ConditionCheckItem")
}


@pytest.fixture(scope="session")
def noted():
    """What the stacks of this run noted, as `(logical ID of the role, action, resource)` by fact."""
    found = {"granted": set(), "used": set()}
    for line in Path(os.environ["STACK_PERMISSIONS"]).read_text().splitlines():
        note = json.loads(line)
        role = PHYSICAL.sub(r"\1", note.pop("role"))
        ((fact, (action, resource)),) = note.items()
        found[fact].add((role, action, PHYSICAL.sub(r"\1", resource).split(":", 5)[-1]))
    return found


def functions():
    return re.findall(r"^  (\w+Function):$", (ROOT / "template.yaml").read_text(), re.MULTILINE)


def mappings():
    """`(logical ID of the role, text)` of each event source mapping."""
    for resource in re.split(r"\n  (?=\w)", (ROOT / "template.yaml").read_text()):
        if "Type: AWS::Lambda::EventSourceMapping" in resource:
            (function,) = re.findall(r"FunctionName: !Ref (\w+)", resource)
            yield f"{function}Role", resource


def is_used_by_lambda(role, action, resource):
    """Whether Lambda needs it to write the function's log, to read its queues and streams, or to set aside records of a stream."""
    if action in BY_LOGS:
        return True
    sources = [text for reader, text in mappings() if reader == role]
    if action in BY_STREAM and resource == "*":
        return any(".StreamArn" in text for text in sources)
    name = re.search(r"\w+$", resource.removesuffix(".fifo").split("/stream/")[0])
    named = [text for text in sources if name and f"!GetAtt {name[0]}." in text]
    if action == "sqs:SendMessage":
        return any(f"Destination: !GetAtt {name[0]}.Arn" in text for text in named)
    return bool(named) and action in BY_QUEUE | BY_STREAM


def test_every_function_made_a_request(noted):
    roles = {role for role, _, _ in noted["granted"]}
    assert [name for name in functions() if f"{name}Role" not in roles] == []


def test_every_permission_is_used(noted):
    unused = {one for one in noted["granted"] - noted["used"] if not is_used_by_lambda(*one)}
    assert sorted(one for one in unused if one[:2] not in AFTER_A_FAILURE | OF_ERASED_PEOPLE) == []
