"""Lets the requests of functions to AWS fail, as a test asks: with errors, late, or without an answer.

A fault is for a permission: one action on one resource that a policy of a function's role allows. The policies of the template are
complete and have nothing that is not used (tests/permissions), so a new call of the code is a new permission, and thus a new row of
the test's matrix. Requests by signed links are made by those who have the link, and never fail here.

Sources of the responses: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB"; Amazon SQS API Reference, "Common errors" and
"SendMessageBatch"; Amazon S3 API Reference, "Error responses"; AWS Secrets Manager API Reference, "Common errors"; Amazon EventBridge
API Reference, "PutEvents" and "Common errors".
"""

import asyncio
import json
import random
from collections import Counter, defaultdict
from contextvars import ContextVar

from permissions import matches
from strict.conflicts import CONFLICT, cancelled

# The action by which the administrator plans faults. AWS has no such action, so no function has this permission.
PLAN = "LocalFaults"
# Seconds. The functions give an attempt 1.3 s (shared/src/aws.rs), and a webhook 3 s.
SLOW = 0.9
TOO_LATE = 2.0

# What happens to a request that is not executed.
BEFORE = {"throttled", "failed", "reset", "hangs", "conflict"}
# What happens to the answer of one that is.
AFTER = {"slow", "late", "lost", "failed_after", "half"}
# A batch is executed without its last entry.
PARTIAL = "partial"
CONFLICTING = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "TransactGetItems"}
BATCHES = {"SendMessageBatch", "PutEvents"}

CODES = {
    "dynamodb": ("ProvisionedThroughputExceededException", "InternalServerError"),
    "sqs": ("RequestThrottled", "InternalError"),
    "s3": ("SlowDown", "InternalError"),
    "secretsmanager": ("ThrottlingException", "InternalServiceError"),
    "events": ("ThrottlingException", "InternalException"),
}
OTHER_CODES = ("ThrottlingException", "InternalFailure")


class Abandoned(BaseException):
    """The connection ends without the rest of the answer. Not an `Exception`, because ministack makes an answer of those."""


class Request:
    """A request that is handled: the rows of the matrix that it belongs to, and the fault of its answer."""

    def __init__(self):
        self.rows = set()
        self.is_cut = False


current = ContextVar("current", default=None)


