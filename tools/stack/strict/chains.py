"""Stops a function that invokes itself through a queue, as Lambda does after about 16 invocations in a row.

Lambda passes a trace header to each invocation, the AWS SDK adds it to the invocation's requests, SQS stores it with the messages
that they send, and Lambda continues the chain when such a message invokes a function. ministack does not store the header, and
counts only direct invocations of functions in Python and Node.js. Sources: AWS Lambda Developer Guide, "Use Lambda recursive loop
detection to prevent infinite loops"; AWS X-Ray Developer Guide, "Amazon SQS and AWS X-Ray" (the header, which does not count as
part of the message, and the system attribute, which takes precedence).

AWS does not document how it counts a batch whose messages belong to several chains. Here the invocation continues the chain with
the most invocations of its function, which is the worst case. Chains through DynamoDB, EventBridge and API Gateway end there, as
on AWS. Not emulated: chains through SNS and S3, which the project does not use.
"""

import secrets
import time
import zlib
from contextvars import ContextVar

# AWS says "approximately 16 times".
MOST_INVOCATIONS = 16
TRACE_HEADER = "x-amzn-trace-id"
LINEAGE = "Lineage="

# The trace header of the request to SQS that is handled.
sent_with = ContextVar("sent_with", default=None)
# The trace header of the messages that invoke a function.
invoked_with = ContextVar("invoked_with", default=None)


def invocations(header):
    """The number of invocations of each function in a chain, by the function's checksum.

    Lambda keeps them in the header's part Lineage, whose form is not documented. Here it is `Lineage=1:CHECKSUM:COUNT|...`."""
    parts = [part for part in (header or "").split(";") if part.startswith(LINEAGE)]
    counts = {}
    for entry in "".join(parts).removeprefix(LINEAGE).split("|"):
        _, _, rest = entry.partition(":")
        function, _, count = rest.partition(":")
        if count.isdigit():
            counts[function] = int(count)
    return counts


def checksum(function_arn):
    return f"{zlib.crc32(function_arn.encode()):08x}"


def longest(headers, function_arn):
    """The header with the most invocations of a function, or None without a header."""
    return max(headers, key=lambda header: invocations(header).get(checksum(function_arn), 0), default=None)


def continued(header, function_arn, is_sampled):
    """The header of an invocation that continues a chain, or begins one if there is no header."""
    counts = invocations(header)
    function = checksum(function_arn)
    counts[function] = counts.get(function, 0) + 1
    lineage = "|".join(f"1:{name}:{count}" for name, count in counts.items())
    root = (header or "").partition(";")[0]
    if not root.startswith("Root="):
        root = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"{root};Parent={secrets.token_hex(8)};Sampled={int(is_sampled)};{LINEAGE}{lineage}"


def keep_trace_headers(sqs):
    """Stores the trace header of a request with the messages that it sends."""
    handle = sqs.handle_request
    build = sqs._build_send_sys_attrs

    async def handle_request(method, path, headers, body, query_params):
        sent_with.set(headers.get(TRACE_HEADER))
        return await handle(method, path, headers, body, query_params)

    def build_attributes(now, given):
        attributes = build(now, given)
        if header := sent_with.get():
            attributes.setdefault("AWSTraceHeader", header)
        return attributes

    sqs.handle_request = handle_request
    sqs._build_send_sys_attrs = build_attributes


def stop_recursive_loops(lambda_svc, cloudwatch):
    """Continues chains, and drops a batch whose chain has invoked the function too often. Its messages stay on the queue: they are
    dropped again when they are visible, until the queue's redrive policy moves them."""
    run_batch = lambda_svc._run_sqs_batch

    def trace_header(config, inbound=None):
        is_sampled = (config.get("TracingConfig") or {}).get("Mode") == "Active"
        return continued(inbound or invoked_with.get(), unqualified(config["FunctionArn"]), is_sampled)

    def run_sqs_batch(mapping, function, event, batch, queue_url, queue_name):
        headers = [record["attributes"].get("AWSTraceHeader") for record in event["Records"]]
        arn = unqualified(function["config"]["FunctionArn"])
        chain = longest([header for header in headers if header], arn)
        name = mapping["FunctionName"]
        count = invocations(chain).get(checksum(arn), 0)
        if count >= MOST_INVOCATIONS and recursive_loop(lambda_svc, name) != "Allow":
            mapping["LastProcessingResult"] = "PROBLEM: RecursiveInvocationException"
            cloudwatch.record_metric("AWS/Lambda", "RecursiveInvocationsDropped", 1, "Count", {"FunctionName": name})
            lambda_svc.logger.warning(
                "ESM: Lambda dropped an invocation of %s, a recursive loop through %s: %d messages stay on the queue",
                name, queue_name, len(batch),
            )
            return
        # Each batch runs in a separate context.
        invoked_with.set(chain)
        run_batch(mapping, function, event, batch, queue_url, queue_name)

    lambda_svc._xray_trace_id_for_invocation = trace_header
    lambda_svc._run_sqs_batch = run_sqs_batch


def unqualified(arn):
    """The ARN of the function, of which all versions and aliases are one in a chain."""
    return ":".join(arn.split(":")[:7])


def recursive_loop(lambda_svc, name):
    # The setting is one of the function and not of its versions.
    return lambda_svc._functions.get(name, {}).get("recursive_loop")


def set_recursive_loop_by_template(resources, lambda_svc):
    """Applies the property RecursiveLoop of `AWS::Lambda::Function`, which ministack ignores."""
    function = resources["AWS::Lambda::Function"]
    create, update = function["create"], function["update"]

    def apply(result, properties):
        lambda_svc._functions[result[0]]["recursive_loop"] = properties.get("RecursiveLoop", "Terminate")
        return result

    def create_function(logical_id, properties, stack):
        return apply(create(logical_id, properties, stack), properties)

    def update_function(physical_id, old, new, stack, *rest, **named):
        return apply(update(physical_id, old, new, stack, *rest, **named), new)

    function["create"], function["update"] = create_function, update_function
