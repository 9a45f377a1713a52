"""An emulator whose clock is moved while it runs."""

import asyncio
import fcntl
import os
import struct
import tempfile
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import clock
from ministack.core import sigv4
from ministack.services import dynamodb, dynamodb_streams, eventbridge, lambda_svc, scheduler, sqs
from support import restore_after

DAY = 24 * 60 * 60
SERVICES = SimpleNamespace(
    dynamodb=dynamodb, dynamodb_streams=dynamodb_streams, eventbridge=eventbridge, lambda_svc=lambda_svc,
    scheduler=scheduler, sqs=sqs,
)


class ClockTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, sqs, sqs._HANDLERS)
        for module in (sigv4, dynamodb, dynamodb_streams, eventbridge, lambda_svc):
            restore_after(self, module)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "clock"
        self.path.with_suffix(".turnstile").touch()
        self.set_ahead(0)

    def set_ahead(self, seconds):
        self.path.write_bytes(struct.pack("=q", seconds))

    def moving(self):
        moving = clock.MovingClock(self.path, SERVICES)
        self.addCleanup(os.close, moving.file)
        return moving

    def at(self, ahead):
        """The time of a clock that is some seconds ahead of this machine's."""
        now = time.time() + ahead
        return mock.patch.object(time, "time", lambda: now)

    def queue(self, name):
        asyncio.run(sqs.handle_request(
            "POST", "/", {"x-amz-target": "AmazonSQS.CreateQueue"}, b'{"QueueName": "%s"}' % name.encode(), {}))
        queue = next(queue for _, queue in sqs._queues.all_items() if queue["name"] == name)
        self.addCleanup(sqs._queues._data.clear)
        return queue

    def test_message_in_flight_is_received_after_a_set_back(self):
        self.set_ahead(DAY)
        moving, queue = self.moving(), self.queue("back")
        with self.at(DAY):
            now = time.time()
            sent = {"SentTimestamp": str(int(now * 1000))}
            queue["messages"].append({"body": "a", "sent_at": now, "visible_at": now + 30, "receive_count": 1, "sys": sent})
        self.set_ahead(0)
        moving.notice()
        with self.at(29):
            self.assertEqual(sqs._collect_msgs(queue, 1, 30), [])
        with self.at(31):
            (message,) = sqs._collect_msgs(queue, 1, 30)
        self.assertLess(int(message["sys"]["SentTimestamp"]), (time.time() + 1) * 1000)

    def test_schedule_goes_on_after_a_set_back(self):
        self.set_ahead(DAY)
        moving = self.moving()
        eventbridge._rule_last_fired = {"rule": time.time() + DAY, "other": 5}
        self.set_ahead(0)
        moving.notice()
        self.assertLessEqual(eventbridge._rule_last_fired["rule"], time.time())
        self.assertEqual(eventbridge._rule_last_fired["other"], 5)

    def test_clock_that_moves_forward_changes_no_timer(self):
        moving, queue = self.moving(), self.queue("forward")
        queue["messages"].append({"body": "a", "visible_at": time.time() + 600, "receive_count": 1})
        before = queue["messages"][0]["visible_at"]
        self.set_ahead(DAY)
        moving.notice()
        self.assertEqual(queue["messages"][0]["visible_at"], before)

    def test_signatures_of_both_clocks_are_accepted(self):
        moving = self.moving()
        clock.accept_this_machines_time(sigv4, moving)
        self.set_ahead(DAY)

        def is_accepted(seconds):
            at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
            signature = SimpleNamespace(amz_date=at.strftime("%Y%m%dT%H%M%SZ"), service="lambda")
            return sigv4.request_time_failure(signature, now=datetime.now(timezone.utc) + timedelta(seconds=DAY)) is None

        with mock.patch.object(clock, "datetime") as stack_time:
            stack_time.now = lambda zone: datetime.now(zone) + timedelta(seconds=DAY)
            self.assertEqual([is_accepted(at) for at in (0, DAY, DAY / 2, -600)], [True, True, False, False])

    def test_sequence_numbers_increase_after_a_set_back(self):
        clock.keep_streams(SERVICES)
        with self.at(DAY):
            ahead = dynamodb._next_stream_seq()
        self.assertGreater(dynamodb._next_stream_seq(), ahead)

    def test_function_begins_only_while_the_clock_is_not_held(self):
        lambda_svc._execute_function_dispatch = lambda *arguments: arguments
        clock.hold_during_invocations(lambda_svc, self.path, self.moving())
        ended = threading.Event()

        def invoke():
            self.assertEqual(lambda_svc._execute_function_dispatch(1, 2), (1, 2))
            ended.set()

        with open(self.path.with_suffix(".turnstile")) as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            function = threading.Thread(target=invoke)
            function.start()
            self.assertFalse(ended.wait(0.05), "a function began while the clock was to be moved")
        function.join()
        self.assertTrue(ended.is_set())

    def test_long_poll_ends_after_a_set_back(self):
        async def never(_data, _url):
            await asyncio.sleep(600)

        sqs._act_receive_message = never
        clock.never_wait_longer(sqs)
        with mock.patch.object(asyncio, "wait_for", side_effect=asyncio.TimeoutError) as waiting:
            receive = sqs._act_receive_message({}, "")
            self.assertEqual(asyncio.run(receive), {})
        (coroutine, seconds), _ = waiting.call_args
        coroutine.close()
        self.assertEqual(seconds, 21)


if __name__ == "__main__":
    unittest.main()
