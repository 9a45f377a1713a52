"""Counts the capacity units that requests to DynamoDB consume, by AWS's rules, and returns them where a request asks.

ministack only counts if a request asks, which the functions never do, and without the sizes of the items that are read. Not
counted: PartiQL and local secondary indexes, which the project does not use.

Sources: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations", "DynamoDB item sizes and formats", "Using Global
Secondary Indexes in DynamoDB" (provisioned throughput considerations) and "Amazon DynamoDB Transactions: How it works" (capacity
management for read and write operations; a cancelled transaction consumes too).
"""

import json
import zlib
from collections import defaultdict
from contextvars import ContextVar

from writes import key_of, writes_of

# The action by which the administrator reads the counters. AWS has no such action, so no function has this permission.
READ_COUNTERS = "LocalConsumedCapacity"
# Refusals after which DynamoDB has examined the items, and charges for it.
CHARGED_REFUSALS = {"ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"}

# The items that a Query or Scan read before its filter, with the attributes that its index has.
page_read = ContextVar("page_read")


def read_units(size, consistent):
    """The units of reading this number of bytes: one for each started 4 KB, half of it if eventually consistent."""
    blocks = max(1, -(-size // 4096))
    return float(blocks) if consistent else blocks / 2


def write_units(size):
    """The units of writing this number of bytes: one for each started KB."""
    return float(max(1, -(-size // 1024)))


class Consumption:
    """The units of one request, by table and by index. The table itself has the index None."""

    def __init__(self):
        self.units = defaultdict(lambda: {"read": 0.0, "write": 0.0})

    def add(self, table, kind, units, index=None):
        self.units[table, index][kind] += units

    def response(self, request):
        """The `ConsumedCapacity` of a response: a list for a request that may have several tables."""
        several = "TransactItems" in request or "RequestItems" in request
        tables = [self.of_table(name, request, several) for name in dict.fromkeys(table for table, _ in self.units)]
        return tables if several else tables[0]

    def of_table(self, name, request, several):
        of_table = {index: units for (table, index), units in self.units.items() if table == name}
        form = lambda all_units: capacity(all_units, "TransactItems" in request)
        answer = {"TableName": name, **form(of_table.values())}
        if request["ReturnConsumedCapacity"] == "INDEXES":
            answer["Table"] = form([units for index, units in of_table.items() if not index])
            indexes = {index: form([units]) for index, units in of_table.items() if index}
            answer |= {"GlobalSecondaryIndexes": indexes} if indexes else {}
        return answer


def capacity(all_units, by_kind):
    """A `Capacity` of the API. The responses of transactions also have the units by kind."""
    read = sum(units["read"] for units in all_units)
    write = sum(units["write"] for units in all_units)
    kinds = {"ReadCapacityUnits": read, "WriteCapacityUnits": write} if by_kind else {}
    return {"CapacityUnits": read + write, **{name: units for name, units in kinds.items() if units}}


class Meter:
    """The units of all requests, by caller, operation, table and index."""

    def __init__(self, dynamodb, caller):
        self.dynamodb = dynamodb
        self.caller = caller
        self.counters = {}
        paginate = dynamodb._paginate_evaluated_items

        def paginate_and_note(items, limit, table, index_name=None):
            page, more = paginate(items, limit, table, index_name)
            project = dynamodb._apply_index_projection
            page_read.set([project(item, table, index_name) if index_name else item for item in page])
            return page, more

        dynamodb._paginate_evaluated_items = paginate_and_note

    async def execute(self, action, data, execute):
        """Executes a request and counts it."""
        writes = writes_of(self.dynamodb, action, data)
        token = data.get("ClientRequestToken")
        repeated = bool(token) and self.dynamodb._txn_token_lookup(token) is not None
        page_read.set([])
        status, headers, body = await execute()
        if status == 200:
            used = self.used(action, data, writes, repeated)
        elif json.loads(body).get("__type", "").rpartition("#")[2] in CHARGED_REFUSALS:
            used = self.used_by_refused(action, writes)
        else:
            return status, headers, body
        self.count(action, used)
        if status == 200 and used.units and data.get("ReturnConsumedCapacity", "NONE") != "NONE":
            body = json.dumps({**json.loads(body), "ConsumedCapacity": used.response(data)}).encode()
            headers = {**headers, "x-amz-crc32": str(zlib.crc32(body))}
        return status, headers, body

    def size(self, item):
        return self.dynamodb._item_size_bytes(item) if item else 0

    def used(self, action, data, writes, repeated):
        used = Consumption()
        if repeated:
            # AWS charges a repeated transaction as a transactional read of its items.
            for write in writes:
                used.add(write.identity[0], "read", 2 * read_units(self.size(write.stored()), True))
            return used
        for write in writes:
            self.add_write(used, action, write, write.stored())
            for index in write.table.get("GlobalSecondaryIndexes") or []:
                # DynamoDB updates indexes after the transaction, so that their units are not doubled.
                if units := self.dynamodb._index_write_units(write.table, index, write.before, write.stored()):
                    used.add(write.identity[0], "write", units, index["IndexName"])
        self.add_reads(used, action, data)
        return used

    def used_by_refused(self, action, writes):
        """A refused write is charged by the larger of the stored item and the item it would have stored."""
        used = Consumption()
        for write in writes:
            if write.identity:
                self.add_write(used, action, write, write.intended())
        return used

    def add_write(self, used, action, write, after):
        units = write_units(max(self.size(write.before), self.size(after)))
        used.add(write.identity[0], "write", 2 * units if action == "TransactWriteItems" else units)

    def add_reads(self, used, action, data):
        if action == "GetItem":
            self.add_read(used, data, data.get("Key"), 1)
        elif action == "BatchGetItem":
            for name, table in data["RequestItems"].items():
                for key in table["Keys"]:
                    self.add_read(used, {"TableName": name, **table}, key, 1)
        elif action == "TransactGetItems":
            for member in data["TransactItems"]:
                self.add_read(used, {**member["Get"], "ConsistentRead": True}, member["Get"]["Key"], 2)
        elif action in ("Query", "Scan"):
            name = self.dynamodb._normalize_table_name(data["TableName"])
            size = sum(map(self.size, page_read.get()))
            used.add(name, "read", read_units(size, data.get("ConsistentRead", False)), data.get("IndexName"))

    def add_read(self, used, request, key, times):
        name, partition, sort = key_of(self.dynamodb, request["TableName"], key)
        item = self.dynamodb._tables[name]["items"].get(partition, {}).get(sort)
        used.add(name, "read", times * read_units(self.size(item), request.get("ConsistentRead", False)))

    def count(self, action, used):
        for (table, index), units in used.units.items():
            key = (self.caller(), action, table, index)
            counter = self.counters.setdefault(key, {"requests": 0, "read": 0.0, "write": 0.0})
            counter["requests"] += 1
            counter["read"] += units["read"]
            counter["write"] += units["write"]

    def report(self, data):
        """All counters as the response to the action READ_COUNTERS. `Reset` sets them to zero afterwards."""
        names = ("caller", "operation", "table", "index")
        consumed = [{**dict(zip(names, key)), **counter} for key, counter in self.counters.items()]
        if data.get("Reset"):
            self.counters.clear()
        return self.dynamodb.json_response({"Consumed": consumed})
