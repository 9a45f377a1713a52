"""Limits of SQS: what a message may contain, how long it may wait, and how many messages may be in flight.

ministack accepts more than SQS, so that a program which exceeds a limit seems to work. Sources, all of the Amazon SQS API Reference:
"SendMessage" (allowed characters, DelaySeconds), "SendMessageBatch" (1 MiB for a message and for the whole batch),
"ReceiveMessage" (ranges of its parameters, OverLimit) and "ChangeMessageVisibility" (120,000 messages in flight, 12 hours since a
message was received); of the Amazon SQS Developer Guide: "Amazon SQS message metadata" (at most 10 attributes, which count as part
of the message) and "Amazon SQS standard queue quotas" (a receive that waits gets no error beyond the quota).
"""

import base64
import time

IN_FLIGHT_QUOTA = 120_000
# A queue with this tag has another quota, so that a test reaches it with few messages. AWS raises a quota on request.
QUOTA_TAG = "emulator:in-flight-quota"
LARGEST_BATCH_BYTES = 1_048_576
MOST_ATTRIBUTES = 10
LONGEST_DELAY_SECONDS = 900
LONGEST_VISIBILITY_SECONDS = 43_200
LONGEST_WAIT_SECONDS = 20


def check_sent_messages(sqs):
    """Checks the attributes of a message together with its body, and its delay; ministack only checks the body."""
    send = sqs._act_send_message
    send_batch = sqs._act_send_message_batch

    def send_message(data, url):
        refuse_outside(sqs, data, "DelaySeconds", LONGEST_DELAY_SECONDS)
        count = len(data.get("MessageAttributes") or {})
        if count > MOST_ATTRIBUTES:
            reason = f"Number of message attributes [{count}] exceeds the allowed maximum [{MOST_ATTRIBUTES}]."
            raise sqs._Err("InvalidParameterValue", reason)
        if any(sqs._INVALID_SQS_CHARS_RE.search(text) for text in texts_of(data)):
            raise sqs._Err("InvalidMessageContents", "An attribute contains characters outside the allowed set.")
        limit = int(sqs._get_q(data.get("QueueUrl", url))["attributes"]["MaximumMessageSize"])
        if size_of(data) > limit:
            reason = f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
            raise sqs._Err("InvalidParameterValue", reason)
        return send(data, url)

    def send_message_batch(data, url):
        size = sum(map(size_of, data.get("Entries") or []))
        if size > LARGEST_BATCH_BYTES:
            reason = f"Batch requests cannot be longer than {LARGEST_BATCH_BYTES} bytes. You have sent {size} bytes."
            raise sqs._Err("BatchRequestTooLong", reason)
        return send_batch(data, url)

    # ministack's batch calls the single send for each entry, and reports its refusals as the batch's failed entries.
    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = send_message
    sqs._act_send_message_batch = sqs._HANDLERS["SendMessageBatch"] = send_message_batch


def texts_of(message):
    """The names, types and texts of a message's attributes."""
    for name, value in (message.get("MessageAttributes") or {}).items():
        yield from (name, value.get("DataType") or "", value.get("StringValue") or "")


def size_of(message):
    """The bytes that count: the body, and the names, types and values of the attributes."""
    binary = [value.get("BinaryValue") or "" for value in (message.get("MessageAttributes") or {}).values()]
    texts = [message.get("MessageBody") or "", *texts_of(message)]
    return sum(len(text.encode()) for text in texts) + sum(len(base64.b64decode(value)) for value in binary)


def refuse_outside(sqs, data, name, highest):
    """Refuses a number that is negative or above the highest one. A missing one is allowed."""
    value = data.get(name)
    if value is not None and not 0 <= int(value) <= highest:
        reason = f"Value {value} for parameter {name} is invalid. Reason: Must be between 0 and {highest}, if provided."
        raise sqs._Err("InvalidParameterValue", reason)


