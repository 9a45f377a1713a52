"""Delivers the records of a table's stream to functions as AWS does: by several shards, and several lanes in a shard.

ministack has one shard and gives a function one batch at a time, in the order of all writes, so that a function which depends on
this order seems to work. AWS spreads the items over shards by their partition keys, reads the shards independently, and delivers
up to `ParallelizationFactor` batches of a shard at the same time. Only the records of one item, by partition and sort key, are
delivered in order. Sources: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB" and "Configuring partial batch
response with DynamoDB and Lambda"; Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams".

Not emulated: the batching window, because it only delays a delivery.
"""

import json
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass

# AWS has a shard for each partition of a table. Two are enough for every effect that more have.
SHARDS = 2
PAUSE_AFTER_FAILURE_SECONDS = 1.0


@dataclass(frozen=True)
class Rules:
    """What an event source mapping says about its batches."""

    batch_size: int
    factor: int
    bisects: bool
    reports_failures: bool
    # None: without a limit.
    most_retries: int | None
    oldest_seconds: int | None

    @staticmethod
    def of(mapping):
        def limit(name):
            value = mapping.get(name)
            # A mapping without the limit has -1 or, depending on who created it, no value.
            return None if value is None or int(value) < 0 else int(value)

        return Rules(
            int(mapping.get("BatchSize") or 100),
            int(mapping.get("ParallelizationFactor") or 1),
            bool(mapping.get("BisectBatchOnFunctionError")),
            "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
            limit("MaximumRetryAttempts"),
            limit("MaximumRecordAgeInSeconds"),
        )


@dataclass
class Batch:
    records: list
    retries: int = 0


class Lane:
    """Records that are delivered one batch after the other. Records of an item are always in the same lane."""

    def __init__(self):
        self.records = deque()
        # Batches that failed, or parts of them, the oldest first.
        self.retried = deque()
        self.busy = False
        self.paused_until = 0.0

    def next_batch(self, rules, now):
        """The batch to deliver now, or None. The lane is busy until one of the next three methods is called."""
        # A pause that began before the clock was set back is over.
        is_paused = now < self.paused_until <= now + PAUSE_AFTER_FAILURE_SECONDS
        if self.busy or is_paused or not (self.retried or self.records):
            return None
        if not self.retried:
            count = min(rules.batch_size, len(self.records))
            self.retried.append(Batch([self.records.popleft() for _ in range(count)]))
        self.busy = True
        return self.retried[0]

    def succeeded(self):
        self.retried.popleft()
        self.busy = False

    def postponed(self, now):
        """The function had no free concurrency, which is no failure of the batch."""
        self.busy = False
        self.paused_until = now + PAUSE_AFTER_FAILURE_SECONDS

    def failed(self, rules, now, first_failed=None):
        """Prepares the retry of a batch. `first_failed` is the sequence number that the function reported. Returns the records
        that are given up, and the reason as Lambda names it, or None."""
        batch = self.retried.popleft()
        self.busy = False
        self.paused_until = now + PAUSE_AFTER_FAILURE_SECONDS
        numbers = [sequence_number(record) for record in batch.records]
        if first_failed in numbers:
            batch.records = batch.records[numbers.index(first_failed):]
        if rules.oldest_seconds and now - min(map(created, batch.records)) > rules.oldest_seconds:
            return batch.records, "MaxRecordAgeExceeded"
        if rules.bisects and first_failed not in numbers and len(batch.records) > 1:
            half = len(batch.records) // 2
            # Splitting a batch is no retry.
            self.retried.extendleft([Batch(batch.records[half:], batch.retries), Batch(batch.records[:half], batch.retries)])
            return None
        batch.retries += 1
        if rules.most_retries is not None and batch.retries > rules.most_retries:
            return batch.records, "RetryAttemptsExhausted"
        self.retried.appendleft(batch)
        return None


def sequence_number(record):
    return record["dynamodb"]["SequenceNumber"]


def created(record):
    return float(record["dynamodb"].get("ApproximateCreationDateTime") or time.time())


def lane_of(record, partition_key, factor):
    """The shard of a record's item, and the lane in the shard."""
    keys = record["dynamodb"]["Keys"]
    return checksum(keys[partition_key]) % SHARDS, checksum(keys) % factor


def checksum(value):
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def first_failure(result, records):
    """The first failed record's sequence number that the function's response reports, "" if the whole batch failed, or None.
    Lambda retries from the lowest number, and the whole batch if a number is none of the batch."""
    body = result.get("body")
    failures = body.get("batchItemFailures") if isinstance(body, dict) else None
    if not failures:
        return None
    reported = {failure.get("itemIdentifier") for failure in failures}
    numbers = [sequence_number(record) for record in records]
    return next((number for number in numbers if number in reported), "") if reported <= set(numbers) else ""


