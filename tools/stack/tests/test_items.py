import unittest

from strict.items import problem_of


class Tables:
    """What the check needs of ministack."""

    _tables = {"messages": {"pk_name": "subject", "sk_name": "event"}}

    def _normalize_table_name(self, name):
        return name


def put(item):
    keys = {"subject": {"S": "a"}, "event": {"S": "b"}}
    return {"TableName": "messages", "Item": {**keys, **item}}


class ItemTest(unittest.TestCase):
    def problem(self, item):
        requests = (
            ("PutItem", put(item)),
            ("TransactWriteItems", {"TransactItems": [{"Put": put(item)}]}),
            ("BatchWriteItem", {"RequestItems": {"messages": [{"PutRequest": {"Item": put(item)["Item"]}}]}}),
        )
        problems = {problem_of(Tables(), action, data) for action, data in requests}
        self.assertEqual(len(problems), 1, problems)
        return problems.pop()

    def test_a_name_in_a_map_has_at_least_one_byte_and_at_most_64_kb(self):
        self.assertIsNone(self.problem({"raw": {"M": {"x" * 65_535: {"S": ""}}}}))
        for name in ("", "x" * 65_536):
            for item in ({name: {"S": "1"}}, {"raw": {"M": {name: {"S": "1"}}}}, {"l": {"L": [{"M": {name: {"S": "1"}}}]}}):
                self.assertIn("attribute name", self.problem(item))

    def test_a_key_is_limited_in_bytes(self):
        self.assertIsNone(self.problem({"subject": {"S": "x" * 2_048}, "event": {"S": "x" * 1_024}}))
        self.assertIn("subject", self.problem({"subject": {"S": "é" * 1_025}}))
        self.assertIn("event", self.problem({"event": {"S": "é" * 513}}))

    def test_what_ministack_refuses_itself_is_left_to_it(self):
        self.assertIsNone(problem_of(Tables(), "PutItem", {"TableName": "none", "Item": {"a": {"S": "1"}}}))
        self.assertIsNone(problem_of(Tables(), "PutItem", {"Item": 7}))
        self.assertIsNone(problem_of(Tables(), "Query", {}))


if __name__ == "__main__":
    unittest.main()
