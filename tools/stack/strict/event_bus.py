"""EventBridge: what PutEvents accepts, on which bus a rule may be, and to which queues a rule delivers.

ministack accepts entries of any size and delivers to every queue, so that a program or a template seems to work that does not on AWS.
Sources: Amazon EventBridge API Reference, "PutEvents" (at most 10 entries, whose total size is less than 1 MB; an entry needs Source,
DetailType and Detail; an integer of the Detail has 64 bits with a sign), "PutEventsResultEntry" (MalformedDetail, InvalidArgument),
"PutRule" (ResourceNotFoundException) and "DeleteEventBus"; Amazon EventBridge User Guide, "Calculating PutEvents event entry size",
"Amazon SQS permissions" (a queue's policy must allow the rule) and "Using dead-letter queues to process undelivered events". Events for a bus that does not exist are accepted and
dropped, by AWS too (issue 186 of aws/aws-sdk).
"""

import json
from contextvars import copy_context

from ministack.core import iam_evaluator

LARGEST_REQUEST_BYTES = 1_048_576
TIME_BYTES = 14
SERVICE = "events.amazonaws.com"


def check_events(eventbridge):
    """Refuses a request that is too large, and the entries that no event can be made of."""
    put_events = eventbridge._put_events

    def checked(data, allow_aws_source=False):
        entries = data.get("Entries") or []
        if sum(map(size_of, entries)) >= LARGEST_REQUEST_BYTES:
            reason = "Total size of the entries in the request is over the limit."
            return eventbridge.error_response_json("ValidationException", reason, 400)
        problems = [problem_of(entry) for entry in entries]
        good = [entry for entry, problem in zip(entries, problems) if not problem]
        status, headers, body = put_events({**data, "Entries": good}, allow_aws_source)
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        results = iter(answer["Entries"])
        merged = [problem or next(results) for problem in problems]
        failed = sum("ErrorCode" in result for result in merged)
        return eventbridge.json_response({"FailedEntryCount": failed, "Entries": merged})

    eventbridge._put_events = checked


def size_of(entry):
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *(entry.get("Resources") or [])]
    return sum(len((text or "").encode()) for text in texts) + (TIME_BYTES if entry.get("Time") else 0)


def problem_of(entry):
    if not all(entry.get(name) for name in ("Source", "DetailType", "Detail")):
        return {"ErrorCode": "InvalidArgument", "ErrorMessage": "Source, DetailType and Detail are required."}
    try:
        detail = json.loads(entry["Detail"], parse_int=integer)
    except ValueError:
        detail = None
    return None if isinstance(detail, dict) else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def integer(digits):
    if not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError("an integer beyond 64 bits")
    return value


def rules_need_their_bus(eventbridge, resources):
    """Fails a template whose rule is on a bus that does not exist, and keeps a bus that has rules."""
    rule, delete_bus = resources["AWS::Events::Rule"], eventbridge._delete_event_bus
    create_rule = rule["create"]

    def create(logical_id, properties, stack):
        eventbridge._ensure_default_bus()
        name, _ = eventbridge._event_bus_name_from_ref(properties.get("EventBusName", "default"))
        if name not in eventbridge._event_buses:
            raise ValueError(f"AWS::Events::Rule: ResourceNotFoundException: Event bus {name} does not exist.")
        return create_rule(logical_id, properties, stack)

    def delete(data):
        if any(rule.get("EventBusName") == data.get("Name") for rule in eventbridge._rules.values()):
            return eventbridge.error_response_json("ValidationException", "Cannot delete an event bus with rules.", 400)
        return delete_bus(data)

    rule["create"] = create
    eventbridge._delete_event_bus = delete


def deliver_by_queue_policies(eventbridge, sqs):
    """Delivers to a queue whose policy allows the rule, and what cannot be delivered to the dead-letter queue of the target."""
    invoke_target = eventbridge._invoke_target

    def allows(queue_arn, rule):
        account = rule["Arn"].split(":")[4]

        def decide():
            # EventBridge itself calls the queue, over TLS, also for a schedule, which no request began.
            iam_evaluator.pin_request_origin("127.0.0.1", True)
            return sqs.queue_policy_allows(queue_arn, SERVICE, rule["Arn"], account)

        return copy_context().run(decide)

    def invoke(target, event, rule, view=None):
        if not target.get("Arn", "").startswith("arn:aws:sqs:") or allows(target["Arn"], rule):
            return invoke_target(target, event, rule, view)
        dead_letters = (target.get("DeadLetterConfig") or {}).get("Arn")
        if dead_letters and allows(dead_letters, rule):
            return invoke_target({"Id": target.get("Id"), "Arn": dead_letters}, event, rule, view)
        return None

    eventbridge._invoke_target = invoke
