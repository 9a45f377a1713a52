"""Refuses requests to DynamoDB for which AWS would have a reason that no request in a test can bring about.

A table that is too slow for its traffic, a hot key and an index that lags behind do not exist in an emulator, and a conflict
depends on chance. A test asks for them here, for the requests that it names. The sources of the responses: Amazon DynamoDB API
Reference, "TransactWriteItems" (the reasons of a cancelled transaction) and "BatchGetItem" (UnprocessedKeys); Amazon DynamoDB
Developer Guide, "Error handling with DynamoDB", and "Using Global Secondary Indexes in DynamoDB" (a write is refused if the index
that it changes is too slow).
"""

import itertools
import json
from dataclasses import dataclass

from .conflicts import CONFLICT, cancelled
from .statements import execute_without
from .writes import writes_of

# The action by which the administrator adds a refusal. AWS has no such action, so no function has this permission.
REFUSE = "LocalRefuse"
TOO_FAST = "The level of configured provisioned throughput for the table was exceeded. " \
    "Consider increasing your provisioning level with the UpdateTable API."
TOO_FAST_FOR_INDEX = "The level of configured provisioned throughput for one or more global secondary indexes of the table was " \
    "exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the " \
    "UpdateTable API."
CONFLICTING = "TransactionConflict"
THROTTLED = "ProvisionedThroughputExceeded"
UNPROCESSED = "UnprocessedKeys"
CONFLICTING_OPERATIONS = {
    "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "TransactGetItems", "BatchExecuteStatement",
}


@dataclass
class Refusal:
    """What is refused: the next `left` requests that have everything that is given here."""

    reason: str
    left: int
    operation: str | None
    table: str | None
    index: str | None
    # A text in the request, such as a key's value.
    text: str | None

    @staticmethod
    def of(data):
        reason = data["Reason"]
        if reason not in (CONFLICTING, THROTTLED, UNPROCESSED):
            raise ValueError(reason)
        optional = (data.get(name) for name in ("Operation", "TableName", "IndexName", "Contains"))
        return Refusal(reason, int(data.get("Requests", 1)), *optional)

    def matches(self, dynamodb, action, data):
        """Whether a request is refused."""
        if not self.left or self.operation not in (None, action) or not self.fits(action):
            return False
        if self.text and self.text not in json.dumps(data, ensure_ascii=False):
            return False
        return any(self.members(dynamodb, action, data))

    def fits(self, action):
        """Whether DynamoDB refuses such an operation for the reason."""
        if self.reason == UNPROCESSED:
            return action == "BatchGetItem"
        return self.reason == THROTTLED or action in CONFLICTING_OPERATIONS

    def members(self, dynamodb, action, data):
        """For each write, or each table that is read: whether the refusal concerns it."""
        if action in ("GetItem", "Query", "Scan"):
            return [self.table in (None, data.get("TableName")) and self.index in (None, data.get("IndexName"))]
        if writes := writes_of(dynamodb, action, data):
            return [self.concerns(dynamodb, write) for write in writes]
        gets = [member.get("Get", {}).get("TableName") for member in data.get("TransactItems") or []]
        return [self.index is None and self.table in (None, name) for name in gets or data.get("RequestItems") or []]

    def concerns(self, dynamodb, write):
        if self.table not in (None, write.request.get("TableName")):
            return False
        if self.index is None or write.identity is None:
            return self.index is None
        if write.kind == "Statement":
            # What it changes is not evaluated.
            return True
        indexes = write.table.get("GlobalSecondaryIndexes") or []
        after = None if write.kind == "Delete" else write.intended()
        changes = lambda index: dynamodb._index_write_units(write.table, index, write.before, after)
        return any(index["IndexName"] == self.index and changes(index) for index in indexes)


class Refusals:
    """The refusals that tests have asked for."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb
        self.refusals = {}
        self.numbers = itertools.count(1)

    def change(self, data):
        """Adds a refusal and returns its number, or ends the one with this number and returns how many requests are left that it
        did not refuse."""
        if number := data.get("Number"):
            ended = self.refusals.pop(number, None)
            return self.dynamodb.json_response({"Left": ended.left if ended else 0})
        number = next(self.numbers)
        try:
            self.refusals[number] = Refusal.of(data)
        except (KeyError, ValueError) as error:
            message = f"a refusal without a known reason: {error}"
            return self.dynamodb.error_response_json("ValidationException", message, 400)
        return self.dynamodb.json_response({"Number": number})

    async def execute(self, action, data, execute):
        """Executes a request, or returns the response that refuses it. `execute` gets the request to execute."""
        found = (one for one in self.refusals.values() if one.matches(self.dynamodb, action, data))
        refusal = next(found, None)
        if refusal is None:
            return await execute(data)
        refusal.left -= 1
        if refusal.reason == UNPROCESSED:
            return await self.without_a_key(refusal, data, execute)
        if action == "BatchExecuteStatement":
            members = refusal.members(self.dynamodb, action, data)
            return await execute_without(self.dynamodb, data, members, error(refusal), execute)
        if action in ("TransactWriteItems", "TransactGetItems"):
            members = refusal.members(self.dynamodb, action, data)
            return cancelled([error(refusal) if concerned else {"Code": "None"} for concerned in members])
        if refusal.reason == CONFLICTING:
            return self.dynamodb.error_response_json("TransactionConflictException", CONFLICT, 400)
        return self.dynamodb.error_response_json("ProvisionedThroughputExceededException", too_fast(refusal), 400)

    async def without_a_key(self, refusal, data, execute):
        """Executes a read without its last key, of the refusal's table if it has one."""
        tables = data["RequestItems"]
        name = refusal.table or list(tables)[-1]
        *keys, last = tables[name]["Keys"]
        others = {**tables, name: {**tables[name], "Keys": keys}}
        others = {name: table for name, table in others.items() if table["Keys"]}
        unprocessed = {name: {**tables[name], "Keys": [last]}}
        if not others:
            return self.dynamodb.json_response({"Responses": {}, "UnprocessedKeys": unprocessed})
        status, headers, body = await execute({**data, "RequestItems": others})
        if status != 200:
            return status, headers, body
        response = json.loads(body)
        # The response may have been too large, so that the others have unprocessed keys, too.
        left = response["UnprocessedKeys"]
        keys = [*left.get(name, {}).get("Keys", []), last]
        return self.dynamodb.json_response({**response, "UnprocessedKeys": {**left, name: {**tables[name], "Keys": keys}}})


def error(refusal):
    return {"Code": refusal.reason, "Message": CONFLICT if refusal.reason == CONFLICTING else too_fast(refusal)}


def too_fast(refusal):
    return TOO_FAST_FOR_INDEX if refusal.index else TOO_FAST