class Reader:
    """The lanes of one event source mapping."""

    def __init__(self):
        self.lanes = {}

    def distribute(self, records, partition_key, rules):
        for record in records:
            self.lanes.setdefault(lane_of(record, partition_key, rules.factor), Lane()).records.append(record)


class Streams:
    """Replaces ministack's poller of streams."""

    def __init__(self, dynamodb, lambda_svc, cloudwatch):
        self.dynamodb = dynamodb
        self.service = lambda_svc
        self.cloudwatch = cloudwatch
        self.readers = {}
        self.lock = threading.Lock()

    def poll(self):
        """Starts the delivery of everything that can be delivered now. Returns whether there was anything."""
        mappings = list(self.service._iter_all_esms())
        existing = {mapping["UUID"] for _, _, mapping in mappings}
        self.readers = {uuid: reader for uuid, reader in self.readers.items() if uuid in existing}
        delivered = False
        for account, region, mapping in mappings:
            account_token = self.service._request_account_id.set(account)
            region_token = self.service._request_region.set(region)
            try:
                delivered = self.poll_mapping(mapping) or delivered
            finally:
                self.service._request_account_id.reset(account_token)
                self.service._request_region.reset(region_token)
        return delivered

    def poll_mapping(self, mapping):
        name = self.table_name(mapping)
        table = self.dynamodb._tables.get(name) if name else None
        if not table or table.get("LatestStreamArn") != mapping["EventSourceArn"] or not mapping.get("Enabled", True):
            return False
        function, _ = self.service._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
        if function is None:
            return False
        rules = Rules.of(mapping)
        reader = self.readers.setdefault(mapping["UUID"], Reader())
        with self.lock:
            reader.distribute(self.new_records(mapping, name), table["pk_name"], rules)
            now = time.time()
            due = [(lane, batch) for lane in reader.lanes.values() if (batch := lane.next_batch(rules, now))]
        for lane, batch in due:
            self.service._dispatch_esm_batch(mapping["UUID"], self.deliver, mapping, rules, function, lane, batch.records)
        return bool(due)

    def table_name(self, mapping):
        try:
            source = self.service.parse_arn(mapping.get("EventSourceArn", ""))
        except self.service.ArnParseError:
            return None
        scope = (self.service.get_account_id(), self.service.get_region())
        if source.service != "dynamodb" or (source.account_id, source.region) != scope:
            return None
        table_and_label = self.service._dynamodb_stream_table_from_arn_spec(source)
        return table_and_label and table_and_label[0]

    def new_records(self, mapping, table_name):
        """The records since the last call that pass the mapping's filter."""
        positions = self.service._dynamodb_stream_positions
        horizon = self.dynamodb.stream_start_position(table_name)
        end = self.dynamodb.stream_end_position(table_name)
        with self.service._dynamodb_stream_positions_lock:
            first = horizon if mapping.get("StartingPosition") == "TRIM_HORIZON" else end
            position = max(positions.get(mapping["UUID"], first), horizon)
            positions[mapping["UUID"]] = end
        records = self.dynamodb.stream_records_since(table_name, position, end - position)
        return self.service._apply_filter_criteria(records, mapping)

    def deliver(self, mapping, rules, function, lane, records):
        # The age of the last record of the batch (AWS Lambda Developer Guide, "Types of metrics for Lambda functions").
        age = max(time.time() - created(records[-1]), 0) * 1000
        dimensions = {"FunctionName": mapping["FunctionName"]}
        self.cloudwatch.record_metric("AWS/Lambda", "IteratorAge", age, "Milliseconds", dimensions)
        try:
            result = self.service._execute_function(function, {"Records": records})
        except Exception as exception:
            result = {"error": True, "body": {"errorMessage": str(exception)}}
        if result.get("throttle"):
            with self.lock:
                lane.postponed(time.time())
            return
        reported = first_failure(result, records) if rules.reports_failures else None
        if not result.get("error") and reported is None:
            mapping["LastProcessingResult"] = f"OK - {len(records)} records"
            with self.lock:
                lane.succeeded()
            return
        mapping["LastProcessingResult"] = "FAILED"
        self.service.logger.warning(
            "ESM: Lambda %s failed processing DynamoDB stream batch from %s (%s)\n%s",
            mapping["FunctionName"], mapping["EventSourceArn"], result.get("body"), result.get("log", ""),
        )
        with self.lock:
            given_up = lane.failed(rules, time.time(), reported)
        if given_up:
            source = mapping["EventSourceArn"]
            self.service._send_ddb_stream_failure_record(mapping, function, given_up[0], source, result, given_up[1])
