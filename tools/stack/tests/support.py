"""What several tests of the emulator need."""

import asyncio
import json
import logging

# ministack logs each queue and table that is created.
logging.disable(logging.WARNING)


def restore_after(test, module, *dictionaries):
    """Undoes what a test changes in a module of ministack."""
    before = dict(vars(module))
    copies = [(dictionary, dict(dictionary)) for dictionary in dictionaries]

    def restore():
        for name in set(vars(module)) - set(before):
            delattr(module, name)
        vars(module).update(before)
        for dictionary, copy in copies:
            dictionary.clear()
            dictionary.update(copy)

    test.addCleanup(restore)


def call_sqs(sqs, action, headers=None, **request):
    """A request to SQS. Returns the response, or the code of the refusal."""
    headers = {"x-amz-target": f"AmazonSQS.{action}", **(headers or {})}
    status, _, body = asyncio.run(sqs.handle_request("POST", "/", headers, json.dumps(request).encode(), {}))
    response = json.loads(body)
    return response if status == 200 else response["__type"].rpartition("#")[2]


def call_dynamodb(dynamodb, action, **request):
    """A request to DynamoDB. Returns the status and the response."""
    headers = {"x-amz-target": f"DynamoDB_20120810.{action}"}
    status, _, body = asyncio.run(dynamodb.handle_request("POST", "/", headers, json.dumps(request).encode(), {}))
    return status, json.loads(body)


def create_table(dynamodb, name):
    """A table with the partition key `pk`, and an index `by_phase` of the items that have a phase."""
    string = lambda attribute: {"AttributeName": attribute, "AttributeType": "S"}
    key = lambda attribute: [{"AttributeName": attribute, "KeyType": "HASH"}]
    index = {"IndexName": "by_phase", "KeySchema": key("phase"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
    dynamodb._create_table({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST", "GlobalSecondaryIndexes": [index],
        "AttributeDefinitions": [string("pk"), string("phase")], "KeySchema": key("pk"),
    })
