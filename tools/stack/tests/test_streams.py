"""The order in which the records of a stream are delivered."""

import threading
import time
import unittest
from types import SimpleNamespace

from strict.streams import Lane, Rules, Streams, lane_of, sequence_number

MAPPING = {
    "UUID": "mapping", "EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1", "FunctionName": "f",
    "BatchSize": 4, "ParallelizationFactor": 4, "BisectBatchOnFunctionError": True,
    "FunctionResponseTypes": ["ReportBatchItemFailures"], "MaximumRetryAttempts": 2, "MaximumRecordAgeInSeconds": 60,
    "StartingPosition": "TRIM_HORIZON",
}
RULES = Rules.of(MAPPING)
NOW = 1_000.0


def record(number, sort="a", partition="p", at=NOW):
    keys = {"pk": {"S": partition}, "sk": {"S": sort}}
    return {"dynamodb": {"Keys": keys, "SequenceNumber": str(number), "ApproximateCreationDateTime": at}}


def numbers(batch):
    return batch and [sequence_number(record) for record in batch.records]


def lane_with(count):
    lane = Lane()
    lane.records.extend(record(number) for number in range(count))
    return lane


class LaneTest(unittest.TestCase):
    def deliver(self, lane, now=NOW):
        return numbers(lane.next_batch(RULES, now))

    def test_batches_of_a_lane_follow_each_other(self):
        lane = lane_with(6)
        self.assertEqual(self.deliver(lane), ["0", "1", "2", "3"])
        self.assertIsNone(self.deliver(lane), "busy")
        lane.succeeded()
        self.assertEqual(self.deliver(lane), ["4", "5"])
        lane.succeeded()
        self.assertIsNone(self.deliver(lane))

    def test_failed_batch_is_split_and_retried_first(self):
        lane = lane_with(6)
        self.deliver(lane)
        self.assertIsNone(lane.failed(RULES, NOW))
        self.assertIsNone(self.deliver(lane), "paused")
        later = NOW + 1
        self.assertEqual(self.deliver(lane, later), ["0", "1"])
        lane.succeeded()
        self.assertEqual(self.deliver(lane, later), ["2", "3"])
        lane.succeeded()
        self.assertEqual(self.deliver(lane, later), ["4", "5"])

    def test_batch_is_retried_from_the_reported_record(self):
        lane = lane_with(4)
        self.deliver(lane)
        self.assertIsNone(lane.failed(RULES, NOW, "2"))
        self.assertEqual(self.deliver(lane, NOW + 1), ["2", "3"])

    def test_record_that_always_fails_is_given_up(self):
        lane = lane_with(1)
        for _ in range(2):
            self.deliver(lane, NOW + 9)
            self.assertIsNone(lane.failed(RULES, NOW, "0"))
        self.deliver(lane, NOW + 9)
        given_up, reason = lane.failed(RULES, NOW, "0")
        self.assertEqual((len(given_up), reason), (1, "RetryAttemptsExhausted"))
        self.assertIsNone(self.deliver(lane, NOW + 9))

    def test_mapping_may_have_no_retries_and_no_limit(self):
        limits = lambda **limits: Rules.of({**MAPPING, **limits}).most_retries
        self.assertEqual([limits(MaximumRetryAttempts=value) for value in (0, 3, -1, None)], [0, 3, None, None])
        lane = lane_with(1)
        self.deliver(lane)
        _, reason = lane.failed(Rules.of({**MAPPING, "MaximumRetryAttempts": 0}), NOW)
        self.assertEqual(reason, "RetryAttemptsExhausted")

    def test_failed_record_that_is_too_old_is_given_up(self):
        lane = lane_with(2)
        self.deliver(lane)
        given_up, reason = lane.failed(RULES, NOW + 61, "1")
        self.assertEqual((numbers(SimpleNamespace(records=given_up)), reason), (["1"], "MaxRecordAgeExceeded"))


class LaneOfTest(unittest.TestCase):
    def test_records_of_an_item_are_in_one_lane_and_items_in_several(self):
        self.assertEqual(lane_of(record(1), "pk", 4), lane_of(record(2), "pk", 4))
        of_a_partition = {lane_of(record(0, str(sort)), "pk", 4) for sort in range(100)}
        self.assertEqual(len(of_a_partition), 4, "the lanes of one shard")
        of_partitions = {lane_of(record(0, "a", str(partition)), "pk", 4) for partition in range(100)}
        self.assertEqual({shard for shard, _ in of_partitions}, {0, 1})


