"""The limits of DynamoDB on which programs rely: those that the emulator adds, and those that ministack has."""

import unittest

from ministack.services import dynamodb

from strict import handle_requests, reads
from support import call_dynamodb, create_table, restore_after

KILOBYTE = "x" * 1_024


def key(name):
    return {"pk": {"S": name}}


def keys(prefix, count):
    return {"Keys": [key(f"{prefix}{number}") for number in range(count)]}


class LimitsTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, dynamodb)
        self.addCleanup(dynamodb.reset)
        reads.limit_batch_reads(dynamodb)
        for name in ("one", "two"):
            create_table(dynamodb, name)

    def call(self, action, **request):
        return call_dynamodb(dynamodb, action, **request)

    def refused(self, action, **request):
        status, body = self.call(action, **request)
        self.assertEqual(status, 400, body)
        return body["__type"].rpartition("#")[2], body["message"]

    def put(self, name, kilobytes, table="one"):
        return {"TableName": table, "Item": {**key(name), "body": {"S": KILOBYTE * kilobytes}}}

    def get(self, **tables):
        status, body = self.call("BatchGetItem", RequestItems=tables)
        self.assertEqual(status, 200, body)
        return {name: len(items) for name, items in body["Responses"].items()}, body["UnprocessedKeys"]


class BatchGetTest(LimitsTest):
    def test_all_tables_together_have_one_hundred_keys(self):
        self.assertEqual(self.get(one=keys("a", 60), two=keys("a", 40)), ({"one": 0, "two": 0}, {}))
        refusal = self.refused("BatchGetItem", RequestItems={"one": keys("a", 60), "two": keys("a", 41)})
        self.assertEqual(refusal, ("ValidationException", "Too many items requested for the BatchGetItem call"))
        code, _ = self.refused("BatchGetItem", RequestItems={"one": keys("a", 101)})
        self.assertEqual(code, "ValidationException")

    def test_keys_beyond_one_megabyte_are_unprocessed(self):
        for number in range(4):
            self.call("PutItem", **self.put(f"a{number}", 300))
            self.call("PutItem", **self.put(f"a{number}", 1, "two"))
        items, unprocessed = self.get(one=keys("a", 4), two=keys("a", 4))
        self.assertEqual(items, {"one": 3, "two": 4})
        self.assertEqual(unprocessed, {"one": {"Keys": [key("a3")]}})
        self.assertEqual(self.get(**unprocessed), ({"one": 1}, {}))

    def test_unprocessed_keys_consume_nothing(self):
        handle_requests(dynamodb, lambda: "caller")
        for number in range(4):
            self.call("PutItem", **self.put(f"a{number}", 300))
        self.call("LocalConsumedCapacity", Reset=True)
        self.get(one=keys("a", 4))
        _, body = self.call("LocalConsumedCapacity")
        # The names and the key make each item a little larger than 75 blocks of 4 KB.
        self.assertEqual([counter["read"] for counter in body["Consumed"]], [3 * 76 / 2])


class LimitsOfMinistackTest(LimitsTest):
    def test_batch_writes_twenty_five_items(self):
        puts = [{"PutRequest": {"Item": key(str(number))}} for number in range(26)]
        self.assertEqual(self.call("BatchWriteItem", RequestItems={"one": puts[1:]})[0], 200)
        code, _ = self.refused("BatchWriteItem", RequestItems={"one": puts[:13], "two": puts[13:]})
        self.assertEqual(code, "ValidationException")
        code, _ = self.refused("BatchWriteItem", RequestItems={"one": puts[:1] * 2})
        self.assertEqual(code, "ValidationException", "the same item twice")

    def test_transaction_has_one_hundred_members_on_different_items(self):
        puts = [{"Put": self.put(str(number), 0)} for number in range(101)]
        self.assertEqual(self.call("TransactWriteItems", TransactItems=puts[1:])[0], 200)
        self.assertEqual(self.refused("TransactWriteItems", TransactItems=puts)[0], "ValidationException")
        check = {"ConditionCheck": {"TableName": "one", "Key": key("0"), "ConditionExpression": "attribute_exists(pk)"}}
        code, message = self.refused("TransactWriteItems", TransactItems=[puts[0], check])
        self.assertIn("multiple operations on one item", message, code)

    def test_item_has_four_hundred_kilobytes(self):
        # The names and the key have seven bytes.
        self.assertEqual(self.call("PutItem", **self.put("a", 399))[0], 200)
        self.assertEqual(self.refused("PutItem", **self.put("a", 400))[0], "ValidationException")
        append = {"TableName": "one", "Key": key("a"), "UpdateExpression": "SET more = :more",
                  "ExpressionAttributeValues": {":more": {"S": KILOBYTE}}}
        self.assertEqual(self.refused("UpdateItem", **append)[0], "ValidationException")
        code, message = self.refused("TransactWriteItems", TransactItems=[{"Update": append}])
        self.assertIn("ValidationError", message, code)


if __name__ == "__main__":
    unittest.main()
