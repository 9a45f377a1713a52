"""Transaction conflicts and capacity units, on tables of ministack without its server."""

import asyncio
import json
import unittest

from ministack.services import dynamodb

from strict.capacity import Meter
from strict.conflicts import Transactions
from support import create_table


class RequestsTest(unittest.TestCase):
    def setUp(self):
        dynamodb.reset()
        create_table(dynamodb, "table")
        self.caller = "caller"
        self.meter = Meter(dynamodb, lambda: self.caller)
        self.addCleanup(setattr, dynamodb, "_paginate_evaluated_items", dynamodb._paginate_evaluated_items)
        self.transactions = Transactions(dynamodb)

    async def send(self, action, request):
        """A request as the emulator handles it. Returns the status and the response."""
        request = {"ReturnConsumedCapacity": "INDEXES", **request}
        headers = {"x-amz-target": f"DynamoDB_20120810.{action}"}

        async def handle(request):
            return await dynamodb.handle_request("POST", "/", headers, json.dumps(request).encode(), {})

        transact = lambda: self.transactions.execute(action, request, handle)
        status, _, body = await self.meter.execute(action, request, transact)
        return status, json.loads(body)

    def call(self, action, **request):
        return asyncio.run(self.send(action, request))

    def units(self, action, **request):
        """What a request on one table consumes: all, the table's share, and the index's share."""
        status, body = self.call(action, **request)
        self.assertEqual(status, 200, body)
        consumed = body["ConsumedCapacity"]
        consumed = consumed[0] if isinstance(consumed, list) else consumed
        index = consumed.get("GlobalSecondaryIndexes", {}).get("by_phase", {}).get("CapacityUnits", 0)
        self.assertEqual(consumed["CapacityUnits"], consumed["Table"]["CapacityUnits"] + index)
        return consumed["CapacityUnits"], consumed["Table"]["CapacityUnits"], index

    def written(self):
        """The write units that the counters have counted since the last call."""
        _, _, body = self.meter.report({"Reset": True})
        return sum(counter["write"] for counter in json.loads(body)["Consumed"])

    def put(self, size=100, **attributes):
        return self.units("PutItem", TableName="table", Item=item(size, **attributes))

    def update(self, expression, **values):
        values = {f":{name}": {"S": value} for name, value in values.items()}
        valued = {"ExpressionAttributeValues": values} if values else {}
        return self.units("UpdateItem", TableName="table", Key=KEY, UpdateExpression=expression, **valued)


KEY = {"pk": {"S": "a"}}


def item(size, **attributes):
    """An item of this size: the names pk and body have 6 bytes, the value of pk has one."""
    others = {name: {"S": value} for name, value in attributes.items()}
    used = 7 + sum(len(name) + len(value) for name, value in attributes.items())
    return {**KEY, **others, "body": {"S": "x" * (size - used)}}


def statements(*names):
    """Statements that change an attribute of items."""
    update = """UPDATE "table" SET phase = ? WHERE pk = ?"""
    made = [{"Statement": update, "Parameters": [{"S": "new"}, {"S": name}]} for name in names]
    return "BatchExecuteStatement", {"Statements": made}


