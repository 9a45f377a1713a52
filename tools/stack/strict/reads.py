"""Limits of DynamoDB's BatchGetItem over all tables together.

Source: Amazon DynamoDB API Reference, "BatchGetItem": at most 100 items "from one or more tables", and a partial result if "more
than 1MB per partition is requested". ministack limits each table to 100 keys, and always returns everything.
"""

import json

from .writes import key_of

MOST_KEYS = 100
# The items of a table may all be in one partition.
LARGEST_PARTITION_READ_BYTES = 1_048_576


def limit_batch_reads(dynamodb):
    """Refuses a read of too many keys, and leaves the keys of too many bytes unprocessed."""
    get = dynamodb._batch_get_item

    def batch_get(data):
        requested = data.get("RequestItems") or {}
        keys = [len(table.get("Keys", [])) for table in requested.values()]
        # For more than 100 keys of one table DynamoDB has another message, which ministack returns.
        if sum(keys) > MOST_KEYS >= max(keys):
            message = "Too many items requested for the BatchGetItem call"
            return dynamodb.error_response_json("ValidationException", message, 400)
        processed, unprocessed = {}, {}
        for name, table in requested.items():
            count = fitting(dynamodb, name, table.get("Keys", []))
            processed[name] = {**table, "Keys": table.get("Keys", [])[:count]}
            if rest := table.get("Keys", [])[count:]:
                unprocessed[name] = {**table, "Keys": rest}
        if not unprocessed:
            return get(data)
        return with_unprocessed(dynamodb, get({**data, "RequestItems": processed}), unprocessed)

    dynamodb._batch_get_item = batch_get


def fitting(dynamodb, table_name, keys):
    """How many of the keys have items that fit into a response. The first one always does."""
    size = 0
    for count, key in enumerate(keys):
        if identity := key_of(dynamodb, table_name, key):
            name, partition, sort = identity
            item = dynamodb._tables[name]["items"].get(partition, {}).get(sort)
            size += dynamodb._item_size_bytes(item) if item else 0
        if count and size > LARGEST_PARTITION_READ_BYTES:
            return count
    return len(keys)


def with_unprocessed(dynamodb, response, unprocessed):
    """A response to a part of the request, with the keys of the other part."""
    status, _, body = response
    if status != 200:
        return response
    return dynamodb.json_response({**json.loads(body), "UnprocessedKeys": unprocessed})
