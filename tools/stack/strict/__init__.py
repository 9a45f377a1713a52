"""Makes ministack, an emulator of AWS, as strict as AWS where AWS's limits decide whether a program works.

Everything that this package changes is listed in `apply` with what it adds, but for missing objects of S3, which objects.py hides
from callers without the permission; each module names its sources. A module only needs ministack's modules and nothing of this
project, so that each could be contributed to ministack.

What a test can ask for: a smaller quota of messages in flight, by a tag of the queue (queues.py), and refused requests to DynamoDB,
by an action that only the administrator may call (refusals.py). The tests in Rust do so with `tests/src/harness/emulator.rs`.

Limits that ministack itself has, and on which tests rely: 25 writes in a BatchWriteItem; 100 members of a transaction, and 4 MB; two
members on the same item; 400 KB for an item; 25 statements in a batch; 10 messages in a batch, with different ids.
"""

import json

from . import alarms, chains, event_bus, http_api, items, logs, metric_filters, objects, queues, reads, signed_urls, statements
from .capacity import READ_COUNTERS, Meter
from .conflicts import Transactions
from .refusals import REFUSE, Refusals
from .streams import Streams


def apply(app, services, iam_actions, resources, caller):
    """Applies all changes to ministack's application, to the modules of its services (by their names in `services`), and to its
    CloudFormation resources. `caller` returns the name of the function or user whose request is handled."""
    dynamodb, sqs, lambda_svc = services.dynamodb, services.sqs, services.lambda_svc
    cloudwatch, cloudwatch_logs = services.cloudwatch, services.cloudwatch_logs
    # API Gateway: how the path of a request is decoded, the throttle of each route, and the access log.
    http_api.apply(app, services.apigateway, cloudwatch_logs, cloudwatch, resources)
    # CloudFront: the signatures of requests to a distribution that trusts key groups.
    signed_urls.require_signatures(services.cloudfront)
    # CloudWatch: the metrics of log lines, of functions, queues and APIs, so that their alarms ring.
    alarms.apply(cloudwatch, sqs)
    alarms.count_failed_invocations(lambda_svc, cloudwatch)
    metric_filters.apply(cloudwatch_logs, cloudwatch)
    # Lambda: the format and the level of logs.
    logs.apply(lambda_svc, cloudwatch_logs)
    # SQS: characters, sizes, delays and numbers of attributes of the messages that are sent.
    queues.check_sent_messages(sqs)
    # SQS: 120,000 messages in flight.
    queues.limit_messages_in_flight(sqs)
    # SQS: the visibility of a message that is in flight, for up to 12 hours.
    queues.check_changed_visibility(sqs)
    # SQS: the permissions of batch calls.
    queues.check_batches_by_single_permissions(iam_actions)
    # EventBridge: the sizes of events, the bus of a rule, and the policies of the queues that rules deliver to.
    event_bus.check_events(services.eventbridge)
    event_bus.rules_need_their_bus(services.eventbridge, resources)
    event_bus.deliver_by_queue_policies(services.eventbridge, sqs)
    # Lambda: recursive loops through queues end after 16 invocations, unless the template allows them.
    chains.keep_trace_headers(sqs)
    chains.stop_recursive_loops(lambda_svc, cloudwatch)
    chains.set_recursive_loop_by_template(resources, lambda_svc)
    # Lambda: several shards and lanes of a stream, and the limits of its retries.
    lambda_svc._poll_dynamodb_streams = Streams(dynamodb, lambda_svc, cloudwatch).poll
    # S3: Object Lock by the template, and the checksums that it needs.
    objects.lock_by_template(resources, services.s3)
    objects.require_checksums_of_locked_objects(services.s3)
    # DynamoDB: 100 keys, and 1 MB of a partition, in a BatchGetItem.
    reads.limit_batch_reads(dynamodb)
    # DynamoDB: the permissions of statements in PartiQL.
    statements.check_statements_by_their_permissions(dynamodb, iam_actions)
    # DynamoDB: the names of attributes and the lengths of keys; conflicts of transactions, capacity units, and refusals that a test asks for.
    handle_requests(dynamodb, caller)


def handle_requests(dynamodb, caller):
    """Executes each request to DynamoDB with refusals.py, capacity.py and conflicts.py around it. A request that is refused because
    a table is too slow consumes nothing."""
    handle = dynamodb.handle_request
    meter, transactions, refusals = Meter(dynamodb, caller), Transactions(dynamodb), Refusals(dynamodb)
    own_actions = {READ_COUNTERS: meter.report, REFUSE: refusals.change}

    async def handle_request(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            data = None
        if not isinstance(data, dict):
            return await handle(method, path, headers, body, query_params)
        if own_action := own_actions.get(action):
            return own_action(data)
        if problem := items.problem_of(dynamodb, action, data):
            return dynamodb.error_response_json("ValidationException", problem, 400)

        async def execute(request):
            return await meter.execute(action, request, lambda: transactions.execute(action, request, send))

        async def send(request):
            sent = body if request is data else json.dumps(request).encode()
            return await handle(method, path, headers, sent, query_params)

        return await refusals.execute(action, data, execute)

    dynamodb.handle_request = handle_request
