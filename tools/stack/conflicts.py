"""Makes transactions on the same item conflict, as DynamoDB does.

A transaction of DynamoDB prepares all its items before it writes one, and meanwhile refuses other writers of these items.
ministack executes a request as a whole before the next one, so that two transactions never overlap and a program without
retries seems to work. Here a transaction holds its items for some milliseconds before it is executed. Source: Amazon DynamoDB
Developer Guide, "Managing complex workflows with DynamoDB transactions", "Transaction conflict handling in DynamoDB".
"""

import asyncio
import json

from writes import key_of, writes_of

# Long enough that requests sent at the same time overlap, and short for a test.
PREPARING_SECONDS = 0.005
CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"
CONFLICT = "Transaction is ongoing for the item"


class Transactions:
    """The transactions in progress."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb
        self.held = set()
        self.tokens = set()

    async def execute(self, action, data, execute):
        """Executes a request, or returns the response that refuses it."""
        if action == "TransactWriteItems":
            return await self.execute_transaction(data, execute)
        if action == "TransactGetItems":
            reads = [member.get("Get") or {} for member in data.get("TransactItems") or []]
            conflicts = [self.is_held(read.get("TableName"), read.get("Key")) for read in reads]
            return self.cancellation(conflicts, [None] * len(reads)) if any(conflicts) else await execute()
        if action in ("PutItem", "UpdateItem", "DeleteItem"):
            (write,) = writes_of(self.dynamodb, action, data)
            if write.identity in self.held:
                return self.dynamodb.error_response_json("TransactionConflictException", CONFLICT, 400)
        return await execute()

    async def execute_transaction(self, data, execute):
        token = data.get("ClientRequestToken")
        if token in self.tokens:
            message = "The transaction with the given request token is already in progress."
            return self.dynamodb.error_response_json("TransactionInProgressException", message, 400)
        # A repeated request writes nothing: ministack returns the stored response.
        if token and self.dynamodb._txn_token_lookup(token) is not None:
            return await execute()
        writes = writes_of(self.dynamodb, "TransactWriteItems", data)
        items = {write.identity for write in writes if write.identity}
        if items & self.held:
            return self.cancellation([write.identity in self.held for write in writes], writes)
        # A failed condition cancels a transaction when it is prepared, so that it holds nothing.
        if not all(write.condition_holds() for write in writes):
            return await execute()
        self.held |= items
        self.tokens |= {token} - {None}
        try:
            await asyncio.sleep(PREPARING_SECONDS)
            return await execute()
        finally:
            self.held -= items
            self.tokens -= {token}

    def is_held(self, table_name, key):
        return key_of(self.dynamodb, table_name, key) in self.held

    def cancellation(self, conflicts, writes):
        """A cancelled transaction. As on AWS each member has its own reason, which may also be its condition."""
        reasons = [reason(conflict, write) for conflict, write in zip(conflicts, writes)]
        codes = ", ".join(one["Code"] for one in reasons)
        body = {"__type": "TransactionCanceledException", "message": f"{CANCELLED} [{codes}]"}
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "x-amzn-errortype": "TransactionCanceledException",
        }
        return 400, headers, json.dumps({**body, "CancellationReasons": reasons}).encode()


def reason(conflict, write):
    """The reason of one member. `write` is None for a read."""
    if conflict:
        return {"Code": "TransactionConflict", "Message": CONFLICT}
    if write is None or write.condition_holds():
        return {"Code": "None"}
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    wants_item = write.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return {**failed, "Item": write.before} if wants_item and write.before else failed
