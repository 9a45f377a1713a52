"""The permissions of statements in PartiQL."""

import json
import unittest

from ministack.core import iam_actions
from ministack.services import dynamodb

from strict import statements
from support import restore_after

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/table"


class StatementsTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, iam_actions)
        statements.check_statements_by_their_permissions(dynamodb, iam_actions)

    def permissions(self, action, **request):
        body = json.dumps(request).encode()
        return iam_actions.dynamodb_transaction_checks(f"dynamodb:{action}", body, "us-east-1", "000000000000")

    def test_each_statement_needs_the_permission_for_its_kind(self):
        texts = {
            "UPDATE \"table\" SET n = 1 WHERE pk = 'a'": ("dynamodb:PartiQLUpdate", TABLE),
            "DELETE FROM \"table\" WHERE pk = 'a'": ("dynamodb:PartiQLDelete", TABLE),
            "INSERT INTO \"table\" VALUE {'pk': 'a'}": ("dynamodb:PartiQLInsert", TABLE),
            "SELECT * FROM \"table\".\"by_phase\" WHERE phase = 'a'": ("dynamodb:PartiQLSelect", f"{TABLE}/index/by_phase"),
        }
        batch = [{"Statement": text} for text in texts]
        self.assertEqual(self.permissions("BatchExecuteStatement", Statements=batch), list(texts.values()))
        self.assertEqual(self.permissions("ExecuteTransaction", TransactStatements=batch[:1]), list(texts.values())[:1])
        self.assertEqual(self.permissions("ExecuteStatement", **batch[0]), list(texts.values())[:1])

    def test_other_operations_are_checked_as_before(self):
        put = [{"Put": {"TableName": "table"}}]
        self.assertEqual(self.permissions("TransactWriteItems", TransactItems=put), [("dynamodb:PutItem", TABLE)])
        self.assertEqual(self.permissions("PutItem", TableName="table"), [])


if __name__ == "__main__":
    unittest.main()
