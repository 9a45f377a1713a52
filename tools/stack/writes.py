"""What a request to DynamoDB writes: the same for transactions, batches and single writes."""

import copy
from dataclasses import dataclass


@dataclass
class Write:
    """One write of a request. `request` has the parameters of a single write: Item or Key, and the expressions."""

    dynamodb: object
    kind: str  # Put, Update, Delete or ConditionCheck
    request: dict
    # The table, the partition key and the sort key. None if ministack will refuse the request.
    identity: tuple | None
    # The item before the request.
    before: dict | None

    @property
    def table(self):
        return self.dynamodb._tables.get(self.identity[0])

    def stored(self):
        """The item as it is stored now. ministack replaces items and never changes one."""
        _, partition, sort = self.identity
        return self.table["items"].get(partition, {}).get(sort)

    def intended(self):
        """The item that this write would store, or the stored item if the write would not change it."""
        if self.kind == "Put":
            return self.request["Item"]
        expression = self.request.get("UpdateExpression")
        if self.kind != "Update" or not expression:
            return self.before
        item = copy.deepcopy(self.before) if self.before else dict(self.request["Key"])
        values = self.request.get("ExpressionAttributeValues", {})
        names = self.request.get("ExpressionAttributeNames", {})
        try:
            return self.dynamodb._apply_update_expression(item, expression, values, names)[0]
        except ValueError:
            return self.before

    def condition_holds(self):
        condition = self.request.get("ConditionExpression")
        if not condition:
            return True
        values = self.request.get("ExpressionAttributeValues", {})
        names = self.request.get("ExpressionAttributeNames", {})
        try:
            return self.dynamodb._evaluate_condition(condition, self.before or {}, values, names)
        except ValueError:
            return True


def writes_of(dynamodb, action, data):
    """The writes of a request, in its order. Empty for a request that only reads."""
    return [write(dynamodb, kind, request) for kind, request in requests_of(action, data)]


def requests_of(action, data):
    if action in ("PutItem", "UpdateItem", "DeleteItem"):
        yield action.removesuffix("Item"), data
    elif action == "TransactWriteItems":
        for member in data.get("TransactItems") or []:
            yield from member.items()
    elif action == "BatchWriteItem":
        for name, members in (data.get("RequestItems") or {}).items():
            for member in members:
                for kind, request in member.items():
                    yield kind.removesuffix("Request"), {"TableName": name, **request}


def write(dynamodb, kind, request):
    identity = key_of(dynamodb, request.get("TableName"), request.get("Item" if kind == "Put" else "Key"))
    found = Write(dynamodb, kind, request, identity, None)
    if identity:
        found.before = found.stored()
    return found


def key_of(dynamodb, table_name, attributes):
    """The table, the partition key and the sort key of an item, or None without such a table or key."""
    name = dynamodb._normalize_table_name(table_name) if table_name else None
    table = dynamodb._tables.get(name)
    if not table or not isinstance(attributes, dict):
        return None
    partition, sort = table["pk_name"], table["sk_name"]
    if partition not in attributes or (sort and sort not in attributes):
        return None
    sort_value = dynamodb._extract_key_val(attributes[sort]) if sort else "__no_sort__"
    return name, dynamodb._extract_key_val(attributes[partition]), sort_value
