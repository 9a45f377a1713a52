"""Which log lines a metric filter matches."""

import json
import unittest

from ministack.services import cloudwatch, cloudwatch_logs

from strict import metric_filters
from support import restore_after

LINE = {"level": "ERROR", "fields": {"alarm": "paused", "lag_seconds": 90, "status": "429", "is_late": True, "none": None}}


class MetricFiltersTest(unittest.TestCase):
    def test_line_matches_by_the_fields_of_the_pattern(self):
        for pattern, expected in [
            ('{ $.fields.alarm = "*" }', True),
            ('{ $.fields.alarm = "paused" }', True),
            ('{ $.fields.alarm = "pause" }', False),
            ('{ $.fields.alarm = "pau*" }', True),
            ('{ $.fields.alarm = pau* }', True),
            ('{ $.fields.alarm != "pau*" }', False),
            ('{ $.fields.alarm != "repeated" }', True),
            ('{ $.fields.other = "*" }', False),
            # A field that does not exist is neither equal nor unequal.
            ('{ $.fields.other != "x" }', False),
            ('{ $.fields.lag_seconds >= 90 }', True),
            ('{ $.fields.lag_seconds > 90 }', False),
            ('{ $.fields.lag_seconds = "90" }', False),
            ('{ $.fields.status = "429" }', True),
            ('{ $.fields.status = "4*" }', True),
            ('{ $.fields.status = 429 }', False),
            ('{ $.fields.is_late IS TRUE }', True),
            ('{ $.fields.none IS NULL }', True),
            ('{ $.fields.other NOT EXISTS }', True),
            ('{ $.fields.alarm NOT EXISTS }', False),
            ('{ $.level = "INFO" || $.level = "ERROR" && $.fields.lag_seconds < 90 }', False),
            ('{ ($.level = "INFO" || $.level = "ERROR") && $.fields.lag_seconds < 91 }', True),
        ]:
            self.assertEqual(metric_filters.compiled(pattern)(LINE), expected, pattern)

    def test_invalid_pattern_is_refused(self):
        for pattern in ("", "ERROR", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ a = 1 }", "{ $.a = 1 } x", "{ $.a == 1 }"):
            with self.assertRaises(ValueError, msg=pattern):
                metric_filters.compiled(pattern)

    def test_written_line_is_counted_with_its_value(self):
        restore_after(self, cloudwatch_logs)
        for service in (cloudwatch, cloudwatch_logs):
            self.addCleanup(service.reset)
        metric_filters.apply(cloudwatch_logs, cloudwatch)
        cloudwatch_logs._create_log_group({"logGroupName": "group"})
        cloudwatch_logs._create_log_stream({"logGroupName": "group", "logStreamName": "stream"})
        metric = {"metricNamespace": "stack", "metricName": "Lag", "metricValue": "$.fields.lag_seconds"}
        filtered = {"logGroupName": "group", "filterName": "lag", "metricTransformations": [metric]}
        status, _, body = cloudwatch_logs._put_metric_filter({**filtered, "filterPattern": "lag"})
        self.assertEqual((status, json.loads(body)["__type"]), (400, "InvalidParameterException"))
        cloudwatch_logs._put_metric_filter({**filtered, "filterPattern": "{ $.fields.lag_seconds >= 0 }"})
        lines = [json.dumps(LINE), "START RequestId", json.dumps({"fields": {}})]
        events = [{"timestamp": 1, "message": line} for line in lines]
        cloudwatch_logs._put_log_events({"logGroupName": "group", "logStreamName": "stream", "logEvents": events})
        values = [point["Value"] for points in cloudwatch._metrics.values() for point in points]
        self.assertEqual(values, [90])

    def test_value_has_the_dimension_that_its_line_has(self):
        metric = {
            "metricNamespace": "stack", "metricName": "Sends", "metricValue": "1",
            "dimensions": {"status": "$.fields.status"},
        }
        self.addCleanup(cloudwatch.reset)
        filters = [{"filterPattern": "{ $.level = * }", "metricTransformations": [metric]}]
        for line in (LINE, {"level": "INFO", "fields": {}}):
            metric_filters.record(cloudwatch, filters, json.dumps(line))
        points = [point for points in cloudwatch._metrics.values() for point in points]
        self.assertEqual([point["Dimensions"] for point in points], [{"status": "429"}])


if __name__ == "__main__":
    unittest.main()