class Service:
    """ministack's parts that the poller uses, and a function that fails or waits as a test wants."""

    ArnParseError = ValueError

    def __init__(self, function):
        self.function = function
        self.records = []
        self.given_up = []
        self.delivered = []
        self.ages = []
        self._request_account_id = self._request_region = SimpleNamespace(set=lambda _: None, reset=lambda _: None)
        self._dynamodb_stream_positions = {}
        self._dynamodb_stream_positions_lock = threading.Lock()
        self.logger = SimpleNamespace(warning=lambda *_: None)
        table = {"LatestStreamArn": MAPPING["EventSourceArn"], "pk_name": "pk"}
        dynamodb = SimpleNamespace(
            _tables={"t": table},
            stream_start_position=lambda _: 0,
            stream_end_position=lambda _: len(self.records),
            stream_records_since=lambda _, first, count: self.records[first:first + count],
        )
        self.streams = Streams(dynamodb, self, self)

    def record_metric(self, namespace, name, value, unit, dimensions):
        self.ages.append((name, round(value), dimensions))

    def parse_arn(self, _):
        return SimpleNamespace(service="dynamodb", account_id="0", region="r")

    def get_account_id(self):
        return "0"

    def get_region(self):
        return "r"

    def _iter_all_esms(self):
        return [("0", "r", dict(MAPPING))]

    def _dynamodb_stream_table_from_arn_spec(self, _):
        return "t", "1"

    def _get_func_record_for_qualifier(self, _name, _qualifier):
        return {}, {}

    def _apply_filter_criteria(self, records, _):
        return records

    def _dispatch_esm_batch(self, _uuid, deliver, *arguments):
        threading.Thread(target=deliver, args=arguments, daemon=True).start()

    def _send_ddb_stream_failure_record(self, _mapping, _function, batch, _arn, _result, condition):
        self.given_up.append((batch, condition))

    def _execute_function(self, _, event):
        result = self.function(event["Records"])
        if not result.get("error") and not result.get("body"):
            self.delivered += map(sequence_number, event["Records"])
        return result

    def poll_until(self, condition):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, self.delivered
            self.streams.poll()
            time.sleep(0.001)


class StreamsTest(unittest.TestCase):
    def test_blocked_item_holds_only_the_records_of_its_lane(self):
        free = threading.Event()
        blocked = record(0, "blocked")

        def function(records):
            if blocked in records:
                free.wait()
            return {}

        service = Service(function)
        service.records = [blocked, *(record(number, str(number)) for number in range(1, 40)), record(40, "blocked")]
        same_lane = [r for r in service.records if lane_of(r, "pk", 4) == lane_of(blocked, "pk", 4)]
        service.poll_until(lambda: len(service.delivered) == len(service.records) - len(same_lane))
        free.set()
        service.poll_until(lambda: len(service.delivered) == len(service.records))
        self.assertLess(service.delivered.index("0"), service.delivered.index("40"), "one item in order")
        self.assertLess(service.delivered.index("39" if "39" not in map(sequence_number, same_lane) else "38"),
                        service.delivered.index("0"), "another item overtakes")

    def test_every_record_is_delivered_once_although_batches_fail(self):
        failing = iter([True, False, True, False])

        def function(records):
            if next(failing, False):
                return {"body": {"batchItemFailures": [{"itemIdentifier": sequence_number(records[0])}]}}
            return {}

        service = Service(function)
        service.records = [record(number, str(number % 7), at=time.time()) for number in range(30)]
        service.poll_until(lambda: len(service.delivered) >= 30)
        self.assertEqual(sorted(map(int, service.delivered)), list(range(30)))
        of_one_item = [number for number in service.delivered if int(number) % 7 == 3]
        self.assertEqual(of_one_item, sorted(of_one_item, key=int))
        self.assertEqual(service.given_up, [])

    def test_throttled_batch_is_neither_split_nor_counted(self):
        throttles = iter([True] * 2)
        batches = []

        def function(records):
            batches.append(len(records))
            return {"error": True, "throttle": True} if next(throttles, False) else {}

        service = Service(function)
        service.records = [record(number) for number in range(3)]
        service.poll_until(lambda: service.delivered)
        self.assertEqual(batches, [3, 3, 3])

    def test_old_record_goes_to_the_destination(self):
        service = Service(lambda _: {"error": True})
        service.records = [record(0)]
        service.poll_until(lambda: service.given_up)
        self.assertEqual(service.given_up, [([record(0)], "MaxRecordAgeExceeded")])


if __name__ == "__main__":
    unittest.main()