class CapacityTest(RequestsTest):
    def test_write_consumes_a_unit_for_each_started_kilobyte(self):
        self.assertEqual(self.put(1_024), (1, 1, 0))
        self.assertEqual(self.put(1_025), (2, 2, 0))

    def test_larger_one_of_the_old_and_the_new_item_counts(self):
        self.put(3_000)
        self.assertEqual(self.put(100), (3, 3, 0), "replaced")
        self.put(3_000)
        self.assertEqual(self.update("REMOVE body"), (3, 3, 0), "shortened")
        self.put(3_000)
        self.assertEqual(self.units("DeleteItem", TableName="table", Key=KEY), (3, 3, 0))
        self.assertEqual(self.units("DeleteItem", TableName="table", Key=KEY), (1, 1, 0), "no item")

    def test_index_consumes_by_what_changes_in_it(self):
        self.assertEqual(self.put(2_000, phase="new"), (3, 2, 1), "added; only keys are projected")
        self.assertEqual(self.update("SET body = :body", body="y"), (2, 2, 0), "not projected")
        self.assertEqual(self.update("SET phase = :new", new="sent"), (3, 1, 2), "the index's key changes")
        self.assertEqual(self.update("REMOVE phase"), (2, 1, 1), "removed")

    def test_transaction_consumes_double(self):
        self.put(1_500)
        check = {"TableName": "table", "Key": KEY, "ConditionExpression": "attribute_exists(pk)"}
        self.assertEqual(self.units("TransactWriteItems", TransactItems=[{"ConditionCheck": check}]), (4, 4, 0))
        put = {"TableName": "table", "Item": item(1_500, phase="new")}
        self.assertEqual(self.units("TransactWriteItems", TransactItems=[{"Put": put}]), (5, 4, 1))

    def test_refused_writes_consume(self):
        self.put(1_500)
        self.written()
        condition = {"TableName": "table", "ConditionExpression": "attribute_not_exists(pk)"}
        self.assertEqual(self.call("PutItem", **condition, Item=item(2_500))[0], 400)
        self.assertEqual(self.written(), 3, "by the new item, which is larger")
        self.assertEqual(self.call("UpdateItem", **condition, Key=KEY, UpdateExpression="REMOVE body")[0], 400)
        self.assertEqual(self.written(), 2, "by the stored item")
        other = {"TableName": "table", "Item": {**item(100), "pk": {"S": "b"}}}
        members = [{"Put": {**condition, "Item": item(100)}}, {"Put": other}]
        self.assertEqual(self.call("TransactWriteItems", TransactItems=members)[0], 400)
        self.assertEqual(self.written(), 4 + 2)
        self.assertEqual(self.call("PutItem", TableName="table", Item={"pk": {"N": "1"}})[0], 400)
        self.assertEqual(self.written(), 0, "an invalid request")

    def test_read_consumes_a_unit_for_each_started_four_kilobytes(self):
        read = lambda consistent: self.units("GetItem", TableName="table", Key=KEY, ConsistentRead=consistent)[0]
        self.assertEqual((read(False), read(True)), (0.5, 1), "no item")
        self.put(4_097)
        self.assertEqual((read(False), read(True)), (1, 2))
        get = {"Get": {"TableName": "table", "Key": KEY}}
        self.assertEqual(self.units("TransactGetItems", TransactItems=[get])[0], 4)
        keys = {"Keys": [KEY, {"pk": {"S": "none"}}]}
        self.assertEqual(self.units("BatchGetItem", RequestItems={"table": keys})[0], 1 + 0.5)

    def test_query_consumes_by_the_sum_of_its_items(self):
        for name in "abc":
            self.call("PutItem", TableName="table", Item={**item(3_000, phase="new"), "pk": {"S": name}})
        named = {"ExpressionAttributeValues": {":new": {"S": "new"}}}
        query = {"TableName": "table", "IndexName": "by_phase", "KeyConditionExpression": "phase = :new", **named}
        self.assertEqual(self.units("Query", **query), (0.5, 0, 0.5), "only keys are projected")
        query["ExpressionAttributeValues"] = {":new": {"S": "none"}}
        self.assertEqual(self.units("Query", **query), (0.5, 0, 0.5), "no item")
        self.assertEqual(self.units("Scan", TableName="table")[0], 1.5, "9,000 bytes")
        self.assertEqual(self.units("Scan", TableName="table", Limit=1, ConsistentRead=True)[0], 1)

    def test_statement_consumes_as_an_update(self):
        self.put(1_025, phase="old")
        self.assertEqual(self.units(*statements("a")[:1], **statements("a")[1]), (4, 2, 2), "moved in the index")

    def test_counters_name_caller_operation_and_table(self):
        self.put(phase="new")
        self.caller = "another"
        self.call("GetItem", TableName="table", Key=KEY)
        _, _, body = self.meter.report({})
        counted = [tuple(counter.values()) for counter in json.loads(body)["Consumed"]]
        self.assertEqual(counted, [
            ("caller", "PutItem", "table", None, 1, 0, 1),
            ("caller", "PutItem", "table", "by_phase", 1, 0, 1),
            ("another", "GetItem", "table", None, 1, 0.5, 0),
        ])


