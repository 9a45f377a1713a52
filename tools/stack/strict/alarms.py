"""Rings the alarms of metrics that AWS's services record themselves.

ministack evaluates an alarm only when a metric is put by CloudWatch's API, and without regard to the metric's dimensions. It records
no metric of SQS and API Gateway, and a failed invocation only if it was a direct one. Here an alarm is evaluated with each value of
its metric, and the metrics of a queue are measured when alarms are described. Sources: AWS Lambda Developer Guide, "Types of metrics
for Lambda functions" (`Errors`, `Throttles`, `IteratorAge`); Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS";
Amazon API Gateway Developer Guide, "Monitor CloudWatch metrics for HTTP APIs".

As in ministack all periods of an alarm are one: it rings with the first value beyond its threshold, where AWS waits until each of the
last `EvaluationPeriods` has one, and stays in its state until the next value. An alarm without any value keeps its state.
"""

import operator
import time

COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
# "Messages that were received three times or more, and not deleted, are ignored for the age."
RECEIVES_THAT_COUNT = 3


def apply(cloudwatch, sqs):
    record = cloudwatch.record_metric
    describe = cloudwatch._describe_alarms

    def record_metric(namespace, name, value, unit="None", dimensions=None):
        record(namespace, name, value, unit, dimensions)
        for alarm in alarms_of(cloudwatch, namespace, name, dimensions or {}):
            evaluate(cloudwatch, alarm)

    def describe_alarms(*request):
        for alarm in list(cloudwatch._alarms.values()):
            if alarm.get("Namespace") == "AWS/SQS":
                measure(cloudwatch, sqs, alarm)
        return describe(*request)

    cloudwatch.record_metric = record_metric
    cloudwatch._describe_alarms = describe_alarms
    cloudwatch._evaluate_alarm = lambda alarm: evaluate(cloudwatch, alarm)


def count_failed_invocations(lambda_svc, cloudwatch):
    """Records `Errors` of every invocation, also of those by a queue, a stream or an API."""
    dispatch = lambda_svc._execute_function_dispatch
    emit = lambda_svc._emit_lambda_metrics

    def execute(function, config, *more):
        result = dispatch(function, config, *more)
        if isinstance(result, dict) and not result.get("throttle"):
            failed = 1 if result.get("error") else 0
            cloudwatch.record_metric("AWS/Lambda", "Errors", failed, "Count", {"FunctionName": config["FunctionName"]})
        return result

    def emit_others(name, duration_ms, error, throttle):
        emit(name, duration_ms=duration_ms, error=False, throttle=throttle)

    lambda_svc._execute_function_dispatch = execute
    lambda_svc._emit_lambda_metrics = emit_others


def alarms_of(cloudwatch, namespace, name, dimensions):
    """The alarms of a metric. An alarm without dimensions is for the values without any."""
    metric = (namespace, name, dimensions)
    return [alarm for alarm in list(cloudwatch._alarms.values()) if metric_of(cloudwatch, alarm) == metric]


def metric_of(cloudwatch, alarm):
    dimensions = cloudwatch._dims_from_list(alarm.get("Dimensions") or [])
    return alarm.get("Namespace"), alarm.get("MetricName"), dimensions


def evaluate(cloudwatch, alarm):
    compare = COMPARISONS.get(alarm.get("ComparisonOperator"))
    value = value_of(cloudwatch, alarm)
    if compare is None or value is None:
        return
    before, threshold = alarm["StateValue"], float(alarm.get("Threshold", 0))
    state = "ALARM" if compare(value, threshold) else "OK"
    if state == before:
        return
    reason = f"Threshold Crossed: {alarm['MetricName']} {value} {alarm['ComparisonOperator']} {threshold}"
    alarm |= {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def value_of(cloudwatch, alarm):
    """The statistic of the last periods together, or None without a value."""
    namespace, name, dimensions = metric_of(cloudwatch, alarm)
    since = time.time() - alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1)
    points = cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions)), [])
    recent = [point for point in list(points) if point["Timestamp"] >= since]
    if not recent:
        return None
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    return cloudwatch._stat_value(cloudwatch._calc_stats(recent), statistic, recent)


def measure(cloudwatch, sqs, alarm):
    """Records the metric of the alarm's queue."""
    namespace, name, dimensions = metric_of(cloudwatch, alarm)
    queue = sqs._queues.get(sqs._queue_name_to_url.get(dimensions.get("QueueName")))
    if queue is None:
        return
    now, messages = time.time(), list(queue["messages"])
    if name == "ApproximateNumberOfMessagesVisible":
        value = sum(message["visible_at"] <= now for message in messages)
    else:
        counted = [message for message in messages if message.get("receive_count", 0) < RECEIVES_THAT_COUNT]
        value = max((now - message.get("enqueued_at", message["sent_at"]) for message in counted), default=0)
    cloudwatch.record_metric(namespace, name, value, "None", dimensions)
