"""Refused requests that a test asks for."""

import unittest

from ministack.services import dynamodb

from strict import handle_requests
from strict.refusals import REFUSE
from support import call_dynamodb, create_table, restore_after

KEY = {"pk": {"S": "a"}}
UPDATE = {"TableName": "table", "Key": KEY, "UpdateExpression": "ADD n :one",
          "ExpressionAttributeValues": {":one": {"N": "1"}}}


class RefusalsTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, dynamodb)
        self.addCleanup(dynamodb.reset)
        handle_requests(dynamodb, lambda: "caller")
        for name in ("table", "other"):
            create_table(dynamodb, name)

    def call(self, action, **request):
        """The code of a refusal, or the response."""
        status, body = call_dynamodb(dynamodb, action, **request)
        return body if status == 200 else body["__type"].rpartition("#")[2]

    def refuse(self, reason, **what):
        return self.call(REFUSE, Reason=reason, **what)["Number"]

    def end(self, number):
        return self.call(REFUSE, Number=number)["Left"]

    def units(self):
        return self.call("LocalConsumedCapacity", Reset=True)["Consumed"]

    def test_number_of_requests_is_throttled(self):
        number = self.refuse("ProvisionedThroughputExceeded", Requests=3)
        for _ in range(2):
            self.assertEqual(self.call("UpdateItem", **UPDATE), "ProvisionedThroughputExceededException")
        self.assertEqual(self.units(), [], "a throttled request consumes nothing")
        self.assertEqual(self.end(number), 1)
        self.assertEqual(self.call("UpdateItem", **UPDATE), {})
        self.assertEqual(self.end(number), 0)

    def test_only_the_named_requests_are_refused(self):
        self.refuse("ProvisionedThroughputExceeded", Operation="GetItem", TableName="table", Contains='"S": "a"')
        others = [("UpdateItem", UPDATE), ("GetItem", {"TableName": "other", "Key": KEY}),
                  ("GetItem", {"TableName": "table", "Key": {"pk": {"S": "b"}}})]
        for action, request in others:
            self.assertEqual(self.call(action, **request), {}, action)
        get = {"TableName": "table", "Key": KEY}
        self.assertEqual(self.call("GetItem", **get), "ProvisionedThroughputExceededException")
        self.assertIn("Item", self.call("GetItem", **get))

    def test_transaction_names_the_refused_members(self):
        for reason, code in (("TransactionConflict",) * 2, ("ProvisionedThroughputExceeded",) * 2):
            self.refuse(reason, TableName="table")
            members = [{"Update": {**UPDATE, "TableName": "other"}}, {"Update": UPDATE}]
            status, body = call_dynamodb(dynamodb, "TransactWriteItems", TransactItems=members)
            self.assertEqual((status, body["__type"]), (400, "TransactionCanceledException"))
            self.assertEqual([one["Code"] for one in body["CancellationReasons"]], ["None", code])
            self.assertEqual(self.call("GetItem", TableName="other", Key=KEY), {}, "nothing is written")

    def test_single_write_conflicts_and_a_read_does_not(self):
        self.refuse("TransactionConflict")
        self.assertEqual(self.call("GetItem", TableName="table", Key=KEY), {})
        self.assertEqual(self.call("UpdateItem", **UPDATE), "TransactionConflictException")

    def test_throttled_index_refuses_what_changes_or_reads_it(self):
        item = {**KEY, "phase": {"S": "new"}}
        self.call("PutItem", TableName="table", Item=item)
        number = self.refuse("ProvisionedThroughputExceeded", IndexName="by_phase", Requests=9)
        query = {"TableName": "table", "KeyConditionExpression": "phase = :new", "IndexName": "by_phase",
                 "ExpressionAttributeValues": {":new": {"S": "new"}}}
        status, body = call_dynamodb(dynamodb, "Query", **query)
        self.assertIn("global secondary indexes", body["message"])
        moved = {"TableName": "table", "Item": {**KEY, "phase": {"S": "old"}}}
        for action, request in (("PutItem", moved), ("DeleteItem", {"TableName": "table", "Key": KEY})):
            self.assertEqual(self.call(action, **request), "ProvisionedThroughputExceededException")
        self.assertEqual(self.call("UpdateItem", **UPDATE), {}, "the index does not change")
        self.assertIn("Item", self.call("GetItem", TableName="table", Key=KEY))
        self.assertEqual(self.end(number), 6)

    def test_statements_are_refused_one_by_one(self):
        self.call("PutItem", TableName="table", Item=KEY)
        self.call("PutItem", TableName="other", Item=KEY)
        self.refuse("TransactionConflict", TableName="table")
        update = "UPDATE {} SET n = 1 WHERE pk = 'a'"
        statements = [{"Statement": update.format(name)} for name in ("other", "table")]
        free, refused = self.call("BatchExecuteStatement", Statements=statements)["Responses"]
        self.assertEqual((free, refused["Error"]["Code"]), ({"TableName": "other"}, "TransactionConflict"))
        self.assertEqual(self.call("GetItem", TableName="table", Key=KEY)["Item"], KEY)

    def test_last_key_of_a_read_is_unprocessed(self):
        self.call("UpdateItem", **UPDATE)
        self.refuse("UnprocessedKeys", Requests=2)
        request = {"table": {"Keys": [{"pk": {"S": "b"}}, KEY]}}
        body = self.call("BatchGetItem", RequestItems=request)
        self.assertEqual(body["UnprocessedKeys"], {"table": {"Keys": [KEY]}})
        again = self.call("BatchGetItem", RequestItems=body["UnprocessedKeys"])
        self.assertEqual((again["Responses"], again["UnprocessedKeys"]), ({}, body["UnprocessedKeys"]))
        self.assertEqual(len(self.call("BatchGetItem", RequestItems=request)["Responses"]["table"]), 1)

    def test_unknown_reason_is_refused(self):
        self.assertEqual(self.call(REFUSE, Reason="Unknown"), "ValidationException")
        self.assertEqual(self.call(REFUSE), "ValidationException")


if __name__ == "__main__":
    unittest.main()