class ConflictTest(RequestsTest):
    def together(self, *requests):
        async def send_all():
            return await asyncio.gather(*(self.send(action, request) for action, request in requests))

        return asyncio.run(send_all())

    def count(self, **more):
        update = {"TableName": "table", "Key": KEY, "UpdateExpression": "ADD n :one",
                  "ExpressionAttributeValues": {":one": {"N": "1"}}}
        return {**update, **more}

    def transaction(self, *members, **request):
        return "TransactWriteItems", {"TransactItems": [{"Update": self.count()}, *members], **request}

    def stored(self):
        return self.call("GetItem", TableName="table", Key=KEY)[1]["Item"]["n"]["N"]

    def test_second_transaction_on_an_item_is_cancelled(self):
        other = {"ConditionCheck": {"TableName": "table", "Key": {"pk": {"S": "b"}},
                                    "ConditionExpression": "attribute_exists(pk)"}}
        free = {"Delete": {"TableName": "table", "Key": {"pk": {"S": "c"}}}}
        (first, _), (second, body) = self.together(self.transaction(), self.transaction(other, free))
        self.assertEqual((first, second, body["__type"]), (200, 400, "TransactionCanceledException"))
        codes = [reason["Code"] for reason in body["CancellationReasons"]]
        self.assertEqual(codes, ["TransactionConflict", "ConditionalCheckFailed", "None"])
        self.assertEqual(self.stored(), "1")
        self.assertEqual(self.together(self.transaction())[0][0], 200, "the item is free again")

    def test_single_write_during_a_transaction_is_refused(self):
        writes = [("UpdateItem", self.count()), ("PutItem", {"TableName": "table", "Item": item(100)}),
                  ("DeleteItem", {"TableName": "table", "Key": KEY})]
        (status, _), *refused = self.together(self.transaction(), *writes)
        self.assertEqual(status, 200)
        for status, body in refused:
            self.assertEqual((status, body["__type"]), (400, "TransactionConflictException"))
        elsewhere = ("UpdateItem", self.count(Key={"pk": {"S": "b"}}))
        self.assertEqual([status for status, _ in self.together(self.transaction(), elsewhere)], [200, 200])

    def test_transaction_with_a_failed_condition_holds_nothing(self):
        refused = {"TableName": "table", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_exists(pk)"}
        answers = self.together(self.transaction({"ConditionCheck": refused}), self.transaction())
        codes = [reason["Code"] for reason in answers[0][1]["CancellationReasons"]]
        self.assertEqual((codes, answers[1][0]), (["None", "ConditionalCheckFailed"], 200))

    def test_only_a_transactional_read_conflicts(self):
        reads = [("GetItem", {"TableName": "table", "Key": KEY}),
                 ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "table", "Key": KEY}}]})]
        answers = self.together(self.transaction(), *reads)
        self.assertEqual([status for status, _ in answers], [200, 200, 400])
        self.assertEqual(answers[2][1]["CancellationReasons"][0]["Code"], "TransactionConflict")

    def test_statement_on_a_held_item_is_refused_and_the_others_are_executed(self):
        self.call("PutItem", TableName="table", Item={**KEY, "pk": {"S": "b"}})
        (transaction, _), (status, body) = self.together(self.transaction(), statements("a", "b"))
        self.assertEqual((transaction, status), (200, 200))
        held, free = body["Responses"]
        self.assertEqual((held["Error"]["Code"], free), ("TransactionConflict", {"TableName": "table"}))

    def test_repeated_transaction_writes_once(self):
        request = self.transaction(ClientRequestToken="token")
        (first, _), (during, body) = self.together(request, request)
        self.assertEqual((first, during, body["__type"]), (200, 400, "TransactionInProgressException"))
        self.assertEqual(self.together(request)[0][0], 200, "afterwards")
        self.assertEqual(self.stored(), "1")


if __name__ == "__main__":
    unittest.main()
