"""Counts the log lines that a metric filter matches, so that a test sees whether an alarm rings.

ministack stores metric filters without evaluating them. Here each line that a filter matches is a value of its metric. Source:
Amazon CloudWatch Logs User Guide, "Filter pattern syntax for metric filters" and "Using filter patterns to match terms in JSON log
events". Here are the patterns for JSON: comparisons, `IS`, `NOT EXISTS`, `&&`, `||` and parentheses. Other patterns, and regular
expressions, are refused when the filter is created. A value with a dimension whose field the line does not have is not recorded.
"""

import functools
import json
import re

TOKEN = re.compile(r"""(&&|\|\||!=|<=|>=|[(){}=<>]|"(?:[^"\\]|\\.)*"|[^\s(){}=<>!&|"]+)""")
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


def apply(cloudwatch_logs, cloudwatch):
    """Records the metrics of each line that is written to a log group, and checks the patterns."""
    put = cloudwatch_logs._put_metric_filter
    fan_out = cloudwatch_logs._fanout_to_subscription_filters

    def put_metric_filter(data):
        try:
            compiled(data.get("filterPattern", ""))
        except ValueError as error:
            return cloudwatch_logs.error_response_json("InvalidParameterException", str(error), 400)
        return put(data)

    def fan_out_and_count(group, stream, events):
        filters = [one for one in cloudwatch_logs._metric_filters.values() if one["logGroupName"] == group]
        for event in events if filters else []:
            record(cloudwatch, filters, event["message"])
        fan_out(group, stream, events)

    cloudwatch_logs._put_metric_filter = put_metric_filter
    # Every writer of lines calls it: the API of CloudWatch Logs, and the functions.
    cloudwatch_logs._fanout_to_subscription_filters = fan_out_and_count


def record(cloudwatch, filters, message):
    try:
        line = json.loads(message)
    except ValueError:
        return
    for one in filters:
        if not compiled(one["filterPattern"])(line):
            continue
        for metric in one["metricTransformations"]:
            value = metric["metricValue"]
            value = selected(line, value) if value.startswith("$") else value
            namespace, name = metric["metricNamespace"], metric["metricName"]
            dimensions = {key: selected(line, selector) for key, selector in metric.get("dimensions", {}).items()}
            if MISSING in dimensions.values():
                continue
            dimensions = {key: str(found) for key, found in dimensions.items()}
            cloudwatch.record_metric(namespace, name, value, metric.get("unit", "None"), dimensions)


@functools.cache
def compiled(pattern):
    """A function that says whether a parsed line matches the pattern."""
    parser = Parser(pattern)
    parser.expect("{")
    matches = parser.alternatives()
    parser.expect("}")
    return parser.fail() if parser.tokens else matches


class Parser:
    def __init__(self, pattern):
        self.pattern = pattern
        self.tokens = []
        rest = pattern.strip()
        while rest:
            token = TOKEN.match(rest) or self.fail()
            self.tokens.append(token[1])
            rest = rest[token.end():].lstrip()

    def fail(self):
        raise ValueError(f"Invalid filter pattern: {self.pattern}")

    def next(self):
        return self.tokens.pop(0) if self.tokens else self.fail()

    def accept(self, *expected):
        return self.next() if self.tokens and self.tokens[0] in expected else None

    def expect(self, *expected):
        return self.accept(*expected) or self.fail()

    def alternatives(self):
        parts = [self.conjunction()]
        while self.accept("||"):
            parts.append(self.conjunction())
        return lambda line: any(part(line) for part in parts)

    def conjunction(self):
        parts = [self.condition()]
        while self.accept("&&"):
            parts.append(self.condition())
        return lambda line: all(part(line) for part in parts)

    def condition(self):
        if self.accept("("):
            inner = self.alternatives()
            self.expect(")")
            return inner
        selector = self.next()
        if not selector.startswith("$."):
            self.fail()
        if self.accept("NOT"):
            self.expect("EXISTS")
            return lambda line: selected(line, selector) is MISSING
        if self.accept("IS"):
            expected = {"NULL": None, "TRUE": True, "FALSE": False}[self.expect("NULL", "TRUE", "FALSE")]
            return lambda line: selected(line, selector) is expected
        operator, value = self.expect(*COMPARISONS), self.next()
        return lambda line: compare(selected(line, selector), operator, value)


MISSING = object()


def selected(line, selector):
    """The value of a field, such as `$.fields.alarm`."""
    for name in selector.removeprefix("$.").split("."):
        if not isinstance(line, dict) or name not in line:
            return MISSING
        line = line[name]
    return line


def compare(found, operator, value):
    """Compares with a number if the pattern has one without quotes, else with a text, in which an asterisk is any text. A field that
    does not exist, or of another type, does not match."""
    number = None if value.startswith('"') else to_number(value)
    if number is not None:
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            return False
        return {
            "=": found == number, "!=": found != number, "<": found < number, "<=": found <= number,
            ">": found > number, ">=": found >= number,
        }[operator]
    if not isinstance(found, str) or operator not in ("=", "!="):
        return False
    text = json.loads(value) if value.startswith('"') else value
    is_equal = re.fullmatch(".*".join(map(re.escape, text.split("*"))), found, re.DOTALL) is not None
    return is_equal == (operator == "=")


def to_number(value):
    try:
        return float(value)
    except ValueError:
        return None