class Faults:
    """The planned faults, and those that were injected."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb
        self.kind = None
        self.left = defaultdict(int)
        self.share = 0.0
        self.random = random.Random()
        self.granted, self.used, self.by_link, self.injected = set(), set(), set(), Counter()

    def follow(self, ministack, iam_evaluator):
        """Finds the rows of each request, and handles requests with their faults."""
        evaluate = iam_evaluator.evaluate

        def evaluate_and_note(context, policies, *limits):
            result = evaluate(context, policies, *limits)
            request = current.get()
            if request and context.principal_type == "AssumedRole" and result.decision == "Allow":
                self.note(request, iam_evaluator, context, policies)
            return result

        iam_evaluator.evaluate = evaluate_and_note
        for service, handler in list(ministack.SERVICE_HANDLERS.items()):
            ministack.SERVICE_HANDLERS[service] = self.handler(service, handler)

    def note(self, request, iam_evaluator, context, policies):
        role = context.principal_arn.split("/")[1]
        for statement in (statement for policy in policies for statement in policy if statement.effect == "Allow"):
            for row in ((role, action, resource) for action in statement.actions for resource in statement.resources):
                self.granted.add(row)
                if matches(iam_evaluator, context, *row[1:]):
                    request.rows.add(row)

    def handler(self, service, handle):
        async def handle_with_fault(method, path, headers, body, query_params):
            request = current.get()
            if service == "dynamodb" and headers.get("x-amz-target", "").endswith("." + PLAN):
                return self.plan(json.loads(body))
            if not request or not request.rows:
                return await handle(method, path, headers, body, query_params)
            operation = headers.get("x-amz-target", "").rpartition(".")[2] or method
            if "X-Amz-Signature" in query_params:
                self.by_link |= request.rows
                return await handle(method, path, headers, body, query_params)
            self.used |= request.rows
            execute = lambda sent=body: handle(method, path, headers, sent, query_params)
            if not self.is_due(request, operation):
                return await execute()
            return await self.inject(request, service, operation, body, execute)

        return handle_with_fault

    def plan(self, data):
        """Plans one kind of fault for the next `Calls` requests of each row, and afterwards for a `Share` of them; or none. Returns
        what is known so far."""
        if "Kind" in data:
            self.kind = data["Kind"]
            if self.kind not in BEFORE | AFTER | {PARTIAL, None}:
                return self.dynamodb.error_response_json("ValidationException", f"no fault: {self.kind}", 400)
            self.left = defaultdict(lambda: int(data.get("Calls", 1)))
            self.share = float(data.get("Share", 0))
            self.random.seed(data.get("Seed"))
        return self.dynamodb.json_response({
            "Granted": sorted(self.granted), "Used": sorted(self.used), "ByLink": sorted(self.by_link),
            "Injected": [{"Row": row, "Operation": operation, "Kind": kind, "Calls": calls}
                         for (row, operation, kind), calls in sorted(self.injected.items())],
        })

    def is_due(self, request, operation):
        if self.kind is None or not fits(self.kind, operation):
            return False
        due = any(self.left[row] > 0 for row in request.rows) or self.random.random() < self.share
        for row in request.rows if due else ():
            self.left[row] -= 1
            self.injected[row, operation, self.kind] += 1
        return due

    async def inject(self, request, service, operation, body, execute):
        kind = self.kind
        if kind == PARTIAL:
            return await without_last(service, json.loads(body), execute)
        if kind in BEFORE:
            return await answer_before(kind, service, operation, body)
        status, headers, answer = await execute()
        if kind == "lost":
            raise Abandoned
        if kind == "failed_after":
            return error(service, kind)
        if kind in ("slow", "late"):
            await asyncio.sleep(SLOW if kind == "slow" else TOO_LATE)
        request.is_cut = kind == "half"
        return status, headers, answer

    async def serve(self, app, scope, receive, send):
        """Serves a request by ministack's application, and ends the connection where the fault says so."""
        request = Request()
        token = current.set(request)

        async def send_or_cut(message):
            if request.is_cut and message["type"] == "http.response.body":
                await send({**message, "body": message.get("body", b"")[: len(message.get("body", b"")) // 2], "more_body": True})
                raise Abandoned
            await send(message)

        try:
            await app(scope, receive, send_or_cut)
        except Abandoned:
            scope["extensions"]["abandoned"] = True
        finally:
            current.reset(token)


def fits(kind, operation):
    """Whether AWS has such a fault for such an operation."""
    if kind == "conflict":
        return operation in CONFLICTING
    return kind != PARTIAL or operation in BATCHES


async def answer_before(kind, service, operation, body):
    if kind == "hangs":
        await asyncio.sleep(TOO_LATE)
    if kind in ("hangs", "reset"):
        raise Abandoned
    if kind != "conflict":
        return error(service, kind)
    members = json.loads(body).get("TransactItems")
    if members is None:
        return json_error("TransactionConflictException", 400, CONFLICT)
    reasons = [{"Code": "None"} for _ in members]
    reasons[-1] = {"Code": "TransactionConflict", "Message": CONFLICT}
    return cancelled(reasons)


def error(service, kind):
    code = CODES.get(service, OTHER_CODES)[kind != "throttled"]
    if service == "s3":
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>planned</Message></Error>'
        return 503 if kind == "throttled" else 500, {"Content-Type": "application/xml"}, text.encode()
    return json_error(code, 400 if kind == "throttled" else 500, "planned by a test")


def json_error(code, status, message):
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-errortype": code}
    return status, headers, json.dumps({"__type": code, "message": message}).encode()


async def without_last(service, data, execute):
    """Executes a batch without its last entry, which the answer says is to be sent again."""
    *entries, last = data["Entries"]
    answer = {"Successful": [], "Failed": []} if service == "sqs" else {"Entries": [], "FailedEntryCount": 0}
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    if entries:
        status, headers, body = await execute(json.dumps({**data, "Entries": entries}).encode())
        if status != 200:
            return status, headers, body
        answer |= json.loads(body)
    if service == "sqs":
        failed = {"Id": last["Id"], "Code": "InternalError", "Message": "planned by a test", "SenderFault": False}
        answer["Failed"] = [*(answer.get("Failed") or []), failed]
    else:
        answer["Entries"].append({"ErrorCode": "InternalFailure", "ErrorMessage": "planned by a test"})
        answer["FailedEntryCount"] = answer.get("FailedEntryCount", 0) + 1
    return 200, headers, json.dumps(answer).encode()


def abandon_connections(http_stream):
    """Ends a connection without an answer where `serve` says so: hypercorn would answer with status 500."""
    send = http_stream.HTTPStream.app_send

    async def send_or_abandon(stream, message):
        if message is None and stream.scope["extensions"].get("abandoned"):
            stream.state = http_stream.ASGIHTTPState.CLOSED
        await send(stream, message)

    http_stream.HTTPStream.app_send = send_or_abandon
