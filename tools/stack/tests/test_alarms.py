"""When the alarms of AWS's own metrics ring."""

import types
import unittest

from ministack.services import cloudwatch, sqs

from strict import alarms, logs
from support import call_sqs, restore_after


class AlarmsTest(unittest.TestCase):
    def setUp(self):
        restore_after(self, cloudwatch)
        for service in (cloudwatch, sqs):
            self.addCleanup(service.reset)
        alarms.apply(cloudwatch, sqs)

    def alarm(self, namespace, metric, dimensions, **more):
        alarm = {
            "AlarmName": "alarm", "AlarmArn": "arn:alarm", "Namespace": namespace, "MetricName": metric, "Statistic": "Maximum",
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()], "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold", "Period": 60, "EvaluationPeriods": 3,
            "StateValue": "INSUFFICIENT_DATA", "ActionsEnabled": False, **more,
        }
        cloudwatch._alarms["alarm"] = alarm

    def state(self):
        cloudwatch._describe_alarms({}, {}, False)
        return cloudwatch._alarms["alarm"]["StateValue"]

    def test_value_of_another_dimension_does_not_count(self):
        self.alarm("AWS/Lambda", "Errors", {"FunctionName": "send"})
        cloudwatch.record_metric("AWS/Lambda", "Errors", 1, "Count", {"FunctionName": "other"})
        self.assertEqual(self.state(), "INSUFFICIENT_DATA")
        cloudwatch.record_metric("AWS/Lambda", "Errors", 0, "Count", {"FunctionName": "send"})
        self.assertEqual(self.state(), "OK")
        cloudwatch.record_metric("AWS/Lambda", "Errors", 1, "Count", {"FunctionName": "send"})
        self.assertEqual(self.state(), "ALARM")

    def test_queue_is_measured_when_its_alarm_is_described(self):
        url = call_sqs(sqs, "CreateQueue", QueueName="letters")["QueueUrl"]
        self.alarm("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "letters"})
        self.assertEqual(self.state(), "OK")
        call_sqs(sqs, "SendMessage", QueueUrl=url, MessageBody="letter")
        self.assertEqual(self.state(), "ALARM")

    def test_age_is_that_of_the_oldest_message_received_less_than_three_times(self):
        url = call_sqs(sqs, "CreateQueue", QueueName="lane")["QueueUrl"]
        self.alarm("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "lane"}, Threshold=300)
        for _ in range(2):
            call_sqs(sqs, "SendMessage", QueueUrl=url, MessageBody="message")
        old, new = sqs._queues[url]["messages"]
        old["sent_at"] -= 301
        old["receive_count"] = 3
        self.assertEqual(self.state(), "OK")
        new["sent_at"] -= 301
        self.assertEqual(self.state(), "ALARM")

    def test_failed_invocation_counts_once_whatever_invoked_the_function(self):
        counted = []
        recorder = types.SimpleNamespace(record_metric=lambda *metric: counted.append(metric[1:3]))
        answers = iter([{"error": True}, {"body": {}}, {"throttle": True}])
        service = types.SimpleNamespace(
            _execute_function_dispatch=lambda function, config, *more: next(answers),
            _emit_lambda_metrics=lambda name, duration_ms, error, throttle: counted.append((name, error)),
        )
        alarms.count_failed_invocations(service, recorder)
        for _ in range(3):
            service._execute_function_dispatch({}, {"FunctionName": "send"}, {})
        service._emit_lambda_metrics("direct", duration_ms=1, error=True, throttle=False)
        self.assertEqual(counted, [("Errors", 1), ("Errors", 0), ("direct", False)])


class LogsTest(unittest.TestCase):
    def test_function_gets_the_format_and_the_level(self):
        variables = logs.log_variables({"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "WARN"}})
        self.assertEqual(variables, {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"})
        self.assertEqual(logs.log_variables({}), {"AWS_LAMBDA_LOG_FORMAT": "Text"})

    def test_platform_lines_below_the_system_level_are_left_out(self):
        written = []

        def emit(function, *_more):
            service_logs._append_log_events(None, [{"message": "START RequestId: 1"}, {"message": '{"level":"INFO"}'}])

        service = types.SimpleNamespace(_runtime_env_vars=lambda config: {}, _emit_lambda_logs=emit)
        service_logs = types.SimpleNamespace(
            _append_log_events=lambda stream, events: written.append([event["message"] for event in events]),
            _fanout_to_subscription_filters=lambda group, stream, events: None,
        )
        logs.apply(service, service_logs)
        for level in ("WARN", "INFO"):
            service._emit_lambda_logs({"config": {"LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": level}}})
        self.assertEqual(written, [['{"level":"INFO"}'], ["START RequestId: 1", '{"level":"INFO"}']])


if __name__ == "__main__":
    unittest.main()
