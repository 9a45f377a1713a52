"""Faults that a test asks for."""

import asyncio
import json
import types
import unittest

from ministack.services import dynamodb

import faults
from faults import PLAN, Abandoned, Faults

ROW = ("Role", "dynamodb:PutItem", "table")
OTHER = ("Role", "dynamodb:GetItem", "table")


class FaultsTest(unittest.TestCase):
    def setUp(self):
        self.executed = []
        self.faults = Faults(dynamodb)
        faults.TOO_LATE = faults.SLOW = 0

    def call(self, rows, operation="PutItem", body=b"{}", service="dynamodb", query=None):
        """A request that needs these permissions. Returns the status and the answer, or None if the connection ends."""

        async def handle(_method, _path, _headers, sent, _query):
            self.executed.append(json.loads(sent or b"{}"))
            entries = json.loads(sent or b"{}").get("Entries", [])
            return 200, {}, json.dumps({"Successful": [{"Id": entry["Id"]} for entry in entries]}).encode()

        async def run():
            request = faults.Request()
            request.rows = set(rows)
            faults.current.set(request)
            headers = {"x-amz-target": f"Service.{operation}"}
            handler = self.faults.handler(service, handle)
            status, _, answer = await handler("POST", "/", headers, body, query or {})
            return status, json.loads(answer), request.is_cut

        try:
            return asyncio.run(run())
        except Abandoned:
            return None

    def plan(self, kind, **more):
        return json.loads(self.faults.plan({"Kind": kind, **more})[2])

    def test_each_permission_fails_as_often_as_planned(self):
        self.plan("throttled", Calls=2)
        answers = [self.call([ROW])[1].get("__type") for _ in range(3)]
        self.assertEqual(answers, ["ProvisionedThroughputExceededException"] * 2 + [None])
        self.assertEqual(self.call([OTHER])[0], 400)
        self.assertEqual(self.call([ROW, OTHER])[0], 400, "the other one is still due")
        self.assertEqual(len(self.executed), 1)
        injected = {tuple(one["Row"]): one["Calls"] for one in self.plan(None)["Injected"]}
        self.assertEqual(injected, {ROW: 3, OTHER: 2})
        self.assertEqual(self.call([OTHER])[0], 200, "no fault is planned any more")

    def test_request_is_executed_or_not_as_the_kind_says(self):
        answers = {"failed": 500, "reset": None, "hangs": None, "slow": 200, "late": 200, "lost": None, "failed_after": 500,
                   "half": 200, "conflict": 400}
        for kind, status in answers.items():
            self.executed.clear()
            self.plan(kind)
            answer = self.call([ROW])
            self.assertEqual(answer and answer[0], status, kind)
            self.assertEqual(len(self.executed), int(kind in faults.AFTER), kind)
            self.assertEqual(bool(answer and answer[2]), kind == "half", kind)

    def test_conflict_of_a_transaction_names_each_member(self):
        self.plan("conflict")
        _, answer, _ = self.call([ROW], "TransactWriteItems", b'{"TransactItems": [{}, {}]}')
        self.assertEqual([reason["Code"] for reason in answer["CancellationReasons"]], ["None", "TransactionConflict"])
        self.plan("conflict")
        self.assertEqual(self.call([OTHER], "GetItem")[0], 200, "a read meets no conflict")

    def test_batch_is_executed_without_its_last_entry(self):
        self.plan("partial", Calls=2)
        batch = json.dumps({"Entries": [{"Id": "a"}, {"Id": "b"}]}).encode()
        _, answer, _ = self.call([ROW], "SendMessageBatch", batch, "sqs")
        self.assertEqual(self.executed, [{"Entries": [{"Id": "a"}]}])
        self.assertEqual([[one["Id"] for one in answer[key]] for key in ("Successful", "Failed")], [["a"], ["b"]])
        _, answer, _ = self.call([ROW], "PutEvents", b'{"Entries": [{}]}', "events")
        self.assertEqual((answer["FailedEntryCount"], len(answer["Entries"])), (1, 1))

    def test_request_by_a_link_never_fails(self):
        self.plan("reset")
        self.assertEqual(self.call([ROW], query={"X-Amz-Signature": ["x"]})[0], 200)
        self.assertEqual(self.plan(None)["ByLink"], [list(ROW)])

    def test_unknown_kind_is_refused(self):
        self.assertEqual(self.faults.plan({"Kind": "sometimes"})[0], 400)

    def test_half_an_answer_is_sent_before_the_connection_ends(self):
        sent, scope = [], {"extensions": {}}

        async def app(_scope, _receive, send):
            faults.current.get().is_cut = True
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"abcdef"})

        async def send(message):
            sent.append(message)

        asyncio.run(self.faults.serve(app, scope, None, send))
        self.assertEqual((sent[-1]["body"], sent[-1]["more_body"]), (b"abc", True))
        self.assertTrue(scope["extensions"]["abandoned"])

    def test_abandoned_connection_gets_no_answer(self):
        states = []

        class HTTPStream:
            scope, state = {"extensions": {"abandoned": True}}, "REQUEST"

            async def app_send(self, message):
                states.append((message, self.state))

        module = types.SimpleNamespace(HTTPStream=HTTPStream, ASGIHTTPState=types.SimpleNamespace(CLOSED="CLOSED"))
        faults.abandon_connections(module)
        asyncio.run(HTTPStream().app_send(None))
        self.assertEqual(states, [(None, "CLOSED")])

    def test_plan_is_made_by_its_action(self):
        headers = {"x-amz-target": f"DynamoDB_20120810.{PLAN}"}
        handler = self.faults.handler("dynamodb", None)
        status, _, _ = asyncio.run(handler("POST", "/", headers, b'{"Kind": "lost"}', {}))
        self.assertEqual((status, self.faults.kind), (200, "lost"))