def limit_messages_in_flight(sqs):
    """Returns no message beyond the quota of messages in flight; in ministack any number can be in flight."""
    collect = sqs._collect_msgs
    receive = sqs._act_receive_message

    def collect_messages(queue, count, visibility):
        free = quota(queue) - in_flight(queue)
        return collect(queue, min(count, free), visibility) if free > 0 else []

    async def receive_message(data, url):
        refuse_outside(sqs, data, "VisibilityTimeout", LONGEST_VISIBILITY_SECONDS)
        refuse_outside(sqs, data, "WaitTimeSeconds", LONGEST_WAIT_SECONDS)
        response = await receive(data, url)
        queue = sqs._get_q(data.get("QueueUrl", url))
        wait = int(data.get("WaitTimeSeconds", queue["attributes"]["ReceiveMessageWaitTimeSeconds"]))
        if not response and not wait and not queue["is_fifo"] and in_flight(queue) >= quota(queue):
            raise sqs._Err("OverLimit", "Too many messages are in flight.")
        return response

    # The poller of event source mappings collects messages, too. As on AWS it waits for messages, and gets no error.
    sqs._collect_msgs = collect_messages
    sqs._act_receive_message = sqs._HANDLERS["ReceiveMessage"] = receive_message


def quota(queue):
    return int(queue["tags"].get(QUOTA_TAG, IN_FLIGHT_QUOTA))


def in_flight(queue):
    """The number of messages that were received, and are neither deleted nor visible again."""
    now = time.time()
    return sum(message.get("receive_count", 0) > 0 and message["visible_at"] > now for message in queue["messages"])


def check_changed_visibility(sqs):
    """Refuses to change the visibility of a message that is not in flight, or to hide it for longer than 12 hours since it was
    received; ministack allows both."""
    change = sqs._act_change_visibility
    collect = sqs._collect_msgs

    def collect_messages(queue, count, visibility):
        messages = collect(queue, count, visibility)
        for message in messages:
            message["received_at"] = time.time()
        return messages

    def change_visibility(data, url):
        refuse_outside(sqs, data, "VisibilityTimeout", LONGEST_VISIBILITY_SECONDS)
        messages = sqs._get_q(data.get("QueueUrl", url))["messages"]
        handle = data.get("ReceiptHandle")
        message = next((one for one in messages if handle and one.get("receipt_handle") == handle), None)
        if message:
            seconds = int(data.get("VisibilityTimeout", 30))
            now = time.time()
            if message["visible_at"] <= now:
                raise sqs._Err("MessageNotInflight", "The specified message isn't in flight.")
            if now + seconds > message["received_at"] + LONGEST_VISIBILITY_SECONDS:
                reason = f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout " \
                         f"for the message is beyond the limit [{LONGEST_VISIBILITY_SECONDS} seconds]"
                raise sqs._Err("InvalidParameterValue", reason)
        return change(data, url)

    def change_visibility_batch(data, url):
        entries = data.get("Entries") or []
        sqs._validate_batch_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
        result = {"Successful": [], "Failed": []}
        for entry in entries:
            try:
                change_visibility({**entry, "QueueUrl": data.get("QueueUrl", url)}, url)
                result["Successful"].append({"Id": entry["Id"]})
            except sqs._Err as error:
                failed = {"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True}
                result["Failed"].append(failed)
        return result

    sqs._collect_msgs = collect_messages
    sqs._act_change_visibility = sqs._HANDLERS["ChangeMessageVisibility"] = change_visibility
    sqs._act_change_visibility_batch = sqs._HANDLERS["ChangeMessageVisibilityBatch"] = change_visibility_batch


def check_batches_by_single_permissions(iam_actions):
    """Checks a queue's batch calls by the permission for single calls; ministack requires another permission. Source: Amazon SQS
    Developer Guide, "Amazon SQS API permissions: Actions and resource reference"."""
    extract = iam_actions.extract_iam_action

    def extract_action(*arguments, **named):
        action = extract(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract_action
